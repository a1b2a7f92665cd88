import Testing
import WardCore
import WardFHIR
import WardPolicy
import WardTestKit

/// A repeatable sequence of numbers (SplitMix64).
struct Sequence64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

extension PlainWords.Facts {
    init(_ words: String) {
        self.init()
        for word in words.split(separator: " ") {
            switch word {
            case "care-team": careTeam = true
            case "today": appointmentToday = true
            case "assigned": assigned = true
            case "self": own = true
            case "proxy": proxy = true
            case "author": author = true
            case "emergency": emergency = true
            case "fresh": fresh = true
            case "consent": consents.insert("part2")
            case "reason": reasons.insert("part2")
            default: labels.insert(String(word))
            }
        }
    }

    init(using generator: inout Sequence64) {
        self.init()
        let bits = generator.next()
        func bit(_ position: UInt64) -> Bool { bits >> position & 1 == 1 }
        (careTeam, appointmentToday, assigned, own, proxy) = (bit(0), bit(1), bit(2), bit(3), bit(4))
        (author, emergency, fresh) = (bit(5), bit(6), bit(7))
        let names = ["part2", "psychotherapy", "restricted", "self-pay"]
        for (position, name) in names.enumerated() {
            // Few labels at a time, so that much is permitted.
            if bit(8 + UInt64(position)) && bit(16 + UInt64(position)) { labels.insert(name) }
            if bit(24 + UInt64(position)) { consents.insert(name) }
            if bit(32 + UInt64(position)) && bit(40) { reasons.insert(name) }
        }
    }

    /// As the server states them.
    var stated: RecordFacts {
        var facts = RecordFacts()
        if careTeam { facts.relationships.insert(.careTeam) }
        if appointmentToday { facts.relationships.insert(.appointmentToday) }
        if assigned { facts.relationships.insert(.assigned) }
        if own { facts.relationships.insert(.ownRecord) }
        if proxy { facts.relationships.insert(.proxy) }
        facts.isAuthor = author
        facts.isEmergency = emergency
        facts.labels = Self.set(labels)
        facts.consents = Self.set(consents)
        facts.emergencyReasons = Self.set(reasons)
        return facts
    }

    private static func set(_ names: Set<String>) -> LabelSet {
        var found: LabelSet = []
        if names.contains("part2") { found.insert(.part2) }
        if names.contains("psychotherapy") { found.insert(.psychotherapy) }
        if names.contains("restricted") { found.insert(.restricted) }
        if names.contains("self-pay") { found.insert(.selfPay) }
        return found
    }
}

@Suite struct `The default policy` {
    private let policy = Policy()
    private let types = ResourceType.allCases.map(Optional.some) + [nil]

    private static let situations = [
        "", "fresh", "care-team", "today fresh", "assigned", "self", "proxy", "emergency", "author",
        "care-team part2", "care-team part2 consent", "assigned part2 reason fresh", "emergency part2",
        "care-team psychotherapy", "self psychotherapy", "assigned psychotherapy author", "today restricted",
        "care-team restricted", "emergency restricted reason", "self restricted part2 self-pay", "proxy psychotherapy",
        "self-pay fresh", "care-team part2 psychotherapy restricted self-pay author consent fresh",
        "care-team today assigned self proxy author emergency fresh consent reason",
    ].map { PlainWords.Facts($0) }

    private func answer(_ decision: AccessDecision) -> PlainWords.Answer {
        if !decision.isPermitted { return .refused }
        return decision.profiles.isWhole ? .whole : .fields(policy.names(of: decision.profiles).joined(separator: " "))
    }

    /// Every role, type, action and purpose, in two dozen situations.
    @Test(arguments: Role.allCases)
    func `is what it says in words`(role: Role) {
        var refused = 0
        var permitted = 0
        let facts = Self.situations.map { ($0, $0.stated) }
        for type in types {
            let name = type?.name
            for action in Action.allCases {
                for purpose in PurposeOfUse.allCases {
                    for (words, stated) in facts {
                        let question = AccessQuestion(
                            action: action, type: type, roles: [role], purpose: purpose, isFresh: words.fresh,
                            facts: stated)
                        let (found, expected) = (
                            answer(policy.decide(question)), PlainWords.answer(role, action, name, purpose, words)
                        )
                        if found != expected {
                            Issue.record("\(role.rawValue) \(action) \(name ?? "-") \(purpose) \(words): \(found)")
                            return
                        }
                        if expected == .refused { refused += 1 } else { permitted += 1 }
                    }
                }
            }
        }
        #expect(refused > permitted)
        #expect(permitted > 0 || role == .app)
    }

    /// Any mixture of facts, several roles, apps with scopes: tables, explanation and words agree.
    @Test func `decides, explains and says the same`() throws {
        var generator = Sequence64(seed: 4)
        let everything = try Scope(parsing: "user/*.cruds")
        var counts: [Bool: Int] = [:]
        for _ in 0..<40_000 {
            let words = PlainWords.Facts(using: &generator)
            let type = generator.next() % 4 == 0 ? nil : ResourceType.allCases.randomElement(using: &generator)
            let action = try #require(Action.allCases.randomElement(using: &generator))
            let purpose = try #require(PurposeOfUse.allCases.randomElement(using: &generator))
            var roles = [try #require(Role.allCases.randomElement(using: &generator))]
            if generator.next() % 3 == 0 { roles.append(try #require(Role.allCases.randomElement(using: &generator))) }
            var question = AccessQuestion(
                action: action, type: type, roles: roles, purpose: purpose, isFresh: words.fresh, facts: words.stated)
            if generator.next() % 4 == 0 { question.scopes = generator.next() % 4 == 0 ? [] : [everything] }
            let decision = policy.decide(question)
            counts[decision.isPermitted, default: 0] += 1
            expectSame(decision, policy.explain(question), question)
            let expected = answer(roles, words, question)
            #expect(expected.isEmpty == !decision.isPermitted, "\(question)")
            if decision.isPermitted {
                #expect(decision.profiles.isWhole == expected.contains(.whole))
                let fields = Set(policy.names(of: decision.profiles).map { PlainWords.Answer.fields($0) })
                #expect(fields.isEmpty || fields == expected)
            }
            question.facts = nil
            let open = policy.decide(question)
            expectSame(open, policy.explain(question), question)
            // What may be possible is at least what is.
            #expect(open.isPermitted || !decision.isPermitted)
            #expect(open.isConditional || open.isPermitted == decision.isPermitted)
        }
        #expect(counts[false, default: 0] > counts[true, default: 0] && counts[true, default: 0] > 1000)
    }

    private func answer(
        _ roles: [Role], _ words: PlainWords.Facts, _ question: AccessQuestion
    ) -> Set<PlainWords.Answer> {
        let hasApp = roles.contains(.app)
        if hasApp || question.scopes != nil {
            guard let scopes = question.scopes else { return [] }
            let isWhole = question.type == nil && [.import, .export].contains(question.action)
            let isRecord = [.create, .delete, .history, .read, .search, .update].contains(question.action)
            let isExchange = question.type != nil && [.import, .export].contains(question.action) && !scopes.isEmpty
            if hasApp && (question.type == nil || !isRecord) { return [] }
            if !isWhole && !isExchange && (question.type == nil || scopes.isEmpty) { return [] }
            // Labels hold for the app as for the person.
            if hasApp, words.labels.contains("psychotherapy"), !words.author, question.action != .create { return [] }
            if hasApp, question.purpose == .systemAdministration { return [] }
        }
        return Set(
            roles.filter { $0 != .app }.map {
                PlainWords.answer($0, question.action, question.type?.name, question.purpose, words)
            }.filter { $0 != .refused })
    }

    private func expectSame(_ decision: AccessDecision, _ explanation: Explanation, _ question: AccessQuestion) {
        #expect(decision.isPermitted == explanation.isPermitted, "\(question)")
        #expect(policy.code(of: decision) == explanation.code, "\(question)")
        #expect(decision.isConditional == explanation.isConditional, "\(question)")
        #expect(
            explanation.profiles == (decision.isPermitted ? policy.names(of: decision.profiles) : []), "\(question)")
        #expect(!explanation.says.isEmpty && explanation.policy.hasSuffix(policy.digest))
    }

    /// What clinicians see of everybody is about nobody: no search parameter of it leads to a patient.
    @Test func `takes nothing about patients for common knowledge`() throws {
        for name in PlainWords.typesAboutNobody {
            let type = try #require(ResourceType(name))
            #expect(!PlainWords.isInCompartment(name))
            let leads = Definitions.r4.searchParameters(of: type).filter { parameter in
                parameter.targets.count < 100 && parameter.targets.contains { $0.name == "Patient" }
            }
            #expect(leads.isEmpty, "\(name)")
        }
    }

    @Test(arguments: Role.allCases.filter { $0 != .app })
    func `lets every role act for its usual purpose`(role: Role) {
        let words = PlainWords.Facts("care-team self proxy fresh")
        let isPermitted = types.contains { type in
            Action.allCases.contains { action in
                policy.decide(
                    AccessQuestion(
                        action: action, type: type, roles: [role], purpose: role.usualPurpose, isFresh: true,
                        facts: words.stated)
                ).isPermitted
            }
        }
        #expect(isPermitted)
    }

    @Test func `knows no role that it does not define`() {
        #expect(policy.role(named: "scribe") == nil && Role(rawValue: "scribe") == nil)
        #expect(policy.roles.map(\.rawValue) == Role.allCases.map(\.rawValue))
        let question = AccessQuestion(action: .read, type: ResourceType("Patient"), roles: [], purpose: .treatment)
        #expect(policy.decide(question).denial == .roleNotKnown)
    }
}
