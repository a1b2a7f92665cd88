public import WardCore
public import WardFHIR

/// Everything that a decision depends on.
public struct AccessQuestion: Sendable {
    public var action: Action
    /// Nil: the store as a whole, such as for verification.
    public var type: ResourceType?
    /// Every role of who asks; an app adds ``Role/app`` to those of the person it acts for.
    public var roles: [Role]
    public var purpose: PurposeOfUse
    /// What the access token was narrowed to; nil for no narrowing.
    public var scopes: [Scope]?
    /// Whether identity was proven within the last five minutes; of a client, by the key that it just used.
    public var isFresh: Bool
    /// Nil while no record is looked at: the answer then says what may be possible.
    public var facts: RecordFacts?

    public init(
        action: Action, type: ResourceType?, roles: [Role], purpose: PurposeOfUse, scopes: [Scope]? = nil,
        isFresh: Bool = false, facts: RecordFacts? = nil
    ) {
        self.action = action
        self.type = type
        self.roles = roles
        self.purpose = purpose
        self.scopes = scopes
        self.isFresh = isFresh
        self.facts = facts
    }
}

/// The answer to an ``AccessQuestion``.
public struct AccessDecision: Hashable, Sendable {
    /// Nil: permitted.
    public let denial: Denial?
    /// Position of the rule that decided, or that would have permitted; ``Policy/code(of:)`` names it.
    let rule: UInt16?
    /// What may be seen of the record; ``FieldProfileSet/nothing`` if denied.
    public let profiles: FieldProfileSet
    /// Whether each record must be decided on again with its facts.
    public let isConditional: Bool

    public var isPermitted: Bool { denial == nil }

    /// Why not, in the order of how close it came.
    public enum Denial: String, CaseIterable, Comparable, Sendable {
        case roleNotKnown = "role-not-known"
        case typeNotGranted = "type-not-granted"
        case actionNotGranted = "action-not-granted"
        case purposeNotGranted = "purpose-not-granted"
        /// A rule would permit it in a relationship, to the author, or in an emergency.
        case conditionMissing = "condition-missing"
        /// A rule forbids it.
        case forbidden
        /// The patient said no (45 CFR 164.522, Consent).
        case consentRefused = "consent-refused"
        case scopeNotGranted = "scope-not-granted"

        private var rank: Int {
            switch self {
            case .roleNotKnown: 0
            case .typeNotGranted: 1
            case .actionNotGranted: 2
            case .purposeNotGranted: 3
            case .conditionMissing: 4
            case .forbidden: 5
            case .consentRefused: 6
            case .scopeNotGranted: 7
            }
        }

        public static func < (left: Denial, right: Denial) -> Bool { left.rank < right.rank }
    }

    static func deny(_ denial: Denial, rule: UInt16? = nil) -> AccessDecision {
        AccessDecision(denial: denial, rule: rule, profiles: .nothing, isConditional: false)
    }
}

/// The field profiles that apply to a record; an element is seen if one of them keeps it.
public struct FieldProfileSet: Hashable, Sendable {
    /// Bit n: profile n of the document; all bits: everything.
    let mask: UInt64

    public static let whole = FieldProfileSet(mask: .max)
    public static let nothing = FieldProfileSet(mask: 0)

    /// Whether the record may be seen as it is.
    public var isWhole: Bool { self == .whole }

    public func union(_ other: FieldProfileSet) -> FieldProfileSet { FieldProfileSet(mask: mask | other.mask) }
}
