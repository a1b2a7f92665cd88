public import WardCore
public import WardFHIR

/// Decisions by type alone, for callers that know nothing of the record.
extension Policy {
    /// Decides one action on one type (nil: an action on no type, such as verification).
    ///
    /// Only the roles that API clients have are permitted records here, and their conditions and field profiles are not
    /// held; all other roles are refused. ``decide(_:)`` is for them.
    ///
    /// - Parameter scopes: what the access token was narrowed to; nil for no narrowing.
    public func decide(
        _ action: Action, on type: ResourceType?, role: Role, purpose: PurposeOfUse, scopes: [Scope]?
    ) -> Decision {
        let decision = decide(
            AccessQuestion(action: action, type: type, roles: [role], purpose: purpose, isFresh: true))
        if let denial = decision.denial {
            let code = type == nil && denial == .typeNotGranted ? .actionNotGranted : denial
            return .deny("\(role.rawValue)/\(code.rawValue)")
        }
        if type != nil, !Role.ofClients.contains(role) { return .deny("\(role.rawValue)/facts-not-known") }
        if let scopes {
            let isExempt = type == nil && (action == .import || action == .export)
            let isAllowed = type.map { type in scopes.contains { $0.allows(action, on: type) } } ?? isExempt
            if !isAllowed { return .deny("scope-not-granted") }
        }
        return .permit("\(role.rawValue)/\(action.rawValue)")
    }

    /// Whether a role sees anything of a type, whatever it does with it; the residual filter of every search.
    public func isReachable(_ type: ResourceType, by role: Role) -> Bool {
        tables.index(of: role).map { tables.reaches($0, type.code) } ?? false
    }
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
