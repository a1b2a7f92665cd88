import Synchronization
import Testing
import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardEgress
import WardFHIR
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `The broker` {
    @Test func `resolves and connects nothing that is not covered, and says so in the log`() async throws {
        let house = try EgressHouse()
        try await house.addVendor()
        try await house.add()
        #expect(await house.failure() == .refused(.noAgreement))
        #expect(await house.failure("elsewhere") == .refused(.unknownDestination))
        #expect(await house.failure(kind: .storage) == .refused(.wrongKind))
        #expect(house.network.lookups == 0 && house.network.attempts == 0)
        let refused = try house.events(.egressRefused)
        #expect(refused.count == 3 && refused.allSatisfy { $0.outcome == .denied })
        #expect(try house.events(.egressOpened).isEmpty)
    }

    @Test func `connects to the address that it resolved, as the host that was registered`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        #expect(await house.failure() == nil)
        let connected = house.network.state.withLock { $0.connected }
        #expect(house.network.lookups == 1 && connected.count == 1)
        #expect(connected[0].address == .v4(0x0808_0808) && connected[0].port == 465 && !connected[0].startsPlain)
        #expect(connected[0].peer == EgressPeer(host: "mail.example.com", authority: nil))
        #expect(try house.events(.egressOpened).count == 1)
        let closed = try house.events(.egressClosed)
        #expect(closed.count == 1 && closed[0].recipient == "posthaste" && closed[0].decision.hasSuffix("done"))
        #expect(house.broker.openCount == 0)
    }

    @Test func `refuses a name that leads inside, also if only one of its addresses does`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:192.168.0.1"] {
            let address = try #require(IPAddress(inside))
            house.network.state.withLock { $0.names["mail.example.com"] = [.v4(0x0808_0808), address] }
            #expect(await house.failure() == .addressNotAllowed)
        }
        house.network.state.withLock { $0.names["mail.example.com"] = [] }
        #expect(await house.failure() == .unresolved)
        #expect(house.network.attempts == 0)
    }

    @Test func `connects on premises to the exact address alone, and resolves nothing for it`() async throws {
        let house = try EgressHouse()
        try await house.ready(EgressHouse.destination(address: IPAddress("10.0.0.9")))
        #expect(await house.failure() == nil)
        #expect(house.network.lookups == 0)
        #expect(house.network.state.withLock { $0.connected[0].address } == IPAddress("10.0.0.9"))
        try await house.add(EgressHouse.destination("literal", host: "192.168.1.5"))
        #expect(await house.failure("literal") == .addressNotAllowed)
    }

    @Test func `makes no connection while the log cannot be written`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        await house.log.close()
        #expect(await house.failure() == .auditUnavailable)
        #expect(house.network.lookups == 0 && house.network.attempts == 0)
    }

    @Test func `cuts what is open when its agreement is revoked, at once`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        let connection = try await house.broker.open("out", .mail)
        #expect(connection.isOpen && house.broker.openCount == 1)
        _ = try await house.register.revoke("posthaste", by: EgressHouse.actor, source: EgressHouse.source)
        #expect(!connection.isOpen && house.network.streams[0].isCut)
        await #expect(throws: EgressFailure.ended(.agreementRevoked)) { try await connection.write([1]) }
        await #expect(throws: EgressFailure.ended(.agreementRevoked)) { _ = try await connection.read() }
        #expect(house.network.streams[0].written.isEmpty)
    }

    @Test func `cuts what is open when its time is over, whether it is used or not`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        let (used, unused) = (try await house.broker.open("out", .mail), try await house.broker.open("out", .mail))
        house.clock.move(seconds: 31 * EgressHouse.day)
        await #expect(throws: EgressFailure.ended(.agreementEnded)) { try await used.write([1]) }
        for _ in 0..<6000 where unused.isOpen { try await Task.sleep(for: .milliseconds(20)) }
        #expect(!unused.isOpen && house.network.streams.allSatisfy(\.isCut))
        for _ in 0..<6000 where try house.events(.egressClosed).count < 2 {
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(try house.events(.egressClosed).allSatisfy { $0.decision.hasSuffix("ended/agreement-ended") })
    }

    @Test func `has told of everything that was cut when it is closed`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        for _ in 0..<20 { _ = try await house.broker.open("out", .mail) }
        _ = try await house.register.revoke("posthaste", by: EgressHouse.actor, source: EgressHouse.source)
        await house.broker.close()
        await house.log.close()
        let closed = try house.events(.egressClosed)
        #expect(closed.count == 20 && closed.allSatisfy { $0.decision.hasSuffix("ended/agreement-revoked") })
    }

    @Test func `says what it cut for its age, and what nobody used`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        let used = try await house.broker.open("out", .mail)
        // The clock of the test and the look each second run beside each other: never so far that it seems unused.
        for _ in 0..<(EgressLimits.age / 40 + 1) where used.isOpen {
            try? await used.write([1])
            house.clock.move(seconds: 40)
        }
        for _ in 0..<6000 where used.isOpen { try await Task.sleep(for: .milliseconds(20)) }
        await #expect(throws: EgressFailure.timedOut) { try await used.write([1]) }
        let unused = try await house.broker.open("out", .mail)
        house.clock.move(seconds: EgressLimits.idle)
        for _ in 0..<6000 where unused.isOpen { try await Task.sleep(for: .milliseconds(20)) }
        await house.broker.close()
        let closed = try house.events(.egressClosed)
        #expect(closed.count == 2)
        #expect(closed.contains { $0.outcome == .failed && $0.decision.hasSuffix("timed-out") })
        #expect(closed.contains { $0.outcome == .success && $0.decision.hasSuffix("done") })
    }

    @Test func `tries another address only where the first cannot be reached`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        house.network.state.withLock { $0.names["mail.example.com"] = [.v4(0x0808_0808), .v4(0x0101_0101)] }
        house.network.state.withLock { $0.failure = .unreachable }
        #expect(await house.failure() == .unreachable)
        #expect(house.network.attempts == 2)
        house.network.state.withLock { $0.failure = .certificateRefused }
        #expect(await house.failure() == .certificateRefused)
        #expect(house.network.attempts == 3)
    }

    @Test func `accounts for records before they leave, by why they may`() async throws {
        let house = try EgressHouse()
        let ends = Instant.now().adding(seconds: EgressHouse.day)
        try await house.ready()
        try await house.add(EgressHouse.destination("law", ground: .lawful(.requiredByLaw, reason: "x", ends: ends)))
        try await house.add(EgressHouse.destination("care", ground: .lawful(.treatment, reason: "x", ends: ends)))
        let record = AuditedRecord(type: try .named("Observation"), id: "o1", version: 1)
        for name in ["out", "law", "care"] {
            let connection = try await house.broker.open(name, .mail)
            _ = try await house.broker.disclose(
                [record], of: ["anna"], through: connection, by: EgressHouse.actor, source: EgressHouse.source)
            await connection.close()
            await #expect(throws: EgressFailure.peerClosed) {
                _ = try await house.broker.disclose(
                    [record], of: ["anna"], through: connection, by: nil, source: EgressHouse.source)
            }
        }
        let events = try house.events(.egressDisclosed)
        #expect(events.map(\.purpose) == [.operations, nil, .treatment])
        #expect(events.map(\.recipient) == ["posthaste", "law", "care"])
        #expect(events.allSatisfy { $0.patients == ["anna"] && $0.records == [record] })
    }

    @Test func `puts disclosures required by law into the patient's accounting, and those for treatment not`()
        async throws
    {
        let house = try TestHouse()
        let administrator = try await house.signIn(person: "officer", [.privacyOfficer])
        let register = try EgressRegister(store: house.store, material: .random(), log: house.log)
        let ends = Instant.now().adding(seconds: EgressHouse.day)
        for (name, category) in [("court", Destination.LawfulCategory.requiredByLaw), ("colleague", .treatment)] {
            try await register.add(
                EgressHouse.destination(name, address: IPAddress("10.0.0.1"), category: category, ends: ends),
                by: EgressHouse.actor, source: EgressHouse.source)
        }
        let broker = EgressBroker(register: register, transport: PlannedNetwork(), log: house.log)
        let record = AuditedRecord(type: try .named("Observation"), id: "o1", version: 1)
        for name in ["court", "colleague"] {
            let connection = try await broker.open(name, .mail)
            _ = try await broker.disclose([record], of: ["anna"], through: connection, by: nil, source: .system)
            await connection.close()
        }
        let made = try await house.clinic.accounting(of: "anna", principal: administrator, source: TestHouse.source)
        #expect(made.entries.map(\.recipient) == ["court"] && made.leftOut == 1)
    }
}

extension EgressHouse {
    static func destination(
        _ name: String, address: IPAddress?, category: Destination.LawfulCategory, ends: Instant
    ) -> Destination {
        destination(name, ground: .lawful(category, reason: "asked for", ends: ends), address: address)
    }
}
