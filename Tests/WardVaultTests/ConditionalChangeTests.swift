import Testing
import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// PUT, PATCH and DELETE by a search, and what is left of them in the log.
@Suite struct `Conditional changes` {
    private let patient: ResourceType

    init() throws {
        patient = try .named("Patient")
    }

    private enum Method: CaseIterable {
        case delete, patch, update
    }

    private func asked(
        _ method: Method, _ search: [(String, String)], _ house: TestHouse, _ principal: Principal,
        body: String? = nil
    ) async -> ClinicAnswer {
        let usual =
            switch method {
            case .delete: ""
            case .patch: #"[{"op":"add","path":"/active","value":false}]"#
            case .update: #"{"resourceType":"Patient","name":[{"family":"New"}]}"#
            }
        var request = house.request(principal, body ?? usual)
        request.parameters = search.map { SearchPair(name: $0.0, value: $0.1) }
        switch method {
        case .delete: return await house.clinic.delete(patient, request)
        case .patch:
            request.mediaType = "application/json-patch+json"
            return await house.clinic.patch(patient, request)
        case .update: return await house.clinic.update(patient, request)
        }
    }

    private func patch(
        _ id: String, _ operations: String, _ house: TestHouse, _ principal: Principal
    ) async -> ClinicAnswer {
        var request = house.request(principal, operations)
        request.mediaType = "application/json-patch+json"
        return await house.clinic.patch(patient, id, request)
    }

    @Test(
        arguments: [
            [], [("_count", "1")], [("_sort", "_lastUpdated")], [("_count", "1"), ("_format", "json")],
            [("_has:Condition:patient:code", "1")], [("organization.name", "x")], [("nonsense", "1")],
        ] as [[(String, String)]])
    func `by what asks nothing, or asks other records, are refused`(search: [(String, String)]) async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: principal)
        for method in Method.allCases {
            #expect(await asked(method, search, house, principal).status == 400, "\(method) \(search)")
        }
        #expect(try await house.read(patient, "p1", as: principal).names == ["Patient/p1/1"])
        let text = search.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
        let request = house.request(principal, Chart.patient("p2"), ifNoneExist: text)
        #expect(await house.clinic.create(patient, request).status == 400)
    }

    @Test func `that find several name them, and what was asked, in the log`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        for id in ["p1", "p2"] { try await house.put(Chart.patient(id, family: "Same"), as: principal) }
        for method in Method.allCases {
            let size = house.log.checkpoint.size
            #expect(await asked(method, [("family", "Same")], house, principal).status == 412)
            #expect(house.log.checkpoint.size == size + 1)
            let event = try #require(try house.events().last)
            #expect(event.outcome == .failed && Set(event.patients) == ["p1", "p2"])
            #expect(event.records.map { "\($0.id)/\($0.version)" }.sorted() == ["p1/1", "p2/1"])
            #expect(event.query?.contains("family=Same") == true)
        }
        #expect(try house.log.events(with: [.patient("p2")], limit: 10).count == 4)
    }

    @Test func `that find a record with another id name it in the log, and not an id made up`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1", family: "One"), as: principal)
        let other = await asked(.update, [("family", "One")], house, principal, body: Chart.patient("p9"))
        #expect(other.status == 400)
        let event = try #require(try house.events().last)
        #expect(event.patients == ["p1"] && event.records.map(\.id) == ["p1"])
        #expect(event.query?.contains("family=One") == true)
        #expect(await asked(.patch, [("family", "Nobody")], house, principal).status == 404)
        let missed = try #require(try house.events().last)
        #expect(missed.patients.isEmpty && missed.records.isEmpty && missed.query?.contains("Nobody") == true)
    }

    @Test func `of a transaction that find the same record are refused, and the log names it and all searches`()
        async throws
    {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(
            #"{"resourceType":"Patient","id":"p1","name":[{"family":"A","given":["B"]}]}"#, as: principal)
        let size = house.log.checkpoint.size
        let answer = await house.clinic.bundle(
            house.request(
                principal,
                """
                {"resourceType":"Bundle","type":"transaction","entry":[
                {"request":{"method":"DELETE","url":"Patient?family=A"}},
                {"request":{"method":"DELETE","url":"Patient?given=B"}}]}
                """))
        #expect(answer.status == 409)
        #expect(house.log.checkpoint.size == size + 1)
        let event = try #require(try house.events().last)
        #expect(event.outcome == .failed && event.patients == ["p1"])
        #expect(event.query?.contains("family=A") == true && event.query?.contains("given=B") == true)
    }

    @Test func `that find nothing do not overwrite who has the id`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1", family: "Other"), as: principal)
        let taken = await asked(
            .update, [("family", "Nobody")], house, principal, body: Chart.patient("p1", family: "Mine"))
        #expect(taken.status == 409)
        #expect(try await house.read(patient, "p1", as: principal).text.contains("Other"))
        let event = try #require(try house.events().dropLast().last)
        #expect(event.outcome == .failed && event.patients == ["p1"])
        // Who is gone has no id to be taken, and a new one is free.
        try await house.delete(patient, "p1", as: principal)
        for id in ["p1", "p2"] {
            let made = await asked(
                .update, [("family", "Nobody")], house, principal, body: Chart.patient(id, family: "Mine"))
            #expect(made.status == 201)
        }
    }

    @Test(arguments: [false, true]) func `do not touch a version that was not searched`(isPatch: Bool) async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1", family: "Before"), as: principal)
        // A writer that this house's index does not hear of.
        let other = try house.reopened()
        try await other.put(Chart.patient("p1", family: "After"), as: principal)
        let answer = await asked(isPatch ? .patch : .delete, [("family", "Before")], house, principal)
        #expect(answer.status == 409 || answer.status == 503)
        let again = await asked(isPatch ? .patch : .delete, [("family", "Before")], house, principal)
        #expect(again.status == 409 || again.status == 503)
        #expect(try await house.reopened().read(patient, "p1", as: principal).names == ["Patient/p1/2"])
    }

    private let labelled = """
        {"resourceType":"Patient","id":"p1","meta":{"security":[{"system":\
        "http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]},"name":[{"family":"A"}]}
        """

    @Test(arguments: [
        #"[{"op":"replace","path":"","value":{"resourceType":"Patient","id":"p1"}}]"#,
        #"[{"op":"add","path":"","value":{"resourceType":"Patient","id":"p1"}}]"#,
        #"[{"op":"copy","from":"/name/0","path":""}]"#,
        #"[{"op":"add","path":"/meta/tag","value":[{"system":"urn:ward:view","code":"part"}]}]"#,
        #"[{"op":"add","path":"/managingOrganization","value":{"reference":"urn:uuid:0a0a0a0a-0000-4000-8000-000000000001"}}]"#,
        #"[{"op":"add","path":"/managingOrganization","value":{"reference":"Organization?name=x"}}]"#,
    ])
    func `by a patch are checked as every other write is`(operations: String) async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(labelled, as: principal)
        #expect(await patch("p1", operations, house, principal).status == 422)
        #expect(try await house.read(patient, "p1", as: principal).names == ["Patient/p1/1"])
    }

    @Test func `by a patch of a transaction bring no references to its entries`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: principal)
        let answer = await house.clinic.bundle(
            house.request(
                principal,
                """
                {"resourceType":"Bundle","type":"transaction","entry":[
                {"fullUrl":"urn:uuid:0a0a0a0a-0000-4000-8000-000000000001","resource":
                {"resourceType":"Organization","name":"Ward"},"request":{"method":"POST","url":"Organization"}},
                {"resource":{"resourceType":"Parameters","parameter":[{"name":"operation","part":[
                {"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},
                {"name":"name","valueString":"managingOrganization"},
                {"name":"value","valueReference":{"reference":"urn:uuid:0a0a0a0a-0000-4000-8000-000000000001"}}]}]},
                "request":{"method":"PATCH","url":"Patient/p1"}}]}
                """))
        #expect(answer.status == 422)
        #expect(try await house.read(patient, "p1", as: principal).names == ["Patient/p1/1"])
    }

    @Test func `by a patch take labels out only where it names them`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(labelled, as: principal)
        for operations in [
            #"[{"op":"replace","path":"/name/0/family","value":"B"}]"#,
            #"[{"op":"add","path":"/meta/tag","value":[{"code":"x"}]}]"#,
        ] {
            #expect(await patch("p1", operations, house, principal).status == 200)
            #expect(try await house.read(patient, "p1", as: principal).text.contains(#""code":"N""#))
        }
        #expect(await patch("p1", #"[{"op":"remove","path":"/meta/security"}]"#, house, principal).status == 200)
        #expect(try await house.read(patient, "p1", as: principal).text.contains(#""code":"N""#) == false)
    }

    @Test func `everything opens no more of what is referred to than may be opened, and says so in the log`()
        async throws
    {
        let house = try TestHouse()
        let principal = try await house.signIn()
        let practitioners = (0..<5).map { #"{"reference":"Practitioner/d\#($0)"}"# }
        for number in 0..<5 {
            try await house.put(#"{"resourceType":"Practitioner","id":"d\#(number)"}"#, as: principal)
        }
        try await house.put(
            #"{"resourceType":"Patient","id":"p1","generalPractitioner":[\#(practitioners.joined(separator: ","))]}"#,
            as: principal)
        let question = EverythingQuestion(type: patient, id: "p1", types: nil, since: nil, care: nil, asked: [])
        let subject = GrantSubject(types: [patient])
        let whole = try await house.vault.everything(
            question, pageSize: 50, with: try await house.grant(Search.self, on: subject, to: principal))
        #expect(whole.total == 6)
        var narrow = question
        narrow.openLimit = 4
        let asked = narrow
        let size = house.log.checkpoint.size
        await #expect(throws: VaultFailure.tooManyToDecide) {
            _ = try await house.vault.everything(
                asked, pageSize: 50, with: try await house.grant(Search.self, on: subject, to: principal))
        }
        #expect(house.log.checkpoint.size == size + 1)
        let event = try #require(try house.events().last)
        #expect(event.outcome == .failed && event.patients == ["p1"] && event.records.map(\.id) == ["p1"])
    }
}
