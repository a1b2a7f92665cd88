import Testing
import WardCore
import WardCrypto
import WardFHIR
import WardPolicy

/// A small policy to spoil.
enum SmallPolicy {
    static let text = """
        {"version": 1, "name": "small", "says": "s",
         "roles": {
          "clinician": {"says": "s", "purposes": ["TREAT"]},
          "scribe": {"says": "s", "purposes": ["TREAT", "HOPERAT"]},
          "app": {"says": "s", "purposes": ["TREAT"], "ceiling": true}},
         "groups": {"times": {"says": "s", "types": ["Schedule", "Slot"]}},
         "labels": {"secret": {"says": "s", "codes": [{"system": "urn:s", "code": "S"}]},
          "part2": {"says": "s", "codes": [{"system": "urn:l", "code": "part2"}]},
          "psychotherapy": {"says": "s", "codes": [{"system": "urn:l", "code": "notes"}]},
          "restricted": {"says": "s", "codes": [{"system": "urn:l", "code": "R"}]},
          "self-pay": {"says": "s", "codes": [{"system": "urn:l", "code": "paid"}]}},
         "profiles": {"short": {"says": "s", "types": {"Appointment": ["status", "participant", "start"]}}},
         "rules": [
          {"id": "one", "says": "s", "effect": "permit", "roles": ["clinician", "app"],
           "actions": ["read", "search"], "types": ["Appointment", "times"]},
          {"id": "two", "says": "s", "effect": "permit", "roles": ["scribe"], "actions": ["read"],
           "types": ["Appointment"], "profile": "short", "if": ["care-team"], "purposes": ["HOPERAT"]},
          {"id": "three", "says": "s", "effect": "forbid", "roles": ["*"], "exceptRoles": ["app"],
           "actions": ["read"], "types": ["*"], "except": ["times"], "labels": ["secret"], "unless": ["consent"]},
          {"id": "law", "says": "s", "effect": "forbid", "roles": ["*"], "actions": ["read", "search"],
           "types": ["*"], "labels": ["part2", "psychotherapy", "restricted", "self-pay"], "unless": ["author"]}]}
        """

    static let bytes = Array(text.utf8)

    /// The document with one text replaced; nil if it does not hold that text.
    static func spoiled(_ old: String, _ new: String) -> [UInt8]? {
        guard let range = text.firstRange(of: old) else { return nil }
        return Array(text.replacingCharacters(in: range, with: new).utf8)
    }
}

extension String {
    fileprivate func replacingCharacters(in range: Range<String.Index>, with new: String) -> String {
        self[..<range.lowerBound] + new + self[range.upperBound...]
    }
}

@Suite struct `A policy document` {
    @Test func `that is in order has no issues`() {
        #expect(Policy.check(SmallPolicy.bytes).isEmpty)
        #expect(Policy.check(Policy.standardDocument).isEmpty)
    }

    @Test(
        arguments: [
            (#""version": 1"#, #""version": 2"#, "version", .requiresOtherVersion),
            (#""version": 1, "#, "", "version", .missing),
            (#""version": 1"#, #""version": "1""#, "version", .requiresOtherVersion),
            (#""name": "small""#, #""name": "Small one""#, "name", .badName),
            (#""name": "small""#, #""name": 5"#, "name", .wrongKind),
            (#""name": "small", "says": "s""#, #""name": "small""#, "says", .missing),
            (#""groups""#, #""types": {}, "groups""#, "types", .unknownKey),
            (#""scribe": {"says": "s""#, #""Scribe": {"says": "s""#, "roles.Scribe", .badName),
            (#""scribe": {"says": "s", "#, #""scribe": {"#, "roles.scribe.says", .missing),
            (#"["TREAT", "HOPERAT"]"#, #"["TREAT", "FUN"]"#, "roles.scribe.purposes[1]", .unknownPurpose),
            (#"["TREAT", "HOPERAT"]"#, #"[]"#, "roles.scribe.purposes", .empty),
            (#"["TREAT", "HOPERAT"]"#, #"["TREAT", "TREAT"]"#, "roles.scribe.purposes[1]", .duplicate),
            (#""ceiling": true"#, #""ceiling": false"#, "roles.app.ceiling", .wrongKind),
            (#""ceiling": true"#, #""floor": true"#, "roles.app.floor", .unknownKey),
            (#"["Schedule", "Slot"]"#, #"["Schedule", "Slots"]"#, "groups.times.types[1]", .unknownType),
            (#"["Schedule", "Slot"]"#, #"["Schedule", "Schedule"]"#, "groups.times.types[1]", .duplicate),
            (#""code": "S""#, #""code": 1"#, "labels.secret.codes[0].code", .wrongKind),
            (
                #""code": "S"}"#, #""code": "S"}, {"system": "urn:s", "code": "S"}"#, "labels.secret.codes[1]",
                .repeatedCode
            ),
            (#"{"system": "urn:s", "#, "{", "labels.secret.codes[0].system", .missing),
            (
                #""status", "participant", "start""#, #""status", "participant", "begin""#,
                "profiles.short.types.Appointment[2]", .unknownElement
            ),
            (
                #""status", "participant", "start""#, #""status", "participant", "text""#,
                "profiles.short.types.Appointment[2]", .unknownElement
            ),
            (
                #""status", "participant", "start""#, #""status", "participant", "start", "start""#,
                "profiles.short.types.Appointment[3]", .duplicate
            ),
            (
                #""status", "participant", "start""#, #""status", "start""#, "profiles.short.types.Appointment",
                .requiredLeftOut
            ),
            (
                #""status", "participant", "start""#, #""status", "participant.actor""#,
                "profiles.short.types.Appointment", .requiredLeftOut
            ),
            (
                #"{"Appointment": ["status", "participant", "start"]}"#, #"{"Patient": ["name"]}"#,
                "profiles.short.types.Patient", .modifierLeftOut
            ),
            (
                #"{"Appointment": ["status", "participant", "start"]}"#, #"{"Bundle": ["type"]}"#,
                "profiles.short.types.Bundle[0]", .unknownElement
            ),
            (
                #"{"Appointment": ["status""#, #"{"Appointments": ["status""#, "profiles.short.types.Appointments",
                .unknownType
            ),
            (#""id": "two""#, #""id": "one""#, "rules[1].id", .duplicate),
            (#""id": "two", "#, "", "rules[1].id", .missing),
            (#""effect": "forbid""#, #""effect": "maybe""#, "rules[2].effect", .wrongKind),
            (#""roles": ["scribe"]"#, #""roles": ["scrib"]"#, "rules[1].roles[0]", .unknownRole),
            (#""roles": ["scribe"]"#, #""roles": ["*"]"#, "rules[1].roles[0]", .starNotHere),
            (#""roles": ["scribe"]"#, #""roles": "scribe""#, "rules[1].roles", .wrongKind),
            (#""exceptRoles": ["app"]"#, #""exceptRoles": ["apps"]"#, "rules[2].exceptRoles[0]", .unknownRole),
            (#""actions": ["read", "search"]"#, #""actions": ["read", "peek"]"#, "rules[0].actions[1]", .unknownAction),
            (
                #""actions": ["read", "search"]"#, #""actions": ["read", "read-audit"]"#, "rules[0].actions[1]",
                .actionWithoutTypes
            ),
            (#", "types": ["Appointment", "times"]"#, "", "rules[0].actions[0]", .actionNeedsTypes),
            (#"["Appointment", "times"]"#, #"["Appointment", "tmies"]"#, "rules[0].types[1]", .unknownType),
            (#""except": ["times"]"#, #""except": ["*"]"#, "rules[2].except[0]", .unknownType),
            (#"["*"], "except": ["times"]"#, #"["Slot"], "except": ["times"]"#, "rules[2].types", .neverMatches),
            (#"["*"], "except": ["times"]"#, #"["Patient"], "except": ["times"]"#, "rules[2].except", .neverMatches),
            (#""profile": "short""#, #""profile": "shorter""#, "rules[1].profile", .unknownProfile),
            (
                #"["Appointment"], "profile""#, #"["Appointment", "Slot"], "profile""#, "rules[1].profile",
                .profileWithoutType
            ),
            (#""if": ["care-team"]"#, #""if": ["friends"]"#, "rules[1].if[0]", .unknownCondition),
            (#""if": ["care-team"]"#, #""if": ["consent"]"#, "rules[1].if[0]", .conditionNotHere),
            (#""if": ["care-team"]"#, #""if": ["fresh"]"#, "rules[1].if[0]", .conditionNotHere),
            (#""if": ["care-team"]"#, #""unless": ["care-team"]"#, "rules[1].unless", .conditionNotHere),
            (#""if": ["care-team"]"#, #""labels": ["secret"]"#, "rules[1].labels", .conditionNotHere),
            (
                #""labels": ["secret"], "unless""#, #""labels": ["secrets"], "unless""#, "rules[2].labels[0]",
                .unknownLabel
            ),
            (#""labels": ["secret"], "unless""#, #""unless""#, "rules[2].unless", .conditionNotHere),
            (
                #""effect": "forbid", "roles""#, #""effect": "forbid", "because": "x", "roles""#, "rules[2].because",
                .unknownKey
            ),
            (#""self-pay": {"says""#, #""paid": {"says""#, "rules[3].labels[3]", .unknownLabel),
            (
                #""part2", "psychotherapy", "restricted", "self-pay"]"#, #""part2", "psychotherapy", "self-pay"]"#,
                "labels.restricted", .lawIgnored
            ),
            (
                #", "labels": ["part2", "psychotherapy", "restricted", "self-pay"], "unless": ["author"]"#, "",
                "labels.part2", .lawIgnored
            ),
            // What is well formed and makes no difference.
            (#""purposes": ["HOPERAT"]"#, #""purposes": ["HPAYMT"]"#, "rules[1]", .neverMatches),
            (
                #""exceptRoles": ["app"],"#, #""exceptRoles": ["app", "clinician", "scribe"],"#, "rules[2]",
                .neverMatches
            ),
            (
                #""actions": ["read"], "types": ["*"]"#, #""actions": ["delete"], "types": ["*"]"#, "rules[2]",
                .neverMatches
            ),
            (#""roles": ["scribe"]"#, #""roles": ["app"]"#, "rules[1]", .ceilingGrants),
            (#", "ceiling": true"#, "", "roles.app.ceiling", .missing),
            (
                #"{"id": "two""#,
                #"{"id": "four", "says": "s", "effect": "permit", "roles": ["clinician", "app"], "#
                    + #""actions": ["search", "read"], "types": ["times", "Appointment"]}, {"id": "two""#, "rules[1]",
                .duplicate
            ),
            (
                #"{"id": "two""#,
                #"{"id": "four", "says": "s", "effect": "permit", "roles": ["clinician"], "actions": ["read"], "#
                    + #""types": ["Slot"], "if": ["self"]}, {"id": "two""#, "rules[1]", .neverMatches
            ),
            (
                #"{"id": "two""#,
                #"{"id": "four", "says": "s", "effect": "forbid", "roles": ["clinician", "app"], "#
                    + #""actions": ["read", "search"], "types": ["*"]}, {"id": "two""#, "rules[0]", .neverMatches
            ),
        ] as [(String, String, String, PolicyIssue.Problem)])
    func `is refused with the place of the mistake`(
        old: String, new: String, path: String, problem: PolicyIssue.Problem
    ) throws {
        let document = try #require(SmallPolicy.spoiled(old, new), "the policy does not hold \(old)")
        let issues = Policy.check(document)
        #expect(issues.contains(PolicyIssue(path: path, problem: problem)), "\(issues.map(\.text))")
    }

    @Test(arguments: [
        "", "{}", "[]", "null", "{", #"{"version": 1}"#, #"{"version": 1, "version": 1}"#, "\u{FEFF}{}",
        #"{"version": 1, "name": "x", "says": "s", "roles": [], "rules": {}}"#,
        #"{"version": 1, "name": "x", "says": "s", "roles": {}, "rules": []}"#,
        #"{"version": 1, "name": "x", "says": "s", "roles": {"a": 5}, "rules": [5]}"#,
        #"{"version": 1, "name": "x", "says": "s", "roles": {"a": {}}, "rules": [{}]}"#,
    ])
    func `of another shape is refused`(text: String) {
        #expect(!Policy.check(Array(text.utf8)).isEmpty)
    }

    /// Every prefix and every flipped byte: an answer, never a crash; and whatever still passes is a policy.
    @Test func `spoiled anywhere never traps`() {
        var generator = Sequence64(seed: 9)
        for _ in 0..<400 {
            var bytes = SmallPolicy.bytes
            let at = Int(generator.next() % UInt64(bytes.count))
            if generator.next() % 2 == 0 {
                bytes.removeSubrange(at...)
            } else {
                bytes[at] = UInt8(generator.next() % 128)
            }
            for issue in Policy.check(bytes) { #expect(!issue.text.isEmpty) }
        }
    }
}

@Suite struct `A signed policy` {
    private let key = SigningKey()

    @Test func `is taken with its signature`() throws {
        let signature = try #require(Policy.signature(of: SmallPolicy.bytes, with: key))
        let policy = try Policy(document: SmallPolicy.bytes, signature: signature, publicKey: key.publicKey)
        #expect(policy.name == "small")
        #expect(policy.digest == hex(sha256(SmallPolicy.bytes).bytes))
        #expect(policy.role(named: "scribe")?.rawValue == "scribe" && policy.role(named: "nurse") == nil)
    }

    @Test func `needs none if it is the built-in one`() throws {
        let policy = try Policy(document: Policy.standardDocument, signature: nil, publicKey: key.publicKey)
        #expect(policy.digest == Policy().digest && policy.name == "ward-default")
    }

    @Test func `is refused when anything differs`() throws {
        let signature = try #require(Policy.signature(of: SmallPolicy.bytes, with: key))
        func refuses(_ document: [UInt8], _ signature: [UInt8]?, _ publicKey: [UInt8]) {
            #expect(throws: PolicyFailure.badSignature) {
                _ = try Policy(document: document, signature: signature, publicKey: publicKey)
            }
        }
        refuses(SmallPolicy.bytes, nil, key.publicKey)
        refuses(SmallPolicy.bytes, [], key.publicKey)
        refuses(SmallPolicy.bytes, signature, SigningKey().publicKey)
        refuses(SmallPolicy.bytes, signature, [])
        refuses(SmallPolicy.bytes, key.sign(SmallPolicy.bytes), key.publicKey)
        refuses(SmallPolicy.bytes + [0x20], signature, key.publicKey)
        refuses(try #require(SmallPolicy.spoiled("care-team", "proxy")), signature, key.publicKey)
        refuses(Policy.standardDocument + [0x0A], signature, key.publicKey)
        for bit in stride(from: 0, to: 512, by: 37) {
            var flipped = signature
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            refuses(SmallPolicy.bytes, flipped, key.publicKey)
        }
    }

    @Test func `is not signed if it is no policy`() throws {
        let spoiled = try #require(SmallPolicy.spoiled("care-team", "friends"))
        #expect(Policy.signature(of: spoiled, with: key) == nil)
    }

    @Test func `gives a role that a clinic added what its rules say, and no more`() throws {
        let signature = try #require(Policy.signature(of: SmallPolicy.bytes, with: key))
        let policy = try Policy(document: SmallPolicy.bytes, signature: signature, publicKey: key.publicKey)
        let scribe = try #require(policy.role(named: "scribe"))
        let appointment = try #require(ResourceType("Appointment"))
        var question = AccessQuestion(
            action: .read, type: appointment, roles: [scribe], purpose: .operations,
            facts: RecordFacts(relationships: .careTeam))
        #expect(policy.names(of: policy.decide(question).profiles) == ["short"])
        #expect(policy.code(of: policy.decide(question)) == "two")
        question.facts?.labels = try #require(policy.label(named: "secret"))
        #expect(policy.code(of: policy.decide(question)) == "three")
        question.facts?.consents = try #require(policy.label(named: "secret"))
        #expect(policy.decide(question).isPermitted)
        question.facts = RecordFacts(relationships: .assigned)
        #expect(policy.decide(question).denial == .conditionMissing)
        question.purpose = .treatment
        #expect(policy.decide(question).denial == .purposeNotGranted)
        #expect(Policy().decide(question).denial == .roleNotKnown)
    }
}
