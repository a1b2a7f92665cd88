import Synchronization
public import WardCore
public import WardCrypto

/// What a passkey is asked for (WebAuthn §1.3).
public enum PasskeyCeremony: Hashable, Sendable {
    case registration
    case authentication

    /// As the browser names it (§5.8.1).
    var type: String { self == .registration ? "webauthn.create" : "webauthn.get" }
}

/// Random bytes that one ceremony has to sign (WebAuthn §13.4.3); checking it uses it up.
///
/// Only ``PasskeyChallenges`` makes one.
public struct PasskeyChallenge: ~Copyable, Sendable {
    public let bytes: [UInt8]
    public let ceremony: PasskeyCeremony
    /// Whose passkey it has to be; nil when the passkey shall tell.
    public let person: String?
    public let expires: Instant

    // Internal on purpose: a challenge that was never sent out, or twice, proves nothing.
    init(bytes: [UInt8], ceremony: PasskeyCeremony, person: String?, expires: Instant) {
        self.bytes = bytes
        self.ceremony = ceremony
        self.person = person
        self.expires = expires
    }
}

/// Challenges that are out: one for each session and ceremony, for five minutes, taken once.
///
/// They live in memory: after a restart a ceremony begins again.
public final class PasskeyChallenges: Sendable {
    /// Seconds that a challenge is good for.
    public static let lifetime: Int64 = 300
    private static let capacity = 20_000

    private struct Key: Hashable {
        let ticket: Digest
        let ceremony: PasskeyCeremony
    }

    private struct Entry {
        let bytes: [UInt8]
        let person: String?
        let expires: Instant
    }

    private let entries = Mutex<[Key: Entry]>([:])
    private let randomness: @Sendable (Int) -> [UInt8]

    public init() {
        randomness = randomBytes
    }

    /// Bytes that are not random prove nothing: for published vectors only.
    package init(predictable bytes: [UInt8]) {
        randomness = { _ in bytes }
    }

    /// Makes the challenge of a ceremony; an older one of the same session and ceremony ends.
    ///
    /// - Parameters:
    ///   - person: who registers, or whose passkey is asked for; nil only when the passkey shall tell who signs in.
    ///   - ticket: hash of the session's secret, so that nobody else can finish the ceremony.
    public func issue(_ ceremony: PasskeyCeremony, person: String?, ticket: Digest, now: Instant) -> [UInt8] {
        let bytes = randomness(32)
        entries.withLock { entries in
            if entries.count >= Self.capacity { Self.makeRoom(&entries, now) }
            entries[Key(ticket: ticket, ceremony: ceremony)] = Entry(
                bytes: bytes, person: person, expires: now.adding(seconds: Self.lifetime))
        }
        return bytes
    }

    /// Takes the challenge of a ceremony away; nil when there is none, or none any more.
    public func take(_ ceremony: PasskeyCeremony, ticket: Digest, now: Instant) -> PasskeyChallenge? {
        let entry = entries.withLock { $0.removeValue(forKey: Key(ticket: ticket, ceremony: ceremony)) }
        guard let entry, now < entry.expires else { return nil }
        return PasskeyChallenge(bytes: entry.bytes, ceremony: ceremony, person: entry.person, expires: entry.expires)
    }

    /// Strangers can start as many ceremonies as they like: the older half of theirs goes.
    private static func makeRoom(_ entries: inout [Key: Entry], _ now: Instant) {
        entries = entries.filter { now < $0.value.expires }
        guard entries.count >= capacity else { return }
        let strangers = entries.filter { $0.value.person == nil }.sorted { $0.value.expires < $1.value.expires }
        for (key, _) in strangers.prefix(strangers.count / 2) { entries[key] = nil }
    }
}
