public import WardCore
import WardAudit

/// What somebody is told of earlier sign-ins with their account (45 CFR 164.308(a)(5)(ii)(C)).
public struct SignInHistory: Hashable, Sendable {
    /// The newest sign-in but the one that asks; nil if there was none.
    public let other: SignInPlace?
    /// Failed attempts since that one, or since one's own if that was earlier.
    public let failures: Int
}

/// When and from where somebody signed in.
public struct SignInPlace: Hashable, Sendable {
    public let time: Instant
    public let address: String
}

extension People {
    /// - Parameter session: number of the session that asks; its own sign-in is left out, wherever it stands.
    public func signInHistory(of person: String, but session: Session) -> SignInHistory {
        let newest = (try? log.events(with: [.actor("person/\(person)"), .kind(.signedIn)], limit: 2)) ?? []
        let other = newest.first { $0.event.session != session.number }.map {
            SignInPlace(time: $0.event.time, address: $0.event.source.address)
        }
        return SignInHistory(
            other: other,
            failures: other.map { signInFailures(of: person, since: min($0.time, session.created)) } ?? 0)
    }

    /// Failed attempts to sign in as somebody, those that are not in the log yet among them.
    public func signInFailures(of person: String, since start: Instant) -> Int {
        let logged =
            (try? log.events(
                with: [.subject("person/\(person)"), .kind(.signInFailed)], limit: Self.failuresLookedAt)) ?? []
        return logged.filter { $0.event.time >= start }.reduce(0) { $0 + $1.event.count } + unloggedFailures(of: person)
    }

    /// Events that ``signInFailures(of:since:)`` looks at, each of which may stand for many attempts; where there are
    /// more, its answer is the least that there were.
    public static let failuresLookedAt = 200
}
