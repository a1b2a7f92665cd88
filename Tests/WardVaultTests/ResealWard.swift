import Synchronization
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

/// What an exchange of patients' keys is tried on.
extension ShredWard {
    static let all = [
        ("Patient", "p1"), ("Patient", "p2"), ("Observation", "p1-o0"), ("Observation", "p1-o1"),
        ("Observation", "p2-o0"), ("Observation", "p2-o1"), ("Group", "g1"),
    ]

    /// Everything that can be read, current and earlier, and what searches find.
    func content(_ house: TestHouse? = nil) async throws -> [String] {
        let house = house ?? self.house
        var found: [String] = []
        for (name, id) in Self.all {
            let type = try ResourceType.named(name)
            let past = try await house.vault.history(
                offset: 0, limit: 50,
                with: try await house.grant(
                    InstanceHistory.self, on: GrantSubject(type: type, id: id), to: principal)
            ).disclosure
            for record in past.records {
                let grant = try await house.grant(
                    VersionRead.self, on: GrantSubject(type: type, id: id), to: principal)
                found.append(try await house.vault.read(version: record.version, with: grant).text)
            }
            found.append(try await house.read(type, id, as: principal).text)
        }
        for (type, query) in [
            ("Observation", [("subject", "Patient/p1")]), ("Observation", [("code", "29463-7")]),
            ("Patient", [("family", "Married-p2")]), ("Group", []),
        ] {
            found += try await house.search(.named(type), query, as: principal).disclosure.names.sorted()
        }
        return found
    }

    func begin(_ patient: String? = nil, in house: TestHouse? = nil) async throws {
        try await (house ?? self.house).vault.beginResealing(of: patient, as: event)
    }

    @discardableResult
    func exchange(_ patient: String? = nil, in house: TestHouse? = nil) async throws -> Resealing? {
        try await begin(patient, in: house)
        return try await (house ?? self.house).vault.reseal(rest: { _ in true })
    }

    /// Every stored body and card of records under patients' keys, by record.
    func sealed() throws -> [Int64: [UInt8]] {
        var found: [Int64: [UInt8]] = [:]
        for version in try house.store.versions(after: RecordNumber(0), limit: 1000) {
            found[version.record.value] = version.body
        }
        return found
    }

    func wrapped() throws -> [Locator: [UInt8]] {
        var found: [Locator: [UInt8]] = [:]
        try house.store.eachPatientKey { found[$0] = $1 }
        return found
    }
}

/// Set once.
final class Flag: Sendable {
    private let state = Mutex(false)

    var isSet: Bool { state.withLock { $0 } }

    func set() { state.withLock { $0 = true } }
}
