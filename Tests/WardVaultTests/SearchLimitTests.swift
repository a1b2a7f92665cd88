import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// What a search may cost, and that neither that nor a refusal tells of what is hidden.
@Suite struct `A costly search` {
    private static let ties = Array(repeating: ("patient:Patient._id", "x"), count: 501)

    private static func condition(_ more: String = "") -> String {
        #"{"resourceType":"Condition","id":"c1","code":{"coding":[{"system":"urn:codes","code":"F11.20"}]},"#
            + #""subject":{"reference":"Patient/p1"}\#(more)}"#
    }

    private func outcome(
        _ care: CareHouse, _ type: String, _ parameters: [(String, String)], as principal: Principal? = nil
    ) async throws -> String {
        do {
            let answer = try await care.house.search(.named(type), parameters, as: principal ?? care.doctor)
            return "200 \(answer.total ?? -1)"
        } catch let failure as VaultFailure {
            return "\(failure)"
        }
    }

    @Test func `is refused whether a hidden record matches or not, and stands in the log`() async throws {
        let care = try await CareHouse()
        let query = [("patient", "Patient/p1"), ("code", "F11.20")]
        let before = try await outcome(care, "Condition", query + Self.ties)
        #expect(before.hasPrefix("tooManyTied"))
        let event = try #require(try care.house.events().last)
        #expect(event.kind == .search && event.outcome == .failed && event.candidates == 0)
        #expect(event.query?.contains("code=F11.20&patient:Patient._id=x") ?? false)
        try await care.house.put(labelled(Self.condition(), "42CFRPart2"), as: care.loader)
        #expect(try await outcome(care, "Condition", query) == "200 0")
        #expect(try await outcome(care, "Condition", query + Self.ties) == before)
        #expect(try await outcome(care, "Condition", query + Self.ties.dropLast()) == "200 0")
    }

    @Test func `looks at nothing that only a hidden record leads to`() async throws {
        let care = try await CareHouse()
        try await care.house.put(
            labelled(
                #"{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},"#
                    + #""subject":{"reference":"Patient/p1"}}"#, "42CFRPart2"), as: care.loader)
        let condition = Self.condition(#","encounter":{"reference":"Encounter/e1"}"#)
        try await care.house.put(labelled(condition, "42CFRPart2"), as: care.loader)
        let query = [
            ("code", "F11.20"), ("encounter:Encounter._id", "e1"), ("encounter:Encounter.status", "finished"),
        ]
        #expect(try await outcome(care, "Condition", query) == "200 0")
        // The condition alone was opened, and the encounter by neither of its ties.
        let event = try #require(try care.house.events().last)
        #expect(event.candidates == 1)
    }

    @Test func `of codes is refused in the log as well`() async throws {
        let care = try await CareHouse()
        let found = try await outcome(care, "Observation", [("code:in", "urn:none")])
        #expect(found.hasPrefix("noCodes"))
        let event = try #require(try care.house.events().last)
        #expect(event.outcome == .failed && event.query == "code:in=urn:none")
    }

    // MARK: Value sets

    private func put(_ name: String, _ includes: [String], in care: CareHouse) async throws {
        try await care.house.put(
            #"{"resourceType":"ValueSet","id":"\#(name)","url":"urn:vs:\#(name)","status":"active","compose":{"include":["#
                + includes.joined(separator: ",") + "]}}", as: care.loader)
    }

    private func named(_ name: String) -> String { #"{"valueSet":["urn:vs:\#(name)"]}"# }

    private let plain = #"{"system":"http://loinc.org","concept":[{"code":"29463-7"}]}"#

    @Test(.timeLimit(.minutes(2))) func `reads each value set once`() async throws {
        let care = try await CareHouse()
        try await put("v8", [plain], in: care)
        for level in 0..<8 {
            try await put("v\(level)", Array(repeating: named("v\(level + 1)"), count: 20), in: care)
        }
        let found = try await outcome(care, "Observation", [("code:in", "urn:vs:v0")], as: care.loader)
        #expect(found == "200 2")
    }

    @Test func `reads a hundred value sets, and none within itself`() async throws {
        let care = try await CareHouse()
        for number in 1...100 { try await put("v\(number)", [plain], in: care) }
        try await put("fits", (1...99).map { named("v\($0)") }, in: care)
        try await put("many", (1...100).map { named("v\($0)") }, in: care)
        try await put("ring", [plain, named("ring")], in: care)
        func found(_ name: String) async throws -> String {
            try await outcome(care, "Observation", [("code:in", "urn:vs:\(name)")], as: care.loader)
        }
        #expect(try await found("fits") == "200 2")
        #expect(try await found("many").contains("tooLarge"))
        #expect(try await found("ring").contains("tooLarge"))
    }

    // MARK: Quantities

    @Test(arguments: ["[lb_av]", "[oz_av]", "[gr]", "g", "kg"], [30, 31, 37, 38])
    func `takes amounts of as many digits as may be stored`(unit: String, digits: Int) async throws {
        let care = try await CareHouse()
        let value = "7." + String(repeating: "3", count: digits - 1)
        let text = Chart.observation("long", of: "p1").replacing(#""code":"kg""#, with: #""code":"\#(unit)""#)
            .replacing(#""value":70"#, with: #""value":\#(value)"#)
        try await care.house.put(text, as: care.loader)
        for (asked, total) in [
            ("gt0.00001", 1), ("lt60", 1), ("gt60", 0), ("ne60", 1), ("eq60", 0), ("ge\(value)", unit == "kg" ? 1 : 0),
        ] {
            let query = [("value-quantity", "\(asked)|http://unitsofmeasure.org|kg"), ("_id", "long")]
            #expect(try await outcome(care, "Observation", query, as: care.loader) == "200 \(total)", "\(asked)")
        }
    }

    // MARK: Links that who asks cannot see

    private func billing() async throws -> (care: CareHouse, biller: Principal) {
        let care = try await CareHouse()
        let biller = try await care.house.signIn(person: "biller", [.biller])
        let condition = Self.condition(
            #","asserter":{"reference":"Patient/p1"},"clinicalStatus":{"coding":[{"system":"#
                + #""http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}"#)
        try await care.house.put(condition, as: care.loader)
        return (care, biller)
    }

    private func within(
        _ owner: String, _ parameters: [(String, String)], _ care: CareHouse, as principal: Principal
    ) async throws -> Int? {
        let (type, patient) = (try ResourceType.named("Condition"), try ResourceType.named("Patient"))
        let query = try SearchQuery.parse(
            type: type, parameters: parameters.map { SearchPair(name: $0.0, value: $0.1) }, handling: .strict,
            context: SearchContext(baseURL: TestHouse.base, now: .now(), zoneOffsetMinutes: 0),
            compartment: SearchCompartment(patient, owner))
        let grant = try await care.house.grant(Search.self, on: GrantSubject(types: [type]), to: principal)
        return try await care.house.vault.search(query, type: type, pageSize: 9, with: grant).total
    }

    @Test func `of a compartment goes by the links that may be seen`() async throws {
        let (care, biller) = try await billing()
        #expect(try await within("p1", [], care, as: biller) == 1)
        #expect(try await within("p1", [("code", "F11.20")], care, as: biller) == 1)
        #expect(try await within("p2", [], care, as: biller) == 0)
        #expect(try await within("p1", [], care, as: care.loader) == 1)
        // By name it is refused as before.
        await #expect(throws: VaultFailure.self) {
            try await within("p1", [("asserter", "Patient/p1")], care, as: biller)
        }
    }

    @Test func `includes what one of several ways may show`() async throws {
        let (care, biller) = try await billing()
        let query = [("_id", "p1"), ("_revinclude", "*")]
        let found = try #require(try await care.house.tryFind(.named("Patient"), query, as: biller))
        #expect(found.included.contains("Condition/c1"))
    }
}
