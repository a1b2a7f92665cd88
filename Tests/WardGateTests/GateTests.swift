import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `The gate` {
    private let patient: ResourceType
    private let observation: ResourceType

    init() throws {
        patient = try .named("Patient")
        observation = try .named("Observation")
    }

    /// Whether the gate grants; a grant cannot leave the line it was made in.
    private func decision<Leave: Interaction>(
        _ house: TestHouse, _ leave: Leave.Type, _ subject: GrantSubject, _ principal: Principal
    ) async -> GateFailure? {
        do throws(GateFailure) {
            let grant = try await house.grant(leave, on: subject, to: principal)
            #expect(grant.principal.id == principal.id)
            return nil
        } catch {
            return error
        }
    }

    @Test func `grants what policy permits, and writes nothing by itself`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        let size = house.log.checkpoint.size
        let grant = try await house.grant(Read.self, on: GrantSubject(type: patient, id: "1"), to: principal)
        #expect(grant.reason == "integration-exchanges" && grant.subject.id == "1" && grant.subject.type == patient)
        let event = grant.event(.success, time: .now())
        #expect(event.kind == .read && event.actor?.id == "client/a-client" && event.purpose == .treatment)
        #expect(event.decision == "integration-exchanges" && event.source == TestHouse.source && event.type == patient)
        #expect(house.log.checkpoint.size == size)
    }

    @Test func `names the purpose of the role that may, whichever role comes first`() async throws {
        let house = try TestHouse()
        let (claim, slot) = (try ResourceType.named("Claim"), try ResourceType.named("Slot"))
        for (login, roles) in [("first", [Role.frontDesk, .biller]), ("second", [.biller, .frontDesk])] {
            let person = try await house.signIn(person: login, roles)
            for (type, purpose) in [(slot, Role.frontDesk.usualPurpose), (claim, .payment)] {
                let grant = try await house.grant(Search.self, on: GrantSubject(types: [type]), to: person)
                #expect(grant.event(.success, time: .now()).purpose == purpose)
            }
            // Of several types the log names the rule of the last one, and its purpose.
            let both = try await house.grant(Search.self, on: GrantSubject(types: [slot, claim]), to: person)
            let alone = try await house.grant(Search.self, on: GrantSubject(types: [claim]), to: person)
            let told = both.event(.success, time: .now())
            #expect(told.decision == alone.reason && told.purpose == .payment)
        }
    }

    @Test func `names the purpose of the role that may read the log`() async throws {
        let house = try TestHouse()
        let person = try await house.signIn(person: "both", [.biller, .auditor])
        let grant = try await house.gate.authorizeLog(person, source: TestHouse.source)
        let purpose = grant.event(.success, time: .now()).purpose
        #expect(purpose == Role.auditor.usualPurpose && purpose != person.purpose)
    }

    @Test func `has a denial in the log before it throws it`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn("desk", role: .frontDesk)
        let size = house.log.checkpoint.size
        let failure = await decision(house, Read.self, GrantSubject(type: observation, id: "o7"), principal)
        guard case .denied(let refusal) = failure else {
            Issue.record("not denied")
            return
        }
        #expect(refusal.reason == "type-not-granted")
        #expect(refusal.receipt.index == size && house.log.checkpoint.size == size + 1)
        try house.checkLog()
        let found = try #require(
            try house.log.events(with: [.record(type: observation, id: "o7")], limit: 1).first)
        #expect(found.index == size && found.event.outcome == .denied && found.event.decision == refusal.reason)
        #expect(found.event.actor?.id == "client/desk" && found.event.kind == .read && found.event.type == observation)
        let leaf = try #require(try house.store.leaves(from: size, limit: 1).first)
        #expect(MerkleHash.leaf(leaf.leaf) == refusal.receipt.leafHash)
    }

    @Test func `names the patient that was refused`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn("ops", role: .administrator, purpose: .systemAdministration)
        _ = await decision(house, Read.self, GrantSubject(type: patient, id: "p1"), principal)
        #expect(try house.log.events(with: [.patient("p1"), .actor("client/ops")], limit: 9).count == 1)
    }

    @Test func `denies nobody without a log, and grants nobody a denial`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try TestHouse(store)
        let principal = try await house.signIn("desk", role: .frontDesk)
        store.expect(.everything(.full))
        let failure = await decision(house, Read.self, GrantSubject(type: observation, id: "1"), principal)
        #expect(failure == .auditUnavailable)
        await house.log.close()
        let closed = await decision(house, Read.self, GrantSubject(type: observation, id: "1"), principal)
        #expect(closed == .auditUnavailable)
    }

    @Test func `denies a request in which one of many types is not permitted`() async throws {
        let house = try TestHouse()
        let desk = try await house.signIn("desk", role: .frontDesk)
        #expect(await decision(house, Search.self, GrantSubject(types: [patient, patient]), desk) == nil)
        #expect(await decision(house, Search.self, GrantSubject(types: [patient, observation]), desk) != nil)
        #expect(await decision(house, Search.self, GrantSubject(types: [observation, patient]), desk) != nil)
        #expect(await decision(house, Search.self, GrantSubject(types: []), desk) != nil)
        #expect(await decision(house, Transaction.self, GrantSubject(steps: []), desk) != nil)
        let steps = GrantSubject(steps: [(action: .update, type: patient), (action: .delete, type: patient)])
        #expect(await decision(house, Transaction.self, steps, desk) != nil)
    }

    @Test func `keeps each interaction to its own action`() async throws {
        let house = try TestHouse()
        let reader = try await house.signIn("reader", scope: "system/Patient.r")
        let subject = GrantSubject(type: patient, id: "1")
        #expect(await decision(house, Read.self, subject, reader) == nil)
        #expect(await decision(house, VersionRead.self, subject, reader) == nil)
        #expect(await decision(house, InstanceHistory.self, subject, reader) == nil)
        for failure in [
            await decision(house, Update.self, subject, reader), await decision(house, Create.self, subject, reader),
            await decision(house, Delete.self, subject, reader), await decision(house, Search.self, subject, reader),
            await decision(house, Export.self, subject, reader), await decision(house, Import.self, subject, reader),
            await decision(house, Read.self, GrantSubject(type: observation, id: "1"), reader),
        ] {
            guard case .denied = failure else {
                Issue.record("not denied")
                continue
            }
        }
        #expect(await decision(house, Administer.self, .store, reader) != nil)
        #expect(await decision(house, ReadAudit.self, .store, reader) != nil)
        try house.checkLog()
    }

    @Test func `covers what it was given for and nothing beside it`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        let one = try await house.grant(Update.self, on: GrantSubject(type: patient, id: "1"), to: principal)
        let covers = one.coverage
        #expect(covers(.update, patient, "1"))
        #expect(!covers(.update, patient, "2") && !covers(.delete, patient, "1") && !covers(.update, observation, "1"))
        let steps = GrantSubject(steps: [(action: .create, type: patient), (action: .delete, type: observation)])
        let many = try await house.grant(Transaction.self, on: steps, to: principal)
        let coversMany = many.coverage
        #expect(coversMany(.create, patient, "1") && coversMany(.delete, observation, "x"))
        #expect(!coversMany(.update, patient, "1") && !coversMany(.delete, patient, "1"))
    }

    @Test func `leaves a filter that no later step can widen`() async throws {
        let house = try TestHouse()
        let narrowed = try await house.signIn("narrow", role: .frontDesk, scope: "system/*.rs")
        let grant = try await house.grant(Search.self, on: GrantSubject(types: [patient]), to: narrowed)
        let filter = grant.residual
        func permits(_ action: Action, _ type: ResourceType) -> Bool { filter.outlook(action, on: type).isPermitted }
        #expect(permits(.search, patient) && permits(.read, patient))
        #expect(!permits(.update, patient) && !permits(.search, observation))
        #expect(ResourceType.allCases.filter { permits(.search, $0) }.count == 13)
        for type in ResourceType.allCases where !permits(.search, type) {
            #expect(!filter.decide(.search, on: type, knowing: RecordFacts(relationships: .careTeam)).isPermitted)
        }
    }

    @Test func `opens one's own log to nobody else, and has each refusal in the log`() async throws {
        let house = try TestHouse()
        let erika = try await house.signIn(person: "erika", [.patient], patients: ["p1"])
        let paul = try await house.signIn(person: "paul", [.patient], patients: ["p2"])
        let own = try await house.gate.authorizeOwnLog(of: "p1", erika, source: TestHouse.source)
        func read(as principal: Principal) async throws -> LogReading {
            try await house.gate.readLog(
                AuditQuery(), of: own, limit: 9, principal: principal, source: TestHouse.source)
        }
        _ = try await read(as: erika)
        await #expect(throws: GateFailure.self) { _ = try await read(as: paul) }
        var newest = try #require(house.events().last)
        #expect(newest.kind == .auditRead && newest.outcome == .denied && newest.actor?.id == paul.actor.id)
        #expect(newest.patients == ["p1"])
        await #expect(throws: GateFailure.self) {
            _ = try await house.gate.authorizeOwnLog(of: "p2", erika, source: TestHouse.source)
        }
        newest = try #require(house.events().last)
        #expect(newest.outcome == .denied && newest.actor?.id == erika.actor.id && newest.patients == ["p2"])
    }
}
