import Testing
import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardSQLite
import WardStorage
import WardTestKit
import WardVault

/// Two patients with charts and histories, and a group of both.
struct ShredWard {
    let house: TestHouse
    let principal: Principal
    let event = AuditEvent(
        kind: .keyDestroyed, time: .now(), outcome: .success,
        actor: AuditActor(id: "person/k", name: "Kim", role: "security"), purpose: .systemAdministration,
        source: .system, decision: "")

    init(_ store: any SealedStore = MemoryStore()) async throws {
        house = try TestHouse(store)
        _ = try await house.vault.verifyAtStart()
        principal = try await house.signIn()
        for patient in ["p1", "p2"] {
            try await house.put(Chart.patient(patient), as: principal)
            try await house.put(Chart.patient(patient, family: "Married-\(patient)"), as: principal)
            for number in 0..<3 {
                try await house.put(
                    Chart.observation("\(patient)-o\(number)", of: patient, value: 70 + number), as: principal)
            }
            try await house.delete(try .named("Observation"), "\(patient)-o2", as: principal)
        }
        try await house.put(Self.group, as: principal)
    }

    static let group = """
        {"resourceType":"Group","id":"g1","type":"person","actual":true,"member":[\
        {"entity":{"reference":"Patient/p1"}},{"entity":{"reference":"Patient/p2"}}]}
        """

    @discardableResult
    func shred(
        _ patient: String = "p1", _ basis: DestructionBasis = .agreementEnded, at now: Instant = .now()
    ) async throws -> Shredding {
        try await house.vault.shred(patient, basis: basis, reason: "matter 7", as: event, at: now)
    }

    func names(_ type: String, _ parameters: [(String, String)] = []) async throws -> [String] {
        try await house.search(try .named(type), parameters, as: principal).disclosure.names.sorted()
    }

    func officer(_ name: String) async throws -> Principal {
        try await house.signIn(name, role: .administrator, purpose: .systemAdministration)
    }
}

/// Whether somebody is told that what they look at was destroyed.
func isDestroyed(_ look: () async throws -> Disclosure) async throws -> Bool {
    do {
        _ = try await look()
        return false
    } catch let failure as VaultFailure {
        if case .destroyed = failure { return true }
        return false
    }
}
