import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardStorage
import WardTestKit

/// A log over a store, with what a restart needs.
struct LogHouse {
    static let origin = "ward/log"
    let material = KeyMaterial.random()
    let signing = SigningKey()

    var keys: AuditKeys { AuditKeys(material, signing: signing, tenant: .single) }

    func open(_ store: any SealedStore) throws(AuditFailure) -> AuditLog {
        try AuditLog(store: store, keys: keys, origin: Self.origin)
    }

    func check(_ store: any SealedStore, size: Int64? = nil) throws {
        try LogCheck.check(store, origin: Self.origin, publicKey: signing.publicKey, size: size)
    }
}

/// An event that names its submission by its actor.
func event(
    _ actor: String, kind: AuditEventKind = .read, day: Int64 = 20_000, patients: [String] = [],
    records: [AuditedRecord] = []
) -> AuditEvent {
    AuditEvent(
        kind: kind, time: Instant(microseconds: day * 86_400_000_000), outcome: .success,
        actor: AuditActor(id: actor, name: actor, role: "clinician"), purpose: .treatment,
        source: RequestSource(address: "192.0.2.1", request: "r"), decision: "test", records: records,
        patients: patients)
}

func place(_ number: UInt64) -> Locator { Locator(high: 7, low: number) }

func write(_ number: UInt64, expecting version: Int64 = 0, key: UInt64? = nil) -> RecordWrite {
    RecordWrite(
        locator: place(number), expectedVersion: version, isDeleted: false, maskedOwner: .none,
        body: [UInt8(version & 255)], card: [1], newKey: key.map { (id: place($0), wrapped: [1]) })
}
