import WardCore
import WardFHIR

/// Expectations of a policy, written by people: who does what, on which facts, and what must come of it.
///
/// A JSON file of `{"expectations": [{"says", "who": [roles], "does", "on", "for", "facts": {...}, "scopes": [...],
/// "fresh", "expect": "permit" | "refuse", "because", "fields": [profiles]}]}`; `because` is the code of the decision.
public enum PolicyExpectations {
    /// One expectation that was read, and what came of it.
    public struct Outcome: Hashable, Sendable {
        /// What the expectation says of itself.
        public let says: String
        /// Nil: as expected.
        public let difference: String?
    }

    /// Holds a policy against a file of expectations.
    ///
    /// - Throws: ``PolicyFailure/invalid(_:)`` with what is wrong with the file.
    public static func run(_ file: [UInt8], on policy: Policy) throws(PolicyFailure) -> [Outcome] {
        try read(file, policy).map { $0.outcome(of: policy) }
    }

    /// Nanoseconds that one decision takes on this machine, over all expectations of a file many times.
    public static func time(_ file: [UInt8], on policy: Policy) throws(PolicyFailure) -> Double {
        let questions = try read(file, policy).map(\.question)
        guard !questions.isEmpty else { return 0 }
        let rounds = 1 + 2_000_000 / questions.count
        var permitted = 0
        let taken = ContinuousClock().measure {
            for _ in 0..<rounds {
                for question in questions where policy.decide(question).isPermitted { permitted += 1 }
            }
        }
        // A count that nobody looks at need not be made.
        guard permitted <= rounds * questions.count else { return 0 }
        let (seconds, attoseconds) = taken.components
        return (Double(seconds) * 1e9 + Double(attoseconds) / 1e9) / Double(rounds * questions.count)
    }

    private static func read(_ file: [UInt8], _ policy: Policy) throws(PolicyFailure) -> [Expectation] {
        guard let tape = try? JSONTape(parsing: file, limits: JSONLimits(size: 1 << 24, depth: 8)) else {
            throw .invalid([PolicyIssue(path: "", problem: .malformedJSON)])
        }
        var reader = ExpectationReader(tape: tape, policy: policy)
        let expectations = reader.read()
        guard reader.issues.isEmpty else { throw .invalid(reader.issues) }
        return expectations
    }
}

private struct Expectation {
    let says: String
    let question: AccessQuestion
    let isPermitted: Bool
    let code: String?
    let profiles: [String]?

    func outcome(of policy: Policy) -> PolicyExpectations.Outcome {
        let decision = policy.decide(question)
        let explanation = policy.explain(question)
        var difference: String?
        if decision.isPermitted != isPermitted {
            difference = isPermitted ? "is refused (\(explanation.code))" : "is permitted (\(explanation.code))"
        } else if let code, code != policy.code(of: decision) {
            difference = "is decided by \(explanation.code), not by \(code)"
        } else if let profiles, profiles.sorted() != explanation.profiles.sorted() {
            difference =
                "shows \(explanation.profiles.isEmpty ? "everything" : explanation.profiles.joined(separator: ", "))"
        }
        return PolicyExpectations.Outcome(says: says, difference: difference)
    }
}

private struct ExpectationReader {
    let tape: JSONTape
    let policy: Policy
    private(set) var issues: [PolicyIssue] = []

    init(tape: JSONTape, policy: Policy) {
        self.tape = tape
        self.policy = policy
    }

    mutating func read() -> [Expectation] {
        checkKeys(tape.root, "", ["$schema", "expectations"])
        guard let list = tape.root["expectations"], list.kind == .array, !list.elements.isEmpty else {
            report("expectations", .missing)
            return []
        }
        return list.elements.enumerated().compactMap { expectation($0.element, "expectations[\($0.offset)]") }
    }

    private mutating func expectation(_ value: JSONValue, _ path: String) -> Expectation? {
        checkKeys(
            value, path,
            ["says", "who", "does", "on", "for", "fresh", "scopes", "facts", "expect", "because", "fields"])
        guard let says = value["says"]?.string, !says.isEmpty else { return fail(path + ".says", .missing) }
        guard let action = value["does"]?.string.flatMap(Action.init(rawValue:)) else {
            return fail(path + ".does", .unknownAction)
        }
        guard let purpose = value["for"]?.string.flatMap(PurposeOfUse.init(rawValue:)) else {
            return fail(path + ".for", .unknownPurpose)
        }
        var type: ResourceType?
        if let on = value["on"] {
            guard let known = on.string.flatMap({ ResourceType($0) }) else { return fail(path + ".on", .unknownType) }
            type = known
        }
        var roles: [Role] = []
        for (position, name) in strings(value, "who", path).enumerated() {
            guard let role = policy.role(named: name) else { return fail("\(path).who[\(position)]", .unknownRole) }
            roles.append(role)
        }
        if roles.isEmpty { return fail(path + ".who", .missing) }
        var question = AccessQuestion(action: action, type: type, roles: roles, purpose: purpose)
        question.isFresh = value["fresh"]?.kind == .true
        if value["scopes"] != nil {
            var scopes: [Scope] = []
            for (position, text) in strings(value, "scopes", path).enumerated() {
                guard let scope = try? Scope(parsing: text) else {
                    return fail("\(path).scopes[\(position)]", .wrongKind)
                }
                scopes.append(scope)
            }
            question.scopes = scopes
        }
        if let facts = value["facts"] { question.facts = self.facts(facts, path + ".facts") }
        let expect = value["expect"]?.string
        guard expect == "permit" || expect == "refuse" else { return fail(path + ".expect", .wrongKind) }
        return Expectation(
            says: says, question: question, isPermitted: expect == "permit", code: value["because"]?.string,
            profiles: value["fields"] == nil ? nil : strings(value, "fields", path))
    }

    private mutating func facts(_ value: JSONValue, _ path: String) -> RecordFacts {
        checkKeys(
            value, path,
            [
                "relationships", "labels", "consents", "emergencyReasons", "author", "emergency", "inContext",
                "metConstraints", "refused",
            ])
        var facts = RecordFacts()
        for name in strings(value, "relationships", path) {
            guard let bit = Conditions.names.prefix(5).firstIndex(of: name) else {
                report(path + ".relationships", .unknownCondition)
                continue
            }
            facts.relationships.insert(RelationshipSet(rawValue: 1 << UInt8(bit)))
        }
        facts.labels = labels(value, "labels", path)
        facts.consents = labels(value, "consents", path)
        facts.emergencyReasons = labels(value, "emergencyReasons", path)
        facts.isAuthor = value["author"]?.kind == .true
        facts.isEmergency = value["emergency"]?.kind == .true
        facts.isRefused = value["refused"]?.kind == .true
        facts.isInContext = value["inContext"]?.kind == .true
        // All constraints of the question's scopes, or none.
        facts.metConstraints = value["metConstraints"]?.kind == .true ? .max : 0
        return facts
    }

    private mutating func labels(_ value: JSONValue, _ key: StaticString, _ path: String) -> LabelSet {
        var found: LabelSet = []
        for name in strings(value, key, path) {
            guard let label = policy.label(named: name) else {
                report("\(path).\(key)", .unknownLabel)
                continue
            }
            found.formUnion(label)
        }
        return found
    }

    // MARK: JSON

    private mutating func strings(_ value: JSONValue, _ key: StaticString, _ path: String) -> [String] {
        guard let list = value[key] else { return [] }
        let texts = list.elements.compactMap(\.string)
        if list.kind != .array || texts.count != list.elements.count { report("\(path).\(key)", .wrongKind) }
        return texts
    }

    private mutating func checkKeys(_ value: JSONValue, _ path: String, _ known: Set<String>) {
        if value.kind != .object { report(path, .wrongKind) }
        for (key, _) in value.members where !known.contains(key) {
            report(path.isEmpty ? PolicyReader.shown(key) : "\(path).\(PolicyReader.shown(key))", .unknownKey)
        }
    }

    private mutating func report(_ path: String, _ problem: PolicyIssue.Problem) {
        issues.append(PolicyIssue(path: path, problem: problem))
    }

    private mutating func fail(_ path: String, _ problem: PolicyIssue.Problem) -> Expectation? {
        report(path, problem)
        return nil
    }
}
