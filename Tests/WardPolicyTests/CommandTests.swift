// Foundation only for reading the documents of the repository.
import Foundation
import Testing
import WardCrypto
import WardFHIR
import WardPolicy

@Suite struct `Expectations of a policy` {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("docs")

    private func file(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: Self.folder.appendingPathComponent(name)))
    }

    @Test func `of docs hold`() throws {
        let outcomes = try PolicyExpectations.run(try file("policy-tests.json"), on: Policy())
        for outcome in outcomes { #expect(outcome.difference == nil, "\(outcome.says)") }
        #expect(outcomes.count >= 35)
    }

    @Test func `are held against the document in docs`() throws {
        #expect(try file("default-policy.json") == Policy.standardDocument)
    }

    @Test(
        arguments: [
            (#""expect": "permit""#, "is refused (type-not-granted)"),
            (#""expect": "refuse", "because": "forbidden""#, "is decided by type-not-granted, not by forbidden"),
            (#""expect": "refuse""#, nil),
        ] as [(String, String?)])
    func `that do not hold say how`(expect: String, difference: String?) throws {
        let text = """
            {"expectations": [{"says": "s", "who": ["auditor"], "does": "read", "on": "Patient", "for": "TREAT", \
            \(expect)}]}
            """
        let outcomes = try PolicyExpectations.run(Array(text.utf8), on: Policy())
        #expect(outcomes.map(\.difference) == [difference])
    }

    @Test(
        arguments: [
            ("[]", ""), ("{}", "expectations"), (#"{"expectations": []}"#, "expectations"),
            (#"{"expectations": [], "more": 1}"#, "more"),
            (#"{"expectations": [{"who": ["nurse"]}]}"#, "expectations[0].says"),
            (#"{"expectations": [{"says": "s", "who": ["nurse"], "does": "x"}]}"#, "expectations[0].does"),
            (
                #"{"expectations": [{"says": "s", "who": ["n"], "does": "read", "for": "TREAT"}]}"#,
                "expectations[0].who[0]"
            ),
            (#"{"expectations": [{"says": "s", "who": [], "does": "read", "for": "TREAT"}]}"#, "expectations[0].who"),
            (
                #"{"expectations": [{"says": "s", "who": ["nurse"], "does": "read", "for": "FUN"}]}"#,
                "expectations[0].for"
            ),
            (
                #"{"expectations": [{"says": "s", "who": ["nurse"], "does": "read", "for": "TREAT", "on": "X"}]}"#,
                "expectations[0].on"
            ),
            (
                #"{"expectations": [{"says": "s", "who": ["nurse"], "does": "read", "for": "TREAT", "expect": "x"}]}"#,
                "expectations[0].expect"
            ),
            (
                #"{"expectations": [{"says": "s", "who": ["nurse"], "does": "read", "for": "TREAT", "#
                    + #""expect": "permit", "facts": {"labels": ["x"]}}]}"#, "expectations[0].facts.labels"
            ),
            (
                #"{"expectations": [{"says": "s", "who": ["nurse"], "does": "read", "for": "TREAT", "#
                    + #""expect": "permit", "scopes": ["x"]}]}"#, "expectations[0].scopes[0]"
            ),
        ])
    func `that cannot be read are refused with the place`(text: String, path: String) {
        do throws(PolicyFailure) {
            _ = try PolicyExpectations.run(Array(text.utf8), on: Policy())
            Issue.record("taken")
        } catch {
            guard case .invalid(let issues) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(issues.contains { $0.path == path }, "\(issues)")
        }
    }
}

@Suite struct `The difference of two policies` {
    private func policy(_ document: [UInt8]) throws -> Policy {
        let key = SigningKey()
        let signature = try #require(Policy.signature(of: document, with: key))
        return try Policy(document: document, signature: signature, publicKey: key.publicKey)
    }

    @Test func `is nothing between a policy and itself`() throws {
        #expect(PolicyDifference.lines(from: Policy(), to: Policy()).isEmpty)
        let small = try policy(SmallPolicy.bytes)
        #expect(PolicyDifference.lines(from: small, to: small).isEmpty)
    }

    @Test(
        arguments: [
            (
                #""actions": ["read", "search"]"#, #""actions": ["read", "search", "update"]"#,
                ["clinician: may now update Appointment, Schedule, Slot for TREAT"]
            ),
            (
                #""types": ["Appointment", "times"]"#, #""types": ["times"]"#,
                [
                    "clinician: may no longer read, search Appointment for TREAT",
                    "app: may no longer read, search Appointment",
                ]
            ),
            (
                #""if": ["care-team"]"#, #""if": ["care-team", "emergency"]"#,
                [
                    "scribe: may now read Appointment for HOPERAT with care-team or emergency",
                    "scribe: may no longer read Appointment for HOPERAT with care-team (",
                ]
            ),
            (
                #""participant", "start""#, #""participant", "start", "comment""#,
                ["scribe: may now read Appointment for HOPERAT with care-team (only fields: comment participant"]
            ),
            (
                #""unless": ["consent"]"#, #""unless": ["author"]"#,
                [
                    "clinician: is now barred from read Appointment for TREAT labelled secret except with author",
                    "clinician: is no longer barred from read Appointment for TREAT labelled secret except with consent",
                ]
            ),
            (
                #""code": "S""#, #""code": "T""#,
                ["label secret: no longer stands for urn:s|S", "label secret: now stands for urn:s|T"]
            ),
        ])
    func `is told in words`(old: String, new: String, expected: [String]) throws {
        let changed = try #require(SmallPolicy.spoiled(old, new))
        let lines = PolicyDifference.lines(from: try policy(SmallPolicy.bytes), to: try policy(changed))
        for text in expected { #expect(lines.contains { $0.hasPrefix(text) }, "\(lines)") }
    }

    @Test func `names roles that come and go`() throws {
        let lines = PolicyDifference.lines(from: try policy(SmallPolicy.bytes), to: Policy())
        #expect(lines.contains("scribe: is no longer a role") && lines.contains("nurse: is a new role"))
        #expect(
            lines.contains {
                $0.hasPrefix(
                    "integration: may now create, delete, export, history, import, read, search, update every type")
            })
    }
}
