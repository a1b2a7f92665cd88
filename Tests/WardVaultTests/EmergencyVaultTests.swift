import Testing
import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy
import WardTestKit

@Suite struct `A declared emergency` {
    private struct Scene {
        let house: TestHouse
        let doctor: Principal
        let observation: ResourceType

        init() async throws {
            house = try TestHouse()
            let loader = try await house.signIn("loader")
            for patient in ["p1", "p2"] { try await house.put(Chart.patient(patient), as: loader) }
            try await house.put(Chart.observation("o1", of: "p1"), as: loader)
            try await house.put(Chart.observation("o2", of: "p2"), as: loader)
            try await house.put(labelled(Chart.observation("o3", of: "p1"), "42CFRPart2"), as: loader)
            doctor = try await house.signIn(person: "doc", [.clinician], mayUseEmergencyAccess: true)
            observation = try .named("Observation")
        }

        func sees(_ id: String) async throws -> Bool {
            if case .shown = try await house.tryRead(observation, id, as: doctor) { true } else { false }
        }

        func declare(_ reason: Emergency.Reason) async throws -> Emergency {
            try await house.people.emergencies.declare(
                for: "p1", reason: reason, text: PHI("Chest pain in room two"), by: doctor, source: TestHouse.source)
        }
    }

    @Test func `opens that patient's records through the gate, until it is ended`() async throws {
        let scene = try await Scene()
        #expect(try await !scene.sees("o1"))
        let emergency = try await scene.declare(.urgentCare)
        #expect(try await scene.sees("o1"))
        #expect(try await !scene.sees("o2"))
        #expect(try await !scene.sees("o3"))
        try await scene.house.people.emergencies.end(emergency.id, by: scene.doctor, source: TestHouse.source)
        #expect(try await !scene.sees("o1"))
        // What was opened is what the reviewer is shown.
        let officer = try await scene.house.signIn(person: "officer", [.privacyOfficer])
        let found = try await scene.house.people.emergencies.activity(
            in: emergency.id, by: officer, source: TestHouse.source)
        let read = found.events.map(\.event).filter { $0.kind == .read && $0.outcome == .success }
        #expect(read.flatMap { $0.records.map(\.id) } == ["o1"])
    }

    @Test func `opens substance use disorder records only for the reason of their own`() async throws {
        let scene = try await Scene()
        _ = try await scene.declare(.lifeThreatening)
        #expect(try await !scene.sees("o3"))
        let own = try await scene.declare(.part2)
        #expect(try await scene.sees("o3"))
        #expect(try await scene.sees("o1"))
        #expect(try await !scene.sees("o2"))
        try await scene.house.people.emergencies.end(own.id, by: scene.doctor, source: TestHouse.source)
        #expect(try await !scene.sees("o3"))
        #expect(try await scene.sees("o1"))
    }

    @Test func `opens nothing to somebody who lost their role or place on the list`() async throws {
        let scene = try await Scene()
        _ = try await scene.declare(.part2)
        #expect(try await scene.sees("o1"))
        try await scene.house.people.grant(
            Rights(roles: [.clinician], mayUseEmergencyAccess: false), to: scene.doctor.id,
            byOperator: AuditActor(id: "operator", name: "operator", role: "operator"), source: TestHouse.source)
        #expect(try await !scene.sees("o1"))
        #expect(try await !scene.sees("o3"))
    }
}
