import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardVault

@Suite struct `The vault` {
    private let patient: ResourceType
    private let observation: ResourceType

    init() throws {
        patient = try .named("Patient")
        observation = try .named("Observation")
    }

    @Test(arguments: Engine.allCases)
    func `keeps every version, and accounts for each look`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn()
        let created = try await house.put(Chart.patient("p1", family: "Alpha"), as: principal)
        #expect(created.result.outcome == .created && created.result.version == 1)
        let updated = try await house.put(Chart.patient("p1", family: "Beta"), as: principal)
        #expect(updated.result.outcome == .updated && updated.result.version == 2)
        #expect(updated.disclosure.text.contains("Beta"))

        let read = try await house.read(patient, "p1", as: principal)
        #expect(read.names == ["Patient/p1/2"] && read.text.contains(#""family":"Beta""#))
        #expect(read.text.contains(#""versionId":"2""#) && read.text.contains(#""id":"p1""#))
        let first = try await readVersion(house, 1, as: principal)
        #expect(first.names == ["Patient/p1/1"] && first.text.contains("Alpha"))

        let deleted = try await house.delete(patient, "p1", as: principal)
        #expect(deleted.result.outcome == .deleted && deleted.result.version == 3 && deleted.disclosure.records.isEmpty)
        let gone = await #expect(throws: VaultFailure.self) { try await house.read(patient, "p1", as: principal) }
        guard case .gone(let receipt) = gone else {
            Issue.record("not gone")
            return
        }
        #expect(receipt.index == house.log.checkpoint.size - 1)
        let again = try await house.delete(patient, "p1", as: principal)
        #expect(again.result.outcome == .unchanged && again.result.version == 0)

        let history = try await house.vault.history(
            offset: 0, limit: 10,
            with: try await house.grant(InstanceHistory.self, on: GrantSubject(type: patient, id: "p1"), to: principal))
        #expect(history.total == 3)
        #expect(history.disclosure.names == ["Patient/p1/3", "Patient/p1/2", "Patient/p1/1"])
        #expect(history.disclosure.records.map(\.isDeleted) == [true, false, false])
        let page = try await house.vault.history(
            offset: 1, limit: 1,
            with: try await house.grant(InstanceHistory.self, on: GrantSubject(type: patient, id: "p1"), to: principal))
        #expect(page.disclosure.names == ["Patient/p1/2"])

        let revived = try await house.put(Chart.patient("p1", family: "Gamma"), as: principal)
        #expect(revived.result.outcome == .created && revived.result.version == 4)
        try house.checkLog()

        // Every look above stands in the log, under the patient.
        let kinds = try house.log.events(with: [.patient("p1")], limit: 50).reversed().map(\.event.kind)
        #expect(
            kinds == [
                .update, .update, .read, .vread, .delete, .read, .historyInstance, .historyInstance, .update,
            ])
        let reopened = try house.reopened()
        let kept = try await reopened.signIn("second")
        #expect(try await reopened.read(patient, "p1", as: kept).text.contains("Gamma"))
    }

    @Test(arguments: Engine.allCases)
    func `has a look at nothing in the log before it says so`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn()
        let failure = await #expect(throws: VaultFailure.self) { try await house.read(patient, "none", as: principal) }
        guard case .notFound(let receipt) = failure else {
            Issue.record("found")
            return
        }
        let event = try #require(try house.log.events(with: [.patient("none")], limit: 1).first)
        #expect(event.index == receipt.index && event.event.outcome == .failed)
        #expect(event.event.records == [AuditedRecord(type: patient, id: "none", version: 0)])
        try await house.put(Chart.patient("p1"), as: principal)
        for version in [0, 2, -1, Int64.max] {
            let size = house.log.checkpoint.size
            await #expect(throws: VaultFailure.self) { try await readVersion(house, version, as: principal) }
            #expect(house.log.checkpoint.size == size + 1)
        }
    }

    private func readVersion(_ house: TestHouse, _ version: Int64, as principal: Principal) async throws -> Disclosure {
        try await house.vault.read(
            version: version,
            with: try await house.grant(VersionRead.self, on: GrantSubject(type: patient, id: "p1"), to: principal))
    }

    @Test(arguments: Engine.allCases)
    func `finds, pages and counts`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn()
        for number in 0..<25 {
            try await house.put(
                Chart.observation("o\(number)", of: number % 2 == 0 ? "p1" : "p2", value: number), as: principal)
        }
        let all = try await house.search(observation, [("subject", "Patient/p1")], pageSize: 5, as: principal)
        #expect(all.total == 13 && all.disclosure.records.count == 5 && all.previous == nil)
        var names = all.disclosure.names
        var next = all.next
        while let link = next {
            let further = try await page(house, link, of: observation, as: principal)
            names += further.disclosure.names
            next = further.next
        }
        #expect(names.count == 13 && Set(names).count == 13)
        #expect(names.allSatisfy { Int($0.split(separator: "/")[1].dropFirst())?.isMultiple(of: 2) ?? false })
        let heavy = try await house.search(observation, [("value-quantity", "ge20")], as: principal)
        #expect(heavy.total == 5)
        let count = try await house.search(observation, [("_count", "0")], pageSize: 0, as: principal)
        #expect(count.total == 25 && count.disclosure.records.isEmpty)
        try await house.delete(observation, "o24", as: principal)
        #expect(try await house.search(observation, [("value-quantity", "ge20")], as: principal).total == 4)
        try house.checkLog()
    }

    @Test func `gives page links to their owner alone, unaltered`() async throws {
        let house = try TestHouse()
        let (one, two) = (try await house.signIn("one"), try await house.signIn("two"))
        for number in 0..<4 { try await house.put(Chart.patient("p\(number)"), as: one) }
        let link = try #require(try await house.search(patient, pageSize: 1, as: one).next)
        var letters = Array(link)
        letters[20] = letters[20] == "A" ? "B" : "A"
        for (text, type, principal) in [
            (link, patient, two), (link, observation, one), (String(letters), patient, one), ("", patient, one),
            (link + "A", patient, one), ("ä", patient, one),
        ] {
            await #expect(throws: VaultFailure.pageExpired) { try await page(house, text, of: type, as: principal) }
        }
    }

    private func page(
        _ house: TestHouse, _ link: String, of type: ResourceType, as principal: Principal
    ) async throws -> SearchAnswer {
        try await house.vault.page(
            link, type: type,
            with: try await house.grant(Search.self, on: GrantSubject(types: [type]), to: principal))
    }

    @Test func `leaves out of later pages what was deleted meanwhile, on the way back too`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        for number in 0..<4 { try await house.put(Chart.patient("p\(number)"), as: principal) }
        let first = try await house.search(patient, pageSize: 2, as: principal)
        #expect(first.disclosure.names == ["Patient/p3/1", "Patient/p2/1"])
        try await house.delete(patient, "p3", as: principal)
        try await house.delete(patient, "p1", as: principal)
        let second = try await page(house, try #require(first.next), of: patient, as: principal)
        #expect(second.disclosure.names == ["Patient/p0/1"])
        let back = try await page(house, try #require(second.previous), of: patient, as: principal)
        #expect(back.disclosure.names == ["Patient/p2/1"])
    }

    @Test(arguments: Engine.allCases)
    func `carries out all changes of a transaction or none`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn()
        let good = [try TestHouse.change(Chart.patient("p1")), try TestHouse.change(Chart.observation("o1", of: "p1"))]
        let done = try await house.transact(good, as: principal)
        #expect(done.disclosure.names == ["Patient/p1/1", "Observation/o1/1"])
        #expect(try house.log.events(with: [.kind(.transaction)], limit: 9).count == 1)
        let mixed = [
            try TestHouse.change(Chart.patient("p1", family: "Changed")),
            RecordChange(
                operation: .update(ifMatch: 7), type: observation, id: "o1",
                resource: try TestHouse.validated(Chart.observation("o1", of: "p1"))),
        ]
        let failure = await #expect(throws: VaultFailure.self) { try await house.transact(mixed, as: principal) }
        guard case .preconditionFailed = failure else {
            Issue.record("not refused")
            return
        }
        #expect(try await house.read(patient, "p1", as: principal).names == ["Patient/p1/1"])
        let twice = [
            try TestHouse.change(Chart.patient("p9")), try TestHouse.change(Chart.patient("p9", family: "Other")),
        ]
        await #expect(throws: VaultFailure.conflict) { try await house.transact(twice, as: principal) }
        try house.checkLog()
    }

    @Test(arguments: Engine.allCases)
    func `exports what is there, in accounted chunks`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn("export", role: .integration, purpose: .operations)
        for number in 0..<12 { try await house.put(Chart.observation("o\(number)", of: "p1"), as: principal) }
        try await house.put(Chart.patient("p1"), as: principal)
        var cursor = try await house.vault.export(
            [observation],
            with: try await house.grant(Export.self, on: GrantSubject(types: [observation]), to: principal))
        #expect(cursor.remaining == 12)
        try await house.delete(observation, "o3", as: principal)
        var names: Set<String> = []
        while let chunk = try await house.vault.next(&cursor, limit: 5) {
            names.formUnion(chunk.names)
            #expect(chunk.receipt.index == house.log.checkpoint.size - 1)
            let lines = chunk.lines().exposed { String(decoding: $0, as: UTF8.self) }
            #expect(lines.split(separator: "\n").count == chunk.records.count)
        }
        #expect(names.count == 11 && !names.contains("Observation/o3/1"))
        #expect(try house.log.events(with: [.kind(.export)], limit: 20).count == 4)
        try house.checkLog()
    }

    @Test func `does nothing that its grant was not given for`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        let size = house.log.checkpoint.size
        let changes: [RecordChange] = [
            try TestHouse.change(Chart.patient("p2")), try TestHouse.change(Chart.observation("p1", of: nil)),
            RecordChange(operation: .delete, type: patient, id: "p1", resource: nil),
            RecordChange(
                operation: .create(unlessExists: nil), type: patient, id: "p1",
                resource: try TestHouse.validated(Chart.patient("p1"))),
        ]
        for change in changes {
            await #expect(throws: VaultFailure.notGranted) {
                try await house.vault.update(
                    change,
                    with: try await house.grant(
                        Update.self, on: GrantSubject(type: patient, id: "p1"), to: principal))
            }
        }
        #expect(house.log.checkpoint.size == size)
    }

    @Test func `never creates over what is there`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1", family: "First"), as: principal)
        let change = RecordChange(
            operation: .create(unlessExists: nil), type: patient, id: "p1",
            resource: try TestHouse.validated(Chart.patient("p1", family: "Second")))
        await #expect(throws: VaultFailure.conflict) { try await house.transact([change], as: principal) }
        #expect(try await house.read(patient, "p1", as: principal).text.contains("First"))
    }

    @Test func `neither searches nor writes before its index is complete`() async throws {
        let store = MemoryStore()
        let keys = TestHouse.Keys()
        let house = try TestHouse(store, keys: keys)
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: principal)
        let starting = try TestHouse(store, keys: keys, buildsIndex: false)
        let other = try await starting.signIn("other")
        await #expect(throws: VaultFailure.indexNotReady) { try await starting.search(patient, as: other) }
        await #expect(throws: VaultFailure.indexNotReady) { try await starting.put(Chart.patient("p2"), as: other) }
        #expect(try await starting.read(patient, "p1", as: other).names == ["Patient/p1/1"])
        try starting.vault.rebuildIndex()
        #expect(try await starting.search(patient, as: other).total == 1)
    }
}
