public import WardCore

/// One write of a committed transaction, as the store saw it.
public enum StoreChange: Hashable, Sendable {
    case auditChunk(segment: Int64, chunk: Int64, sealed: [UInt8])
    case entry(StoredEntry, EntryKind)
    case entryRemoved(Locator, EntryKind)
    case leaf(StoredLeaf)
    case metadata(MetadataKey, [UInt8])
    case patientKey(Locator, wrapped: [UInt8])
    case patientKeyRemoved(Locator)
    case payloadPruned(Int64)
    case resealed(RecordNumber, at: Locator, body: [UInt8], card: [UInt8]?)
    case tile(level: Int, number: Int64, hashes: [UInt8])
    case version(StoredVersion, card: [UInt8]?)
}

/// What a transaction came to.
public enum StoreCommit: Sendable {
    case changes([StoreChange])
    /// The engine could not say whether the transaction is on disk.
    case unknown
}

/// Says whether a store may be written, and whether what was written may be answered.
public protocol CommitGate: Sendable {
    /// Before anything is written.
    ///
    /// - Throws: why nothing may be written; then nothing is.
    func enter() throws(StorageFailure)

    /// When a transaction is durable here; called while the store is locked for writing, in the order of transactions.
    ///
    /// - Returns: its number; nil if nobody need wait for it.
    func committed(_ commit: StoreCommit) -> Int64?

    /// Before the caller learns that its transaction is durable.
    ///
    /// - Throws: if nobody may be told so. The transaction may stand, and is dealt with as one whose end is unknown.
    func leave(_ number: Int64?) throws(StorageFailure)

    /// Whether a commit would be taken now.
    var isOpen: Bool { get }
}

/// A store whose commits can be followed, and whose content can be read as one commit left it.
public protocol StreamedStore: SealedStore {
    /// Whether this is the store that is written: one in whose place another may stand makes no backups either.
    var mayCommit: Bool { get }

    /// Hands every transaction to `tap` once it is durable, in their order; nil ends it.
    ///
    /// Called while the store is locked for writing: it takes note and works elsewhere.
    func follow(_ tap: (@Sendable (StoreCommit) -> Void)?)

    /// The content as the last commit left it, for reading by one caller at a time; ``SealedStore/close()`` lets it go.
    ///
    /// - Parameter begun: called while no transaction can end: what was followed before belongs to the snapshot, what is
    ///   followed after does not.
    func snapshot(_ begun: () -> Void) throws(StorageFailure) -> any SealedStore
}

/// A transaction that keeps what it writes.
public final class RecordingTransaction: StoreTransaction {
    private let inner: any StoreTransaction
    public private(set) var changes: [StoreChange] = []

    public init(_ inner: any StoreTransaction) {
        self.inner = inner
    }

    public func head(of locator: Locator) throws(StorageFailure) -> Head? { try inner.head(of: locator) }
    public func hasPatientKey(_ id: Locator) throws(StorageFailure) -> Bool { try inner.hasPatientKey(id) }
    public func lastRecordNumber() throws(StorageFailure) -> RecordNumber { try inner.lastRecordNumber() }

    public func put(_ version: StoredVersion, card: [UInt8]?, replacing old: Head?) throws(StorageFailure) {
        try inner.put(version, card: card, replacing: old)
        changes.append(.version(version, card: card))
    }

    public func reseal(
        _ record: RecordNumber, at locator: Locator, body: [UInt8], card: [UInt8]?
    ) throws(StorageFailure) {
        try inner.reseal(record, at: locator, body: body, card: card)
        changes.append(.resealed(record, at: locator, body: body, card: card))
    }

    public func putPatientKey(_ id: Locator, wrapped: [UInt8]) throws(StorageFailure) {
        try inner.putPatientKey(id, wrapped: wrapped)
        changes.append(.patientKey(id, wrapped: wrapped))
    }

    public func removePatientKey(_ id: Locator) throws(StorageFailure) {
        try inner.removePatientKey(id)
        changes.append(.patientKeyRemoved(id))
    }

    public func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]? { try inner.patientKey(id) }

    public func putEntry(_ entry: StoredEntry, kind: EntryKind) throws(StorageFailure) {
        try inner.putEntry(entry, kind: kind)
        changes.append(.entry(entry, kind))
    }

    public func removeEntry(_ id: Locator, kind: EntryKind) throws(StorageFailure) {
        try inner.removeEntry(id, kind: kind)
        changes.append(.entryRemoved(id, kind))
    }

    public func append(_ leaf: StoredLeaf) throws(StorageFailure) {
        try inner.append(leaf)
        changes.append(.leaf(leaf))
    }

    public func prunePayload(of index: Int64) throws(StorageFailure) {
        try inner.prunePayload(of: index)
        changes.append(.payloadPruned(index))
    }

    public func putTile(level: Int, number: Int64, hashes: [UInt8]) throws(StorageFailure) {
        try inner.putTile(level: level, number: number, hashes: hashes)
        changes.append(.tile(level: level, number: number, hashes: hashes))
    }

    public func putAuditChunk(segment: Int64, chunk: Int64, sealed: [UInt8]) throws(StorageFailure) {
        try inner.putAuditChunk(segment: segment, chunk: chunk, sealed: sealed)
        changes.append(.auditChunk(segment: segment, chunk: chunk, sealed: sealed))
    }

    public func putMetadata(_ key: MetadataKey, _ value: [UInt8]) throws(StorageFailure) {
        try inner.putMetadata(key, value)
        changes.append(.metadata(key, value))
    }
}
