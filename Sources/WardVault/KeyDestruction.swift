public import WardAudit
public import WardCore
import WardCrypto
import WardFHIR
import WardStorage

/// That a patient's key was destroyed: kept sealed in the store, and beside its backups, for good.
public struct KeyDestruction: Hashable, Sendable {
    public let patient: String
    public let basis: DestructionBasis
    public let reason: String
    public let time: Instant
    /// Name of who did it.
    public let by: String
    /// Start of the SHA-256 of the wrapped key, as the log has it; nil if there was none to destroy.
    public let keyHash: String?

    init(patient: String, basis: DestructionBasis, reason: String, time: Instant, by: String, keyHash: String?) {
        self.patient = patient
        self.basis = basis
        self.reason = reason
        self.time = time
        self.by = by
        self.keyHash = keyHash
    }

    /// The entry that says so, under the key's own id.
    func entry(_ keys: VaultKeys) -> StoredEntry? {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("patient", patient)
        writer.member("basis", basis.rawValue)
        writer.member("reason", reason)
        writer.member("time", time.microseconds)
        writer.member("by", by)
        if let keyHash { writer.member("key", keyHash) }
        writer.endObject()
        let id = keys.owner(ofPatient: patient)
        return (try? keys.destruction.seal(writer.bytes, boundTo: Self.context(id, keys)))
            .map { StoredEntry(id: id, sealed: $0) }
    }

    /// Nil for what is not such an entry of this store.
    init?(_ entry: StoredEntry, _ keys: VaultKeys) {
        guard
            let content = try? keys.destruction.open(entry.sealed, boundTo: Self.context(entry.id, keys)),
            let root = (try? JSONTape(parsing: content))?.root, let patient = root["patient"]?.string,
            let basis = root["basis"]?.string.flatMap(DestructionBasis.init(rawValue:)),
            let reason = root["reason"]?.string, let time = root["time"]?.integer, let by = root["by"]?.string,
            keys.owner(ofPatient: patient) == entry.id
        else { return nil }
        self.init(
            patient: patient, basis: basis, reason: reason, time: Instant(microseconds: time), by: by,
            keyHash: root["key"]?.string)
    }

    private static func context(_ id: Locator, _ keys: VaultKeys) -> [UInt8] {
        Array("ward/destroyed-key/1".utf8) + bigEndian(Int64(keys.tenant.number)) + id.bytes
    }
}
