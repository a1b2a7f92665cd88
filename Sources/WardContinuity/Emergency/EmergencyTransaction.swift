import WardCore
import WardStorage

/// Gathers what a commit on a copy writes; what changes records or keys is refused at once.
final class EmergencyTransaction: StoreTransaction {
    private let base: any SealedStore
    private let last: RecordNumber
    private(set) var changes: [StoreChange] = []

    init(_ base: any SealedStore, _ last: RecordNumber) {
        self.base = base
        self.last = last
    }

    func head(of locator: Locator) throws(StorageFailure) -> Head? { try base.head(of: locator) }
    func hasPatientKey(_ id: Locator) throws(StorageFailure) -> Bool { try base.patientKey(id) != nil }
    func lastRecordNumber() throws(StorageFailure) -> RecordNumber { last }
    func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]? { try base.patientKey(id) }

    func put(_ version: StoredVersion, card: [UInt8]?, replacing old: Head?) throws(StorageFailure) {
        throw .locked
    }

    func reseal(
        _ record: RecordNumber, at locator: Locator, body: [UInt8], card: [UInt8]?
    ) throws(StorageFailure) {
        throw .locked
    }

    func putPatientKey(_ id: Locator, wrapped: [UInt8]) throws(StorageFailure) { throw .locked }
    func removePatientKey(_ id: Locator) throws(StorageFailure) { throw .locked }
    func prunePayload(of index: Int64) throws(StorageFailure) { throw .locked }

    func putEntry(_ entry: StoredEntry, kind: EntryKind) throws(StorageFailure) {
        changes.append(.entry(entry, kind))
    }

    func removeEntry(_ id: Locator, kind: EntryKind) throws(StorageFailure) {
        changes.append(.entryRemoved(id, kind))
    }

    func append(_ leaf: StoredLeaf) throws(StorageFailure) { changes.append(.leaf(leaf)) }

    func putTile(level: Int, number: Int64, hashes: [UInt8]) throws(StorageFailure) {
        changes.append(.tile(level: level, number: number, hashes: hashes))
    }

    func putAuditChunk(segment: Int64, chunk: Int64, sealed: [UInt8]) throws(StorageFailure) {
        changes.append(.auditChunk(segment: segment, chunk: chunk, sealed: sealed))
    }

    func putMetadata(_ key: MetadataKey, _ value: [UInt8]) throws(StorageFailure) {
        changes.append(.metadata(key, value))
    }
}
