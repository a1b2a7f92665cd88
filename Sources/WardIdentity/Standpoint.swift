public import WardCore
public import WardPolicy

/// From where somebody looks at records: what decisions depend on, and nothing that could be shown to a door.
///
/// Of a ``Principal`` it is what they have; of a ``Person`` what they would have, for explanations.
public struct Standpoint: Sendable {
    public let kind: Principal.Kind
    public let id: String
    public let roles: [Role]
    public let purpose: PurposeOfUse
    public let scopes: [Scope]?
    public let practitioner: String?
    public let patients: [String]
    public let patientInContext: String?
    /// Whether identity was proven of late; a client proved it with the key that it just used.
    public let isFresh: Bool
}

extension Principal {
    public func standpoint(at now: Instant) -> Standpoint {
        Standpoint(
            kind: kind, id: id, roles: roles, purpose: purpose, scopes: scopes, practitioner: practitioner,
            patients: patients, patientInContext: patientInContext, isFresh: kind == .client || isFresh(at: now))
    }
}

extension Person {
    /// Where the person would stand, signed in a moment ago; nil without a role.
    public var standpoint: Standpoint? {
        roles.first.map { first in
            Standpoint(
                kind: .person, id: id, roles: roles, purpose: first.usualPurpose, scopes: nil,
                practitioner: practitioner, patients: patients, patientInContext: nil, isFresh: true)
        }
    }
}
