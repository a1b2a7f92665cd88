public import WardCore
public import WardFHIR

/// Who may do what to which resource types: a pure function, deny by default, with its reason in the answer.
public struct Policy: Sendable {
    public init() {}

    /// Decides one action on one type (nil: an action on no type, such as verification).
    ///
    /// - Parameter scopes: what the access token was narrowed to; nil for no narrowing.
    public func decide(
        _ action: Action, on type: ResourceType?, role: Role, purpose: PurposeOfUse, scopes: [Scope]?
    ) -> Decision {
        guard let type else { return decideSystem(action, role: role, purpose: purpose, scopes: scopes) }
        guard isReachable(type, by: role) else { return .deny("\(role.rawValue)/type-not-granted") }
        guard Self.actions(of: role, on: type).contains(action) else {
            return .deny("\(role.rawValue)/action-not-granted")
        }
        guard Self.purposes(of: role).contains(purpose) else { return .deny("\(role.rawValue)/purpose-not-granted") }
        if let scopes, !scopes.contains(where: { $0.allows(action, on: type) }) { return .deny("scope-not-granted") }
        return .permit("\(role.rawValue)/\(action.rawValue)")
    }

    /// Whether a role sees anything of a type, whatever it does with it; the residual filter of every search.
    public func isReachable(_ type: ResourceType, by role: Role) -> Bool {
        switch role {
        case .administrator: false
        case .clinician, .integration: true
        case .frontDesk: Self.frontDeskTypes.contains(type)
        }
    }

    private func decideSystem(
        _ action: Action, role: Role, purpose: PurposeOfUse, scopes: [Scope]?
    ) -> Decision {
        switch (action, role) {
        case (.readAudit, .administrator), (.administer, .administrator):
            // Scopes speak of resource types: a narrowed token holds nothing of the system.
            if scopes != nil { return .deny("scope-not-granted") }
        // Every record is decided on again, by its type and the token's scopes.
        case (.import, .integration), (.export, .integration): break
        default: return .deny("\(role.rawValue)/action-not-granted")
        }
        guard Self.purposes(of: role).contains(purpose) else { return .deny("\(role.rawValue)/purpose-not-granted") }
        return .permit("\(role.rawValue)/\(action.rawValue)")
    }

    private static func actions(of role: Role, on type: ResourceType) -> Set<Action> {
        switch role {
        case .administrator: []
        case .clinician: [.create, .delete, .history, .read, .search, .update]
        case .integration: [.create, .delete, .export, .history, .import, .read, .search, .update]
        case .frontDesk:
            frontDeskWrites.contains(type) ? [.create, .history, .read, .search, .update] : [.history, .read, .search]
        }
    }

    private static func purposes(of role: Role) -> Set<PurposeOfUse> {
        switch role {
        case .administrator: [.systemAdministration]
        case .clinician: [.operations, .patientRequest, .treatment]
        case .frontDesk: [.operations, .patientRequest, .payment, .treatment]
        case .integration: [.operations, .patientRequest, .payment, .treatment]
        }
    }

    /// Demographics, schedule, coverage, and the directory that both need.
    private static let frontDeskTypes = Set(
        [
            "Appointment", "AppointmentResponse", "Coverage", "HealthcareService", "InsurancePlan", "Location",
            "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Schedule", "Slot",
        ].compactMap { ResourceType($0) })

    private static let frontDeskWrites = Set(
        ["Appointment", "AppointmentResponse", "Coverage", "Patient", "RelatedPerson"].compactMap { ResourceType($0) })
}

/// Yes or no, and the rule that said so.
public enum Decision: Hashable, Sendable {
    case deny(String)
    case permit(String)

    public var reason: String {
        switch self {
        case .deny(let reason), .permit(let reason): reason
        }
    }

    public var isPermitted: Bool {
        if case .permit = self { true } else { false }
    }
}
