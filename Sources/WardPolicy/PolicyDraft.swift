import WardCore
import WardFHIR

/// A policy under consideration: it answers questions, and nothing can be opened with it.
///
/// A type of its own, so that a document that nobody signed cannot come to be the one that holds.
public struct PolicyDraft: Sendable {
    let policy: Policy

    /// Reads a document.
    ///
    /// - Throws: ``PolicyFailure/invalid(_:)`` with everything that ``Policy/check(_:)`` finds.
    public init(document: [UInt8]) throws(PolicyFailure) { policy = try Policy(trusting: document) }

    /// A policy that holds, for comparison.
    public init(_ policy: Policy) { self.policy = policy }

    /// Name and SHA-256 of the document.
    public var identification: String { policy.identification }

    /// As ``Policy/explain(_:)``.
    public func explain(_ question: AccessQuestion) -> Explanation { policy.explain(question) }

    /// As ``PolicyExpectations/run(_:on:)``.
    public func test(_ expectations: [UInt8]) throws(PolicyFailure) -> [PolicyExpectations.Outcome] {
        try PolicyExpectations.run(expectations, on: policy)
    }

    /// As ``PolicyExpectations/time(_:on:)``.
    public func time(_ expectations: [UInt8]) throws(PolicyFailure) -> Double {
        try PolicyExpectations.time(expectations, on: policy)
    }

    /// As ``PolicyDifference/lines(from:to:)``.
    public func differences(to other: PolicyDraft) -> [String] {
        PolicyDifference.lines(from: policy, to: other.policy)
    }
}

/// A question in the words of a policy's document.
public struct PolicyWords: Sendable {
    public var roles: [String]
    public var action: String
    public var type: String?
    public var purpose: String
    /// `care-team`, `self`, `author`, `emergency`, `fresh`...; `context` for the patient of the launch.
    public var conditions: [String] = []
    public var labels: [String] = []
    public var consents: [String] = []
    public var emergencyReasons: [String] = []
    public var scopes: [String] = []
    /// Whether a record is looked at; otherwise the question is what may be possible.
    public var isAboutRecord = true

    public init(roles: [String], action: String, type: String?, purpose: String) {
        self.roles = roles
        self.action = action
        self.type = type
        self.purpose = purpose
    }
}

extension PolicyDraft {
    /// The question that the words ask.
    ///
    /// - Throws: the first word that this policy does not know; its path is the kind of word.
    public func question(_ words: PolicyWords) throws(PolicyIssue) -> AccessQuestion {
        var roles: [Role] = []
        for name in words.roles {
            guard let role = policy.role(named: name) else { throw PolicyIssue(path: "role", problem: .unknownRole) }
            roles.append(role)
        }
        guard let action = Action(rawValue: words.action) else {
            throw PolicyIssue(path: "action", problem: .unknownAction)
        }
        guard let purpose = PurposeOfUse(rawValue: words.purpose) else {
            throw PolicyIssue(path: "purpose", problem: .unknownPurpose)
        }
        var question = AccessQuestion(action: action, type: nil, roles: roles, purpose: purpose)
        if let name = words.type {
            guard let type = ResourceType(name) else { throw PolicyIssue(path: "type", problem: .unknownType) }
            question.type = type
        } else if !action.concernsSystem {
            throw PolicyIssue(path: "action", problem: .actionNeedsTypes)
        }
        if !words.scopes.isEmpty {
            var scopes: [Scope] = []
            for text in words.scopes {
                guard let scope = try? Scope(parsing: text) else {
                    throw PolicyIssue(path: "scope", problem: .wrongKind)
                }
                scopes.append(scope)
            }
            question.scopes = scopes
        }
        let facts = try facts(words, &question)
        question.facts = words.isAboutRecord ? facts : nil
        return question
    }

    private func facts(_ words: PolicyWords, _ question: inout AccessQuestion) throws(PolicyIssue) -> RecordFacts {
        var facts = RecordFacts()
        for word in words.conditions {
            switch word {
            case "author": facts.isAuthor = true
            case "context": facts.isInContext = true
            case "emergency": facts.isEmergency = true
            case "refused": facts.isRefused = true
            case "fresh": question.isFresh = true
            default:
                guard let bit = Conditions.names.prefix(5).firstIndex(of: word) else {
                    throw PolicyIssue(path: "condition", problem: .unknownCondition)
                }
                facts.relationships.insert(RelationshipSet(rawValue: 1 << UInt8(bit)))
            }
        }
        facts.labels = try labels(words.labels, "label")
        facts.consents = try labels(words.consents, "consent")
        facts.emergencyReasons = try labels(words.emergencyReasons, "reason")
        return facts
    }

    private func labels(_ names: [String], _ path: String) throws(PolicyIssue) -> LabelSet {
        var found: LabelSet = []
        for name in names {
            guard let label = policy.label(named: name) else { throw PolicyIssue(path: path, problem: .unknownLabel) }
            found.formUnion(label)
        }
        return found
    }
}
