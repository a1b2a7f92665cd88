public import WardCore
import WardAudit

/// What somebody is told of earlier sign-ins with their account (45 CFR 164.308(a)(5)(ii)(C)).
public struct SignInHistory: Hashable, Sendable {
    /// The sign-in before the newest one; nil if there was none.
    public let earlier: SignInPlace?
    /// Failed attempts since then.
    public let failures: Int
}

/// When and from where somebody signed in.
public struct SignInPlace: Hashable, Sendable {
    public let time: Instant
    public let address: String
}

extension People {
    public func signInHistory(of person: String) -> SignInHistory {
        let newest = (try? log.events(with: [.actor("person/\(person)"), .kind(.signedIn)], limit: 2)) ?? []
        let earlier = newest.dropFirst().first.map {
            SignInPlace(time: $0.event.time, address: $0.event.source.address)
        }
        return SignInHistory(
            earlier: earlier, failures: earlier.map { signInFailures(of: person, since: $0.time) } ?? 0)
    }

    /// Failed attempts to sign in as somebody, those that are not in the log yet among them.
    public func signInFailures(of person: String, since start: Instant) -> Int {
        let logged =
            (try? log.events(
                with: [.subject("person/\(person)"), .kind(.signInFailed)], limit: Self.failuresLookedAt)) ?? []
        return logged.filter { $0.event.time >= start }.reduce(0) { $0 + $1.event.count } + unloggedFailures(of: person)
    }

    /// Events, each of which may stand for many attempts.
    private static let failuresLookedAt = 200
}
