import WardFHIR

/// A policy as its document says it, with names resolved.
struct PolicyDocument: Sendable {
    struct RoleEntry: Sendable {
        let name: String
        var says = ""
        var purposes: UInt8 = 0
        /// Whether it only narrows what the other roles of the same person give.
        var isCeiling = false
    }

    struct Label: Sendable {
        let name: String
        let bit: UInt32
        var says = ""
        var codes: [Code] = []
    }

    struct Code: Hashable, Sendable {
        let system: String
        /// `*`: every code of the system that no other label names.
        let code: String
    }

    struct Profile: Sendable {
        let name: String
        var says = ""
        /// Labels that who sees records through this profile may know of.
        var labels: UInt32 = 0
        var selections: [ResourceType: FieldSelection] = [:]
    }

    struct Rule: Sendable {
        var id = ""
        var says = ""
        var isForbid = false
        /// Bit n: role n.
        var roles: UInt64 = 0
        var actions: UInt32 = 0
        /// Codes of resource types; ``system`` alone for what is done to the store as a whole.
        var types: Set<UInt8> = []
        var purposes: UInt8 = .max
        var profile: UInt8?
        /// Any of these permits (`if`), or takes the ban away (`unless`).
        var conditions: Conditions = []
        /// A ban on records with any of these; 0: on all.
        var labels: UInt32 = 0
    }

    var name = ""
    var says = ""
    var roles: [RoleEntry] = []
    var labels: [Label] = []
    var profiles: [Profile] = []
    var rules: [Rule] = []

    /// Stands for no type.
    static let system: UInt8 = 146

    func role(named name: String) -> Int? { roles.firstIndex { $0.name == name } }
}

/// Something wrong with a policy document, and where.
public struct PolicyIssue: Error, Hashable, Sendable {
    public enum Problem: String, Hashable, Sendable, CaseIterable {
        case actionNeedsTypes = "is done to records: the rule needs types"
        case actionWithoutTypes = "is done to the store as a whole: the rule must have no types"
        case badName = "is no name: lower-case letters, digits and hyphens, at most 40"
        case ceilingGrants = "a ceiling role takes no profile and nothing of the system"
        case conditionNotHere = "cannot be used in this kind of rule"
        case duplicate = "says the same as an earlier one"
        case empty = "is empty"
        case lawIgnored = "is protected by law, and no rule forbids anything by it"
        case malformedJSON = "is no JSON that can be read"
        case missing = "is missing"
        case modifierLeftOut = "leaves out an element that changes the meaning of the rest"
        case neverMatches = "can never make a difference"
        case profileWithoutType = "the profile says nothing about a type of this rule"
        case repeatedCode = "belongs to another label already"
        case requiredLeftOut = "leaves out a required element"
        case requiresOtherVersion = "is not a version that this program reads"
        case starNotHere = "a permission names its roles; * would reach roles added later"
        case tooMany = "holds more than can be handled"
        case unknownAction = "is no action"
        case unknownCondition = "is no condition"
        case unknownElement = "is no element of that type that can be selected"
        case unknownKey = "is no key of the document"
        case unknownLabel = "is no label of this document"
        case unknownProfile = "is no profile of this document"
        case unknownPurpose = "is no purpose of use"
        case unknownRole = "is no role of this document"
        case unknownType = "is no resource type and no group of this document"
        case wrongKind = "is not of the kind expected here"
    }

    /// `rules[3].types[0]`; empty for the document as a whole.
    public let path: String
    public let problem: Problem

    public init(path: String, problem: Problem) {
        self.path = path
        self.problem = problem
    }

    /// For a person: place and problem.
    public var text: String { (path.isEmpty ? "the document" : path) + ": " + problem.rawValue }
}
