import Synchronization
import WardCore
import WardCrypto
import WardIdentity

/// Seeds shown on pages and not confirmed by a first code yet: kept here, not in the form, so that nobody chooses one.
final class PendingSeeds: Sendable {
    private static let lifetime: Int64 = 900

    private let seeds = Mutex<[Digest: (seed: TOTPSeed, expires: Instant)]>([:])

    /// The seed of a session's page; the same one until it is confirmed or 15 minutes are over.
    func seed(for session: Digest, at now: Instant) -> TOTPSeed {
        seeds.withLock { seeds in
            seeds = seeds.filter { $0.value.expires > now }
            if let known = seeds[session] { return known.seed }
            let seed = TOTPSeed()
            seeds[session] = (seed, now.adding(seconds: Self.lifetime))
            return seed
        }
    }

    func forget(_ session: Digest) {
        seeds.withLock { $0[session] = nil }
    }
}
