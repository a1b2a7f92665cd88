import Synchronization
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

@Suite struct `A transfer` {
    /// A clock that can be put forward.
    private final class Clock: Sendable {
        private let ahead = Mutex<Int64>(0)

        var now: Instant { ahead.withLock { Instant.now().adding(seconds: $0) } }

        func putForward(seconds: Int64) { ahead.withLock { $0 += seconds } }
    }

    private let clock = Clock()
    private let house: TestHouse
    private let clinic: Clinic
    private let observation: ResourceType

    init() throws {
        let (clock, house) = (clock, try TestHouse())
        self.house = house
        clinic = Clinic(
            gate: house.gate, vault: house.vault, base: TestHouse.base,
            isCurrent: { house.authenticator.isCurrent($0) }, clock: { clock.now })
        observation = try .named("Observation")
    }

    private func request(_ name: String) async throws -> ClinicRequest {
        house.request(try await house.signIn(name, role: .integration, purpose: .operations))
    }

    private func lines(_ numbers: Range<Int>) -> [[UInt8]] {
        numbers.map { Array(Chart.observation("o\($0)", of: "p1").utf8) }
    }

    private func expectStopInLog(_ kind: AuditEventKind) throws {
        let event = try #require(try house.events().last)
        #expect(event.kind == kind && event.outcome == .denied && event.decision == "session-ended")
        #expect(event.actor?.name == "one" && event.records.isEmpty)
    }

    @Test func `in and out stops when the client is removed`() async throws {
        let first = try await request("one")
        #expect(try await clinic.importResources(lines(0..<900), first).stored == 900)
        var cursor = try await clinic.startExport([observation], first).get()
        #expect(try await clinic.nextLines(&cursor, first) != nil)
        try await house.authenticator.remove("one", by: TestHouse.source)
        await #expect(throws: TransferFailure.sessionEnded) { try await clinic.nextLines(&cursor, first) }
        try expectStopInLog(.export)
        await #expect(throws: TransferFailure.sessionEnded) {
            try await clinic.importResources(lines(900..<903), first, firstPlace: 901)
        }
        try expectStopInLog(.import)
        #expect(house.vault.counts.map(\.count) == [900])
    }

    @Test func `in stops when the session has ended`() async throws {
        let first = try await request("one")
        #expect(try await clinic.importResources(lines(0..<3), first).stored == 3)
        clock.putForward(seconds: Authenticator.tokenLifetime)
        await #expect(throws: TransferFailure.sessionEnded) {
            try await clinic.importResources(lines(3..<6), first, firstPlace: 4)
        }
        try expectStopInLog(.import)
        #expect(house.vault.counts.map(\.count) == [3])
        try house.checkLog()
    }

    @Test(arguments: [Chart.patient("p1"), #"{"resourceType":"Bundle","type":"collection"}"#, "no JSON"])
    func `in stops before a file when the session has ended`(file: String) async throws {
        let first = try await request("one")
        clock.putForward(seconds: Authenticator.tokenLifetime)
        await #expect(throws: TransferFailure.sessionEnded) {
            try await clinic.importFile(Array(file.utf8), first)
        }
        try expectStopInLog(.import)
        #expect(house.vault.counts.isEmpty)
    }

    @Test func `in goes on where it stopped when it is repeated`() async throws {
        let first = try await request("one")
        #expect(try await clinic.importResources(lines(0..<3), first).stored == 3)
        let second = try await request("two")
        #expect(try await clinic.importResources(lines(0..<3), second).skipped == 3)
        #expect(try await clinic.importResources(lines(3..<6), second, firstPlace: 4).stored == 3)
    }

    @Test func `in goes on until the session ends`() async throws {
        let first = try await request("one")
        clock.putForward(seconds: Authenticator.tokenLifetime - 30)
        #expect(try await clinic.importResources(lines(0..<3), first).stored == 3)
    }

    @Test func `out stops when the session has ended`() async throws {
        let first = try await request("one")
        #expect(try await clinic.importResources(lines(0..<501), first).stored == 501)
        var cursor = try await clinic.startExport([observation], first).get()
        #expect(try await clinic.nextLines(&cursor, first)?.count == 500)
        clock.putForward(seconds: Authenticator.tokenLifetime)
        await #expect(throws: TransferFailure.sessionEnded) { try await clinic.nextLines(&cursor, first) }
        try expectStopInLog(.export)
        #expect(cursor.remaining == 1)
    }

    @Test func `that is complete is not stopped any more`() async throws {
        let first = try await request("one")
        #expect(try await clinic.importResources(lines(0..<3), first).stored == 3)
        var cursor = try await clinic.startExport([observation], first).get()
        #expect(try await clinic.nextLines(&cursor, first)?.count == 3)
        clock.putForward(seconds: Authenticator.tokenLifetime)
        #expect(try await clinic.nextLines(&cursor, first) == nil)
    }
}
