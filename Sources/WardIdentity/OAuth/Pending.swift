import WardCore

/// How lately somebody must have shown who they are (OpenID Connect Core §3.1.2.1, `prompt` and `max_age`).
enum ProofWanted: Sendable {
    case any
    case forThis
    case within(seconds: Int64)
}

/// An authorization that waits for a person.
public struct Pending: Sendable {
    /// Seconds that somebody may take to sign in and decide.
    static let lifetime: Int64 = 600
    static let capacity = 2000
    /// Of these, asked from one network; those of one person are bounded the same way once they have looked.
    static let mostFromOne = 100
    static let mostOfPerson = 20

    public let id: String
    public let app: App
    public let asked: AskedScopes
    let redirect: String
    let state: String
    let challenge: String
    let nonce: String?
    /// `dpop_jkt` (RFC 9449 §10): the only key that the code will be good for.
    let key: String?
    let launch: String?
    /// Network that it was asked from.
    let network: String
    let proof: ProofWanted
    /// `prompt=none`: nobody may be shown anything.
    let isSilent: Bool
    let created: Instant
    let expires: Instant
    /// Who has looked at it last.
    var person: String?

    /// Host that the answer goes to, as people read it.
    public var host: String { RedirectURI.host(of: redirect) }

    /// Whether somebody has shown who they are as lately as the app wants.
    func isSatisfied(by principal: Principal, at now: Instant) -> Bool {
        switch proof {
        case .any: true
        case .forThis: principal.authenticated >= created
        case .within(let seconds):
            principal.authenticated >= created || principal.authenticated.adding(seconds: seconds) >= now
        }
    }
}

/// An authorization code that was given out.
struct Code: Sendable {
    /// Seconds (OAuth 2.1 §4.1.2).
    static let lifetime: Int64 = 60
    /// Seconds for which a used one is recognised again.
    static let memory: Int64 = 600

    let grant: AppGrant
    let redirect: String
    let challenge: String
    let nonce: String?
    let key: String?
    let expires: Instant
    var isSpent = false
}

/// A patient chosen here, before the app begins (SMART App Launch 2.2, EHR launch).
struct Launch: Sendable {
    /// Seconds.
    static let lifetime: Int64 = 300

    let app: String
    let person: String
    let session: String
    let patient: String
    let expires: Instant
}
