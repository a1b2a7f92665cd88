import Testing
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// Everybody in one house with one record of each kind; made once, since nothing here changes what is there.
private actor Stage {
    static let shared = Stage()
    private var made: Scene?

    struct Scene: Sendable {
        let house: TestHouse
        let planted: PlantedRecords
        let loader: Principal
        let actors: [Role: Principal]
    }

    func scene() async throws -> Scene {
        if let made { return made }
        let house = try TestHouse()
        let loader = try await house.signIn("loader")
        let minimal = try JSONTape(parsing: try TestFile.bytes("EndToEnd/minimal_resources.json", from: #filePath))
        let planted = try PlantedRecords(minimal.root.elements)
        for record in planted.records { try await house.put(record.json, as: loader) }
        try await house.put(
            #"{"resourceType":"CareTeam","id":"team","status":"active","subject":{"reference":"Patient/near"},"#
                + #""participant":[{"member":{"reference":"Practitioner/doc"}}]}"#, as: loader)
        var actors: [Role: Principal] = [.integration: loader]
        let members: [Role] = [
            .administrator, .auditor, .biller, .clinician, .frontDesk, .nurse, .privacyOfficer, .securityOfficer,
        ]
        for role in members {
            actors[role] = try await house.signIn(person: role.rawValue, [role], practitioner: "doc")
        }
        for role in [Role.patient, .proxy] {
            actors[role] = try await house.signIn(person: role.rawValue, [role], patients: ["near"])
        }
        let scene = Scene(house: house, planted: planted, loader: loader, actors: actors)
        made = scene
        return scene
    }
}

/// Every role, every type, every way to a record, against what the policy says in words.
@Suite(.serialized) struct `Who sees what` {
    static let roles = Role.allCases.filter { $0 != .app }

    private func facts(_ role: Role, _ group: PlantedRecords.Group) -> PlainWords.Facts {
        var facts = PlainWords.Facts()
        facts.fresh = true
        facts.careTeam = group == .near && ![.patient, .proxy, .integration].contains(role)
        facts.own = group == .near && role == .patient
        facts.proxy = group == .near && role == .proxy
        return facts
    }

    private func answer(
        _ principal: Principal, _ action: Action, _ record: PlantedRecords.Record
    ) -> PlainWords.Answer {
        PlainWords.answer(
            principal.role, action, record.type.name, principal.purpose, facts(principal.role, record.group))
    }

    private func check(
        _ attempt: Attempt, _ answer: PlainWords.Answer, _ record: PlantedRecords.Record, _ what: String
    ) {
        switch (attempt, answer) {
        case (.shown(let text), .whole): #expect(text.contains(record.id), "\(what) \(record.id)")
        case (.shown(let text), .fields):
            let isCut = text.contains("SUBSETTED") && !text.contains(PlantedRecords.canary)
            #expect(isCut && text.contains(record.id), "\(what) \(record.id)")
        case (.absent, .refused), (.refusedByName, .refused): break
        default: Issue.record("\(what) \(record.id): \(attempt), should be \(answer)")
        }
    }

    @Test func `is asked of every type, and of a patient's records wherever a type has them`() async throws {
        let scene = try await Stage.shared.scene()
        let groups = Dictionary(grouping: scene.planted.records, by: \.type)
        #expect(groups.count == ResourceType.allCases.count)
        let missing = groups.filter { type, records in
            PlainWords.isInCompartment(type.name) && !records.contains { $0.group == .far }
        }
        #expect(missing.keys.map(\.name).sorted() == [])
    }

    @Test(arguments: roles)
    func `by id, by version and in the history`(role: Role) async throws {
        let scene = try await Stage.shared.scene()
        let principal = try #require(scene.actors[role])
        for record in scene.planted.records {
            check(
                try await scene.house.tryRead(record.type, record.id, as: principal),
                answer(principal, .read, record), record, "read")
            let seen = answer(principal, .history, record)
            check(try await scene.house.tryVersion(record.type, record.id, 1, as: principal), seen, record, "vread")
            check(try await scene.house.tryHistory(record.type, record.id, as: principal), seen, record, "history")
        }
    }

    @Test(arguments: roles)
    func `with nothing between what is hidden and what is not there`(role: Role) async throws {
        let scene = try await Stage.shared.scene()
        let principal = try #require(scene.actors[role])
        for record in scene.planted.records where answer(principal, .read, record) == .refused {
            let (house, type) = (scene.house, record.type)
            #expect(
                try await house.tryRead(type, record.id, as: principal)
                    == house.tryRead(type, "none", as: principal), "\(record.id)")
            #expect(
                try await house.tryHistory(type, record.id, as: principal)
                    == house.tryHistory(type, "none", as: principal), "\(record.id)")
            #expect(
                try await house.tryVersion(type, record.id, 1, as: principal)
                    == house.tryVersion(type, "none", 1, as: principal), "\(record.id)")
            let missing = record.json.replacing(#""id":"\#(record.id)""#, with: #""id":"none""#)
            if answer(principal, .update, record) == .refused {
                #expect(
                    try await house.tryPut(record.json, as: principal) == house.tryPut(missing, as: principal),
                    "\(record.id)")
            }
        }
    }

    @Test(arguments: roles)
    func `in searches, their totals and their includes`(role: Role) async throws {
        let scene = try await Stage.shared.scene()
        let (house, principal) = (scene.house, try #require(scene.actors[role]))
        func visible(_ type: ResourceType) -> Set<String> {
            let records = scene.planted.records.filter { $0.type == type && answer(principal, .search, $0) != .refused }
            return Set(records.map { "\(type.name)/\($0.id)" })
        }
        for type in ResourceType.allCases {
            let expected = visible(type)
            let found = try await house.tryFind(type, as: principal)
            let own = found.map { $0.matches.subtracting(["CareTeam/team"]) }
            #expect(own ?? [] == expected, "\(type.name)")
            #expect((found?.total ?? 0) == (found?.matches.count ?? 0), "\(type.name)")
            if let text = found?.text,
                scene.planted.records.contains(where: {
                    $0.type == type && answer(principal, .search, $0) == .whole
                }) == false
            {
                #expect(!text.contains(PlantedRecords.canary), "\(type.name)")
            }
            for record in scene.planted.records where record.type == type {
                let one = try await house.tryFind(type, [("_id", record.id), ("_total", "accurate")], as: principal)
                let isSeen = expected.contains("\(type.name)/\(record.id)")
                #expect((one?.total ?? 0) == (isSeen ? 1 : 0), "\(record.id)")
            }
        }
        for parameter in Definitions.r4.searchParameters where parameter.type == .reference {
            guard parameter.targets.contains(where: { $0.name == "Patient" }) else { continue }
            let name = "\(parameter.base.name):\(parameter.code)"
            let back = try await house.tryFind(.named("Patient"), [("_revinclude", name)], as: principal)
            let extra = (back?.included ?? []).subtracting(visible(parameter.base)).subtracting(["CareTeam/team"])
            #expect(extra.isEmpty, "\(name)")
            let there = try await house.tryFind(parameter.base, [("_include", name)], as: principal)
            #expect((there?.included ?? []).isSubset(of: visible(try .named("Patient"))), "\(name)")
        }
    }

    @Test(arguments: roles)
    func `and nobody finds anything by what they cannot see`(role: Role) async throws {
        let scene = try await Stage.shared.scene()
        let (house, principal) = (scene.house, try #require(scene.actors[role]))
        let near = try #require(scene.planted.records.first { $0.type.name == "Patient" && $0.group == .near })
        guard case .fields = answer(principal, .search, near) else { return }
        // Marital status, narrative and labels are in no profile; nor is anything that says them.
        for (name, value) in [("_security", "R"), ("_tag", "x")] {
            #expect(try await house.tryFind(.named("Patient"), [(name, value)], as: principal) == nil)
            #expect(try await house.tryFind(.named("Patient"), [("\(name):missing", "true")], as: principal) == nil)
        }
        #expect(try await house.tryFind(.named("Patient"), [("name", "near")], as: principal)?.matches.count == 1)
    }
}
