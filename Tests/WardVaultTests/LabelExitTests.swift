import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// Labelled records, through every way out.
@Suite struct `A labelled record` {
    private static let labels = [
        "R": "restricted", "V": "restricted", "42CFRPart2": "part2", "ETHUD": "part2",
        "HIV": "restricted", "N": "",
    ]

    private func expected(_ code: String, _ role: Role, careTeam: Bool) throws -> Bool {
        var facts = PlainWords.Facts()
        facts.fresh = true
        // A program is in nobody's care team.
        facts.careTeam = careTeam && role == .clinician
        facts.assigned = !careTeam && role == .clinician
        facts.labels = Set([try #require(Self.labels[code])].filter { !$0.isEmpty })
        return PlainWords.answer(role, .read, "Observation", .treatment, facts) != .refused
    }

    @Test(arguments: labels.keys.sorted(), [true, false])
    func `leaves by no way for whom it is not, and by every way for whom it is`(
        code: String, careTeam: Bool
    ) async throws {
        let care = try await CareHouse()
        let house = care.house
        try await house.put(
            careTeam
                ? CareHouse.careTeam
                : #"{"resourceType":"EpisodeOfCare","id":"c1","status":"active","patient":{"reference":"Patient/p1"},"#
                    + #""careManager":{"reference":"Practitioner/doc"}}"#, as: care.loader)
        #expect(try await care.sees())
        // The first version carries no label: what is hidden today is hidden through it as well.
        try await house.put(labelled(Chart.observation("o1", of: "p1", value: 99), code), as: care.loader)
        for (principal, role) in [(care.doctor, Role.clinician), (care.loader, .integration)] {
            let isSeen = try expected(code, role, careTeam: careTeam)
            let ways = [
                try await house.tryRead(care.observation, "o1", as: principal),
                try await house.tryVersion(care.observation, "o1", 1, as: principal),
                try await house.tryVersion(care.observation, "o1", 2, as: principal),
                try await house.tryHistory(care.observation, "o1", as: principal),
            ]
            for way in ways {
                if case .shown = way { #expect(isSeen) } else { #expect(way == .absent && !isSeen) }
            }
            for query in [
                [("_id", "o1")], [("code", "29463-7"), ("patient", "p1")], [("value-quantity", "99")],
                [("_security", code), ("_id", "o1")], [("subject", "Patient/p1"), ("_sort", "-date")],
                [("_security:missing", "false")],
            ] {
                let found = try #require(try await house.tryFind(care.observation, query, as: principal))
                #expect(found.total == (isSeen ? 1 : 0) && found.matches == (isSeen ? ["Observation/o1"] : []))
                #expect(found.text.contains("99") == isSeen)
            }
            let counted = try await house.search(care.observation, [("_id", "o1")], pageSize: 0, as: principal)
            #expect(counted.total == (isSeen ? 1 : 0))
            let back = try await house.tryFind(
                .named("Patient"), [("_id", "p1"), ("_revinclude", "Observation:subject")], as: principal)
            #expect(back?.included == (isSeen ? ["Observation/o1"] : []))
            if !isSeen {
                #expect(try #require(try house.events().last).patients.allSatisfy { $0 == "p1" })
                #expect(try await house.tryPut(Chart.observation("o1", of: "p1"), as: principal) == .absent)
                try await house.delete(care.observation, "o1", as: principal)
                #expect(try #require(try house.events().last).outcome == .denied)
            }
        }
        // Whoever tried, it is as it was.
        let heads = try await house.verify(
            as: house.signIn("admin", role: .administrator, purpose: .systemAdministration))
        #expect(heads.isWhole)
        #expect(try house.log.events(with: [.kind(.delete)], limit: 9).allSatisfy { $0.event.records[0].version == 0 })
    }

    @Test func `is left out of an export, and counted by nobody`() async throws {
        let care = try await CareHouse()
        for (number, code) in Self.labels.keys.sorted().enumerated() {
            try await care.house.put(labelled(Chart.observation("l\(number)", of: "p1"), code), as: care.loader)
        }
        let grant = try await care.house.grant(
            Export.self, on: GrantSubject(types: [care.observation]), to: care.loader)
        var cursor = try await care.house.vault.export([care.observation], with: grant)
        var ids: [String] = []
        while let part = try await care.house.vault.next(&cursor, limit: 3) { ids += part.records.map(\.id) }
        let ordinary = Self.labels.keys.sorted().firstIndex(of: "N") ?? -1
        #expect(Set(ids) == ["o1", "o2", "l\(ordinary)"])
    }

    @Test func `in the middle of many pages leaves no gap that can be counted`() async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        for number in 0..<9 {
            let json = Chart.observation("n\(number)", of: "p1")
            try await care.house.put(number % 3 == 1 ? labelled(json, "ETH") : json, as: care.loader)
        }
        var answer = try await care.house.search(
            care.observation, [("patient", "p1"), ("_sort", "_lastUpdated")], pageSize: 2, as: care.doctor)
        #expect(answer.total == 7)
        var sizes = [answer.disclosure.records.count]
        while let next = answer.next {
            answer = try await care.house.vault.page(
                next, type: care.observation,
                with: try await care.house.grant(
                    Search.self, on: GrantSubject(types: [care.observation]), to: care.doctor))
            sizes.append(answer.disclosure.records.count)
        }
        #expect(sizes == [2, 2, 2, 1])
    }

    @Test func `can be written by whoever will not see it, and is then seen by its author alone`() async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        let type = try ResourceType.named("DocumentReference")
        let note =
            #"{"resourceType":"DocumentReference","id":"WHO","status":"current","subject":{"reference":"Patient/p1"},"#
            + #""author":[{"reference":"Practitioner/WHO"}],"content":[{"attachment":{"contentType":"text/plain"}}]}"#
        for (who, isSeen) in [("doc", true), ("other", false)] {
            try await care.house.put(labelled(note.replacing("WHO", with: who), "PSYTHPN"), as: care.loader)
            #expect(try await care.house.tryRead(type, who, as: care.loader) == .absent)
            let found = try await care.house.tryRead(type, who, as: care.doctor)
            if case .shown = found { #expect(isSeen) } else { #expect(found == .absent && !isSeen) }
        }
    }

    @Test(arguments: [
        #""meta":{"security":[{"code":"R"}]}"#, #""meta":{"security":[{"system":"urn:unknown","code":"x"}]}"#,
        #""meta":{"security":[{"system":"http://hl7.org/fhir/v3/Confidentiality","code":"R"}]}"#,
        #""meta":{"security":[{"system":"urn:oid:2.16.840.1.113883.5.4","code":"ETH"}]}"#,
        #""meta":{"security":[{"display":"restricted"}]}"#, #""confidentiality":"R""#, #""confidentiality":"V""#,
    ])
    func `in other words, or words that nobody knows, is one as well`(element: String) async throws {
        let care = try await CareHouse()
        let json =
            #"{"resourceType":"Composition","id":"d1","status":"final","type":{"text":"x"},"date":"2026-01-01","title":"x","#
            + #""subject":{"reference":"Patient/p1"},"author":[{"reference":"Practitioner/x"}],\#(element)}"#
        let type = try ResourceType.named("Composition")
        try await care.house.put(json, as: care.loader)
        #expect(try await care.house.tryRead(type, "d1", as: care.loader) == .absent)
        #expect(try await care.house.tryFind(type, as: care.loader)?.total == 0)
        #expect(try await care.house.tryFind(type, [("subject", "Patient/p1")], as: care.loader)?.matches == [])
    }

    @Test(arguments: [
        #""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"HTEST"}]}"#,
        #""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#,
        #""confidentiality":"N""#,
    ])
    func `that says nothing of who may see it hides nothing`(element: String) async throws {
        let care = try await CareHouse()
        let json =
            #"{"resourceType":"Composition","id":"d1","status":"final","type":{"text":"x"},"date":"2026-01-01","title":"x","#
            + #""subject":{"reference":"Patient/p1"},"author":[{"reference":"Practitioner/x"}],\#(element)}"#
        try await care.house.put(json, as: care.loader)
        #expect(try await care.house.tryFind(.named("Composition"), as: care.loader)?.total == 1)
    }

    @Test func `keeps its label through an update that says nothing of labels, and loses it only by name`() async throws
    {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        try await care.house.put(labelled(Chart.observation("o1", of: "p1"), "R"), as: care.loader)
        guard
            case .shown(let text) = try await care.house.tryPut(
                Chart.observation("o1", of: "p1", value: 71), as: care.doctor)
        else {
            Issue.record("not taken")
            return
        }
        #expect(text.contains(#""code":"R""#) && text.contains("71"))
        #expect(try await care.house.tryRead(care.observation, "o1", as: care.loader) == .absent)
        let opened = labelled(Chart.observation("o1", of: "p1", value: 72), "N")
        try await care.house.put(opened, as: care.doctor)
        #expect(try #require(try care.house.events().last).decision == "label-removed")
        guard case .shown = try await care.house.tryRead(care.observation, "o1", as: care.loader) else {
            Issue.record("not shown")
            return
        }
    }

    @Test(arguments: ["R", "42CFRPart2", "PSYTHPN", "nonsense"])
    func `that nobody at all could open is not written`(code: String) async throws {
        let care = try await CareHouse()
        for json in [Chart.organization("o1", name: "x"), Chart.patient("p1"), Chart.observation("o4", of: nil)] {
            let isLost = code == "PSYTHPN" || !json.contains("Patient")
            let found = try await care.house.tryPut(labelled(json, code), as: care.loader)
            #expect((found == .refused) == isLost)
            if isLost { #expect(try #require(try care.house.events().last).decision == "label-hides-from-all") }
        }
    }

    @Test func `that was deleted does not come back without its label`() async throws {
        let care = try await CareHouse()
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        try await care.house.put(labelled(Chart.observation("o1", of: "p1", value: 99), "R"), as: care.loader)
        try await care.house.delete(care.observation, "o1", as: care.doctor)
        #expect(try await care.house.tryPut(Chart.observation("o1", of: "p1"), as: care.loader) == .absent)
        #expect(try await care.house.tryVersion(care.observation, "o1", 2, as: care.loader) == .absent)
        // Deleting it is as deleting what never was.
        for id in ["o1", "never"] {
            let result = try await care.house.delete(care.observation, id, as: care.loader).result
            #expect(result.outcome == .unchanged && result.version == 0)
        }
    }

    @Test func `that was none when a search or an export began leaves neither`() async throws {
        let care = try await CareHouse()
        for number in 3..<9 { try await care.house.put(Chart.observation("o\(number)", of: "p1"), as: care.loader) }
        let first = try await care.house.search(
            care.observation, [("_sort", "_lastUpdated")], pageSize: 4, as: care.loader)
        let next = try #require(first.next)
        let grant = try await care.house.grant(
            Export.self, on: GrantSubject(types: [care.observation]), to: care.loader)
        var cursor = try await care.house.vault.export([care.observation], with: grant)
        try await care.house.put(labelled(Chart.observation("o7", of: "p1"), "R"), as: care.loader)
        let page = try await care.house.vault.page(
            next, type: care.observation,
            with: try await care.house.grant(
                Search.self, on: GrantSubject(types: [care.observation]), to: care.loader))
        #expect(page.disclosure.records.map(\.id) == ["o5", "o6", "o8"])
        var ids: [String] = []
        while let part = try await care.house.vault.next(&cursor, limit: 3) { ids += part.records.map(\.id) }
        #expect(Set(ids) == ["o1", "o2", "o3", "o4", "o5", "o6", "o8"])
    }

    @Test func `can be protected further by whoever sees it, and not be opened again`() async throws {
        let care = try await CareHouse()
        try await care.house.put(labelled(Chart.observation("o1", of: "p1"), "R"), as: care.loader)
        #expect(try await care.house.tryPut(Chart.observation("o1", of: "p1"), as: care.loader) == .absent)
        try await care.house.put(CareHouse.careTeam, as: care.loader)
        #expect(try await care.sees())
    }

    @Test func `stays hidden after it is deleted`() async throws {
        let house = try TestHouse(emergencies: { _, _, _ in OpenEmergency(id: "x", reasons: .part2) })
        let care = try await CareHouse(house: house)
        try await house.put(CareHouse.careTeam, as: care.loader)
        let other = try await house.signIn(person: "assigned", [.clinician], practitioner: "else")
        try await house.put(labelled(Chart.observation("o1", of: "p1"), "R"), as: care.loader)
        try await house.delete(care.observation, "o1", as: care.doctor)
        let gone = await #expect(throws: VaultFailure.self) {
            try await house.read(care.observation, "o1", as: care.doctor)
        }
        guard case .gone = gone else {
            Issue.record("not gone")
            return
        }
        #expect(try await house.tryRead(care.observation, "o1", as: other) == .absent)
        #expect(try await house.tryHistory(care.observation, "o1", as: other) == .absent)
    }

    @Test func `inside another is as hidden as by itself`() async throws {
        let care = try await CareHouse()
        let inner = labelled(Chart.observation("inner", of: "p1"), "R")
        let bundle =
            #"{"resourceType":"Bundle","id":"b1","type":"collection","entry":[{"fullUrl":"urn:uuid:"#
            + #"0b1f2a3c-0000-4000-8000-000000000001","resource":\#(inner)}]}"#
        let type = try ResourceType.named("Bundle")
        try await care.house.put(bundle, as: care.loader)
        #expect(try await care.house.tryRead(type, "b1", as: care.loader) == .absent)
        #expect(try await care.house.tryFind(type, as: care.loader)?.total == 0)
    }
}
