public import WardAudit
public import WardCore
public import WardPolicy

/// Somebody proved who they are: a person by two factors, a client by a signature of its registered key.
///
/// Only ``Authenticator``, ``People`` and ``OAuth`` make one.
public struct Principal: Sendable {
    public enum Kind: String, Sendable {
        case client, person
    }

    public let kind: Kind
    public let id: String
    public let name: String
    /// Never empty. A person may be more than one thing in a small clinic.
    public let roles: [Role]
    public let purpose: PurposeOfUse
    /// What the token was narrowed to; nil for the whole role.
    public let scopes: [Scope]?
    /// Ends with the token or the session.
    public let expires: Instant
    /// `Practitioner` id of a member of the clinic.
    public let practitioner: String?
    /// `Patient` ids of somebody's own record, or of those they act for.
    public let patients: [String]
    /// `Patient` id of the launch that an app's token was issued for (SMART App Launch 2.2); nil without one.
    public let patientInContext: String?
    /// Name and id of the app that acts for the person; nil for none.
    public let app: String?
    /// Newest proof of two factors; for a client, of its key.
    public let authenticated: Instant
    /// Number of the session, for the log.
    public let session: String?
    /// The browser that the session is in, for the log; nil for clients and apps.
    public let device: String?

    // Internal on purpose: identity is proven in this module or nowhere.
    init(client: Client, scopes: [Scope]?, expires: Instant) {
        kind = .client
        id = client.name
        name = client.name
        roles = [client.role]
        purpose = client.purpose
        self.scopes = scopes
        self.expires = expires
        practitioner = nil
        patients = []
        patientInContext = nil
        app = nil
        authenticated = expires.adding(seconds: -Authenticator.tokenLifetime)
        session = nil
        device = nil
    }

    /// Nil for somebody without any role: they are known, and may nothing.
    init?(person: Person, session: Session) {
        guard let first = person.roles.first else { return nil }
        kind = .person
        id = person.id
        name = person.displayName
        roles = person.roles
        purpose = first.usualPurpose
        scopes = nil
        expires = person.ends.map { min($0, session.ends) } ?? session.ends
        practitioner = person.practitioner
        patients = person.patients
        patientInContext = nil
        app = nil
        authenticated = session.authenticated
        self.session = session.number
        device = session.mark
    }

    /// An app acting for somebody: never more than that person is now, and only within its scopes.
    ///
    /// Nil for somebody without any role.
    init?(app: App, for person: Person, grant: AppGrant, scopes: [Scope], expires: Instant) {
        guard let first = person.roles.first else { return nil }
        kind = .person
        id = person.id
        name = person.displayName
        roles = person.roles + [.app]
        purpose = first.usualPurpose
        self.scopes = scopes
        self.expires = person.ends.map { min($0, expires) } ?? expires
        practitioner = person.practitioner
        patients = person.patients
        patientInContext = grant.patient
        self.app = app.label
        authenticated = grant.authenticated
        session = grant.session
        device = nil
    }

    /// What policy is asked about first.
    public var role: Role { roles[0] }

    /// Whether two factors were shown within the last five minutes, as sensitive acts need.
    public func isFresh(at now: Instant) -> Bool {
        kind == .person && app == nil && authenticated.adding(seconds: Session.freshness) > now && authenticated <= now
    }

    /// As the audit log names it.
    public var actor: AuditActor {
        AuditActor(
            id: "\(kind.rawValue)/\(id)", name: name, role: roles.map(\.rawValue).joined(separator: " "), app: app)
    }
}

extension RequestSource {
    /// The same, with the session and the browser that `principal` is known by.
    public func within(_ principal: Principal) -> RequestSource {
        var source = self
        source.session = principal.session
        source.device = principal.device
        return source
    }
}

/// Why somebody was not recognised, or a registration not taken.
public enum IdentityFailure: Error, Hashable, Sendable {
    case auditUnavailable
    case badKey
    case alreadyOpen
    case badName
    case badPasskey
    case badPassword(PasswordFailure)
    case badScope
    case badSignature
    case busy
    /// Nothing is on file of how somebody was cleared for work with records.
    case clearanceNeeded
    /// What is kept and what the log says of it differ.
    case damaged
    case expired
    case hasherBusy
    case lastAdministrator
    case lastFactor
    case livesTooLong
    case malformedAssertion
    case nameTaken
    case notPermitted
    case notRecognised
    case reasonNeeded
    case replayed
    case reviewsOverdue
    /// Roles that one account may not hold together.
    case rolesApart
    case secondPersonNeeded
    case sessionEnded
    case stepUpNeeded
    case stillRunning
    case storage
    case throttled(seconds: Int64)
    case tooLarge
    case tooManyEmergencies
    case tooManyPasskeys
    case unknownClient
    case unknownKey
    case unknownLink
    case unknownPerson
    case unknownRequest
    case wrongAudience
    case wrongIssuer
}
