public import WardAudit
public import WardCore
public import WardPolicy

/// Somebody proved who they are.
///
/// In this release: a client, by a signature of its registered key.
///
/// Only ``Authenticator`` makes one.
public struct Principal: Sendable {
    public let id: String
    public let role: Role
    public let purpose: PurposeOfUse
    /// What the token was narrowed to; nil for the whole role.
    public let scopes: [Scope]?
    /// Ends with the token.
    public let expires: Instant

    // Internal on purpose: identity is proven in this module or nowhere.
    init(client: Client, scopes: [Scope]?, expires: Instant) {
        id = client.name
        role = client.role
        purpose = client.purpose
        self.scopes = scopes
        self.expires = expires
    }

    /// As the audit log names it.
    public var actor: AuditActor { AuditActor(id: "client/\(id)", name: id, role: role.rawValue) }
}

/// Why somebody was not recognised, or a registration not taken.
public enum IdentityFailure: Error, Hashable, Sendable {
    case auditUnavailable
    case badKey
    case badName
    case badScope
    case badSignature
    case expired
    case livesTooLong
    case malformedAssertion
    case nameTaken
    case replayed
    case storage
    case unknownClient
    case unknownKey
    case wrongAudience
    case wrongIssuer
}
