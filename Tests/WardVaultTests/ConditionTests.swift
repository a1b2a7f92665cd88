import Testing
import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardVault

@Suite struct `Conditions` {
    private let organization: ResourceType
    private let patient: ResourceType

    init() throws {
        organization = try .named("Organization")
        patient = try .named("Patient")
    }

    private let bundle = """
        {"resourceType":"Bundle","type":"transaction","entry":[
        {"fullUrl":"urn:uuid:0a0a0a0a-0000-4000-8000-000000000001","resource":
        {"resourceType":"Organization","name":"Ward"},
        "request":{"method":"POST","url":"Organization","ifNoneExist":"name=Ward"}},
        {"fullUrl":"urn:uuid:0a0a0a0a-0000-4000-8000-000000000002","resource":{"resourceType":"Patient",
        "managingOrganization":{"reference":"urn:uuid:0a0a0a0a-0000-4000-8000-000000000001"}},
        "request":{"method":"POST","url":"Patient"}}]}
        """

    @Test func `of a transaction point the other entries to the record that was found`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.organization("known", name: "Ward"), as: principal)
        let answer = await house.clinic.bundle(house.request(principal, bundle))
        #expect(answer.status == 200)
        let found = try await house.search(patient, [("organization", "Organization/known")], as: principal)
        #expect(found.total == 1)
        #expect(try await house.search(organization, as: principal).total == 1)
    }

    @Test func `of a transaction that find nothing create`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        for _ in 0..<2 { #expect(await house.clinic.bundle(house.request(principal, bundle)).status == 200) }
        let organizations = try await house.search(organization, as: principal)
        #expect(organizations.total == 1)
        let id = try #require(organizations.disclosure.records.first?.id)
        #expect(try await house.search(patient, [("organization", "Organization/\(id)")], as: principal).total == 2)
    }

    /// A transaction of conditional creates of organizations (name, condition), and of a patient for each.
    private func creates(_ entries: [(name: String, condition: String?)]) -> String {
        func url(_ number: Int) -> String { "urn:uuid:0a0a0a0a-0000-4000-8000-00000000000\(number)" }
        let organizations = entries.enumerated().map { number, entry in
            let condition = entry.condition.map { #","ifNoneExist":"\#($0)""# } ?? ""
            return """
                {"fullUrl":"\(url(number))","resource":{"resourceType":"Organization","name":"\(entry.name)"},
                "request":{"method":"POST","url":"Organization"\(condition)}}
                """
        }
        let patients = entries.indices.map { number in
            """
            {"resource":{"resourceType":"Patient","id":"p\(number)","managingOrganization":{"reference":"\(url(number))"}},
            "request":{"method":"PUT","url":"Patient/p\(number)"}}
            """
        }
        // The patients first: what they refer to is known only after the creates.
        return
            #"{"resourceType":"Bundle","type":"transaction","entry":[\#((patients + organizations).joined(separator: ","))]}"#
    }

    @Test(
        arguments: [
            // The same condition twice; the second entry's own content does not count.
            ([("Ward", "name=Ward"), ("Ward", "name=Ward")], [201, 200], 1, [0, 0]),
            (
                [("Ward", "name=Ward"), ("Ward and more", "name=Ward"), ("Ward", "name=Ward")], [201, 200, 200], 1,
                [0, 0, 0]
            ),
            // Other words for the same record.
            ([("Ward", "name=Ward"), ("Ward", "name:exact=Ward")], [201, 200], 1, [0, 0]),
            // A create without a condition comes first.
            ([("Ward", nil), ("Ward", "name=Ward")], [201, 200], 1, [0, 0]),
            // The condition does not find what it guards, or another.
            ([("Ward", "name=Other"), ("Ward", "name=Other")], [201, 201], 2, [0, 1]),
            ([("Ward", "name:exact=ward"), ("Ward", "name:exact=ward")], [201, 201], 2, [0, 1]),
            ([("Ward", "name=Ward"), ("Other", "name=Other")], [201, 201], 2, [0, 1]),
            ([("Ward", "name=Ward"), ("Ward", nil)], [201, 201], 2, [0, 1]),
        ] as [([(String, String?)], [Int], Int, [Int])])
    func `of a transaction find what earlier entries create`(
        entries: [(String, String?)], statuses: [Int], count: Int, targets: [Int]
    ) async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        let answer = await house.clinic.bundle(
            house.request(principal, creates(entries.map { (name: $0.0, condition: $0.1) })))
        #expect(answer.status == 200, "\(answer.text)")
        let responses = try JSONTape(parsing: Array(answer.text.utf8)).root["entry"]?.elements ?? []
        let answered = responses.dropFirst(entries.count).map { $0["response"] }
        #expect(answered.compactMap { $0?["status"]?.string?.prefix(3) } == statuses.map { "\($0)" })
        let ids = answered.compactMap { $0?["location"]?.string?.split(separator: "/").dropLast(2).last }
        #expect(ids.count == entries.count && ids == targets.map { ids[$0] })
        #expect(try await house.search(organization, as: principal).total == count)
        for (number, id) in ids.enumerated() {
            let text = try await house.read(patient, "p\(number)", as: principal).text
            #expect(text.contains("\"Organization/\(id)\""))
        }
        try house.checkLog()
    }

    @Test(
        arguments: [
            [("Ward", nil), ("Ward", nil), ("Ward", "name=Ward")], [("Ward known", nil), ("Ward", "name=Ward")],
            [("Ward", "name=Ward known"), ("Ward known", "name=Nobody"), ("Ward", "name=Ward")],
        ] as [[(String, String?)]])
    func `of a transaction that find several, stored or created, are refused as a whole`(
        entries: [(String, String?)]
    ) async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.organization("known", name: "Ward known"), as: principal)
        let answer = await house.clinic.bundle(
            house.request(principal, creates(entries.map { (name: $0.0, condition: $0.1) })))
        #expect(answer.status == 412, "\(answer.text)")
        #expect(try await house.search(organization, as: principal).total == 1)
        #expect(try await house.search(patient, as: principal).total == 0)
    }

    @Test func `that match several are refused, and the look is in the log`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        for id in ["a", "b"] { try await house.put(Chart.organization(id, name: "Ward"), as: principal) }
        let size = house.log.checkpoint.size
        let answer = await house.clinic.create(
            organization,
            house.request(principal, #"{"resourceType":"Organization","name":"Ward"}"#, ifNoneExist: "name=Ward"))
        #expect(answer.status == 412)
        #expect(house.log.checkpoint.size == size + 1)
        let event = try #require(try house.events().last)
        #expect(event.outcome == .failed && event.kind == .create && event.candidates == 2)
    }

    /// A transaction with one patient whose organization is a search.
    private func transaction(_ search: String) -> String {
        """
        {"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","id":"p1",
        "managingOrganization":{"reference":"Organization?name=\(search)"}},
        "request":{"method":"PUT","url":"Patient/p1"}}]}
        """
    }

    @Test func `in references are resolved to the one record that matches`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.organization("known", name: "Ward"), as: principal)
        let answer = await house.clinic.bundle(house.request(principal, transaction("Ward")))
        #expect(answer.status == 200, "\(answer.text)")
        let text = try await house.read(patient, "p1", as: principal).text
        #expect(text.contains(#""reference":"Organization/known""#) && !text.contains("?"))
    }

    @Test func `in references that match none or several are refused, and the look is in the log`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        for id in ["a", "b"] { try await house.put(Chart.organization(id, name: "Ward"), as: principal) }
        let size = house.log.checkpoint.size
        #expect(await house.clinic.bundle(house.request(principal, transaction("Nobody"))).status == 412)
        #expect(await house.clinic.bundle(house.request(principal, transaction("Ward"))).status == 412)
        #expect(house.log.checkpoint.size == size + 2)
        let looks = try house.log.events(with: [.patient("p1")], limit: 3).map(\.event)
        #expect(looks.map(\.outcome) == [.failed, .failed] && looks.map(\.candidates) == [2, 0])
    }

    @Test func `in references outside a transaction are refused`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        let body = #"{"resourceType":"Patient","id":"p1","managingOrganization":{"reference":"Organization?name=x"}}"#
        #expect(await house.clinic.update(patient, "p1", house.request(principal, body)).status == 422)
    }

    @Test func `asked by many at the same time create once`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        let body = #"{"resourceType":"Organization","name":"Ward"}"#
        let statuses = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    await house.clinic.create(
                        organization, house.request(principal, body, ifNoneExist: "name=Ward")
                    ).status
                }
            }
            var statuses: [Int] = []
            for await status in group { statuses.append(status) }
            return statuses.sorted()
        }
        #expect(statuses == [Int](repeating: 200, count: 9) + [201])
        #expect(try await house.search(organization, as: principal).total == 1)
    }

    @Test func `are for those who may search`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.organization("known", name: "Ward"), as: principal)
        let writer = try await house.signIn("writer", scope: "system/Organization.c")
        let body = #"{"resourceType":"Organization","name":"Ward"}"#
        #expect(await house.clinic.create(organization, house.request(writer, body)).status == 201)
        let conditional = await house.clinic.create(
            organization, house.request(writer, body, ifNoneExist: "name=Ward"))
        #expect(conditional.status == 403)
        #expect(try await house.search(organization, as: principal).total == 2)
    }

    @Test(arguments: ["9223372036854775807", "1000000001", "-1", "x", "", "1e9"])
    func `history refuses an offset that nobody can mean`(offset: String) async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: principal)
        var request = house.request(principal)
        request.parameters = [SearchPair(name: "_offset", value: offset)]
        #expect(await house.clinic.history(patient, "p1", request).status == 400)
        request.parameters = [SearchPair(name: "_offset", value: "1000000000")]
        #expect(await house.clinic.history(patient, "p1", request).status == 200)
    }

    @Test func `answers of the clinic carry the receipt of their event`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: principal)
        let desk = try await house.signIn("desk", role: .frontDesk)
        let observation = try ResourceType.named("Observation")
        let answers = [
            await house.clinic.read(patient, "p1", house.request(principal)),
            await house.clinic.read(patient, "none", house.request(principal)),
            await house.clinic.read(observation, "o1", house.request(desk)),
            await house.clinic.delete(patient, "p1", house.request(principal)),
            await house.clinic.read(patient, "p1", house.request(principal)),
        ]
        #expect(answers.map(\.status) == [200, 404, 403, 204, 410])
        for answer in answers {
            let receipt = try #require(answer.headers.first { $0.name == "Ward-Audit-Receipt" }?.value)
            let index = try #require(receipt.split(separator: ":").first.flatMap { Int64($0) })
            let leaf = try #require(try house.store.leaves(from: index, limit: 1).first)
            #expect(receipt == "\(index):\(hex(MerkleHash.leaf(leaf.leaf).bytes))")
        }
    }
}
