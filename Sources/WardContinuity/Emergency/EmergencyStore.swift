import Synchronization
public import WardAudit
public import WardCore
import WardCrypto
public import WardStorage

/// A copy of a store that is read and never written: what the log and sign-in must write goes into a spool beside it.
///
/// A commit is one record of the spool, on disk before anybody is answered, and held in memory. A start with the same spool
/// begins where it ended, so that a code that was used stays used. What is no part of looking things up is refused here
/// too, whoever asked for it.
public final class EmergencyStore: StreamedStore {
    private let base: any SealedStore
    private let lastRecord: RecordNumber
    private let baseLeaves: Int64
    private let overlay: Mutex<Overlay>
    private let writer: Mutex<Writing>

    /// Entries that may be written: what lets somebody in, and how far the log was compared with the store.
    public static let kinds: Set<EntryKind> = [.credentials, .session, .verifiedMark]
    private static let values: Set<MetadataKey> = [.certificates, .checkpoint, .cosigned, .origin, .verification]

    private struct Place: Hashable {
        let group: Int64
        let number: Int64
    }

    private struct Overlay: Sendable {
        var metadata: [MetadataKey: [UInt8]] = [:]
        var entries: [EntryKind: [Locator: [UInt8]?]] = [:]
        var leaves: [StoredLeaf] = []
        var tiles: [Place: [UInt8]] = [:]
        var chunks: [Place: [UInt8]] = [:]

        mutating func apply(_ change: StoreChange) {
            switch change {
            case .auditChunk(let segment, let chunk, let sealed):
                chunks[Place(group: segment, number: chunk)] = sealed
            case .entry(let entry, let kind): entries[kind, default: [:]][entry.id] = .some(entry.sealed)
            case .entryRemoved(let id, let kind): entries[kind, default: [:]][id] = .some(nil)
            case .leaf(let leaf): leaves.append(leaf)
            case .metadata(let key, let value): metadata[key] = value
            case .tile(let level, let number, let hashes):
                tiles[Place(group: Int64(level), number: number)] = hashes
            case .patientKey, .patientKeyRemoved, .payloadPruned, .resealed, .version: break
            }
        }
    }

    /// In a box, since it must not be copied.
    private final class Writing: Sendable {
        let spool: Mutex<SpoolWriter?>

        init(_ spool: consuming sending SpoolWriter) {
            self.spool = Mutex(spool)
        }
    }

    /// Opens a copy with its spool, which is made if it is not there.
    ///
    /// - Parameters:
    ///   - base: the copy, opened for reading alone.
    ///   - checkpoint: that of the copy, whose signature was checked.
    ///   - largest: size of the spool up to which commits are taken; then it is as a disk that is full.
    ///   - sign: signs a checkpoint of the log of this time.
    /// - Throws: ``SpoolFailure/foreign`` for a spool of another store, ``SpoolFailure/unknownCheckpoint`` for one of another
    ///   moment of this one, ``SpoolFailure/altered(_:)`` for one that somebody changed.
    public init(
        _ base: any SealedStore, checkpoint: Checkpoint, spool path: String, key: SpoolKey, now: Instant,
        largest: Int = 1 << 30, sign: (Checkpoint) -> String?
    ) throws(SpoolFailure) {
        if !PrivateFile.exists(path) { try SpoolWriter.make(path, SpoolHeader(checkpoint: checkpoint)) }
        let bytes: [UInt8]
        do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: true, limit: Self.limit) } catch {
            throw .file(error)
        }
        let content = try SpoolContent(bytes, key: key)
        guard content.header.checkpoint.origin == checkpoint.origin else { throw .foreign }
        guard content.header.checkpoint == checkpoint else { throw .unknownCheckpoint }
        header = content.header
        var overlay = Overlay()
        let first = Checkpoint(origin: content.header.origin, size: checkpoint.size, root: checkpoint.root)
        guard let note = sign(first) else { throw .store }
        overlay.metadata = [.checkpoint: Array(note.utf8), .cosigned: []]
        for (number, record) in content.records.enumerated() where record.kind == .commit {
            guard let changes = record.changes(), changes.allSatisfy(Self.isAllowed) else { throw .altered(number + 1) }
            for change in changes { overlay.apply(change) }
        }
        // A spool holds no tiles: they follow from the leaves.
        do throws(AuditFailure) {
            for tile in try AuditLog.tiles(filledBy: overlay.leaves, after: checkpoint.size, in: base) {
                overlay.apply(.tile(level: tile.level, number: tile.number, hashes: tile.hashes))
            }
        } catch {
            throw .store
        }
        if content.loose > 0 {
            // What a write that nobody was answered for left behind, or what somebody made of the end: kept to be looked at.
            do throws(FileFailure) {
                try PrivateFile.create("\(path).loose-\(content.wholeLength)", Array(bytes[content.wholeLength...]))
            } catch {
                guard error == .exists else { throw .unwritable }
            }
        }
        self.base = base
        baseLeaves = checkpoint.size
        do throws(StorageFailure) { lastRecord = try Self.lastRecord(of: base) } catch { throw .store }
        self.overlay = Mutex(overlay)
        var spool = try SpoolWriter(path, content, key, limit: largest)
        var opening = ByteWriter()
        opening.number(now.microseconds)
        opening.number(Int64(content.loose))
        try spool.append(.opened, opening.bytes)
        writer = Mutex(Writing(spool))
        self.path = path
    }

    public let header: SpoolHeader
    public let path: String
    private static let limit = 1 << 32

    /// Writes that everything stands in the spool, and lets go of it.
    ///
    /// A spool without this may have lost its end.
    public func conclude(at now: Instant) {
        var writer = ByteWriter()
        writer.number(now.microseconds)
        let bytes = writer.bytes
        self.writer.withLock { writing in
            writing.spool.withLock { spool in
                _ = try? spool?.append(.closed, bytes)
                spool = nil
            }
        }
    }

    private static func isAllowed(_ change: StoreChange) -> Bool {
        switch change {
        case .auditChunk, .leaf, .tile: true
        case .entry(_, let kind), .entryRemoved(_, let kind): kinds.contains(kind)
        case .metadata(let key, _): values.contains(key)
        case .patientKey, .patientKeyRemoved, .payloadPruned, .resealed, .version: false
        }
    }

    /// Found by halving: reading needs no such number.
    private static func lastRecord(of store: any SealedStore) throws(StorageFailure) -> RecordNumber {
        func isAfter(_ number: Int64) throws(StorageFailure) -> Bool {
            try !store.versions(after: RecordNumber(number), limit: 1).isEmpty
        }
        guard try isAfter(0) else { return RecordNumber(0) }
        var (below, above): (Int64, Int64) = (0, 1)
        while try isAfter(above) { (below, above) = (above, above * 2) }
        while above - below > 1 {
            let middle = below + (above - below) / 2
            if try isAfter(middle) { below = middle } else { above = middle }
        }
        return RecordNumber(above)
    }

    // MARK: Writing

    public func commit(_ body: (any StoreTransaction) throws(StorageFailure) -> Void) throws(StorageFailure) {
        let result: Result<Void, StorageFailure> = writer.withLock { writing in
            writing.spool.withLock { spool in
                Result { () throws(StorageFailure) in
                    guard spool != nil else { throw .closed }
                    let transaction = EmergencyTransaction(base, lastRecord)
                    try body(transaction)
                    guard !transaction.changes.isEmpty else { return }
                    guard transaction.changes.allSatisfy(Self.isAllowed) else { throw .locked }
                    do throws(SpoolFailure) {
                        try spool?.append(.commit, SpoolRecord.content(transaction.changes))
                    } catch {
                        throw .full
                    }
                    overlay.withLock { overlay in
                        for change in transaction.changes { overlay.apply(change) }
                    }
                }
            }
        }
        try result.get()
    }

    // MARK: Reading

    public func metadata(_ key: MetadataKey) throws(StorageFailure) -> [UInt8]? {
        if let value = overlay.withLock({ $0.metadata[key] }) { return value }
        return try base.metadata(key)
    }

    public func entries(_ kind: EntryKind) throws(StorageFailure) -> [StoredEntry] {
        let over = overlay.withLock { $0.entries[kind] ?? [:] }
        let kept = try base.entries(kind).filter { over[$0.id] == nil }
        return kept + over.compactMap { id, sealed in sealed.map { StoredEntry(id: id, sealed: $0) } }
    }

    public func entry(_ id: Locator, kind: EntryKind) throws(StorageFailure) -> StoredEntry? {
        if let sealed = overlay.withLock({ $0.entries[kind]?[id] }) {
            return sealed.map { StoredEntry(id: id, sealed: $0) }
        }
        return try base.entry(id, kind: kind)
    }

    public func leaves(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf] {
        let found = index < baseLeaves ? try base.leaves(from: index, limit: limit) : []
        return found + spooled(from: index, limit: limit - found.count)
    }

    public func leafEntries(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf] {
        let found = index < baseLeaves ? try base.leafEntries(from: index, limit: limit) : []
        return found
            + spooled(from: index, limit: limit - found.count).map {
                StoredLeaf(index: $0.index, leaf: $0.leaf, payload: [])
            }
    }

    private func spooled(from index: Int64, limit: Int) -> [StoredLeaf] {
        guard limit > 0 else { return [] }
        return overlay.withLock { overlay in
            Array(overlay.leaves.dropFirst(Int(max(0, index - baseLeaves))).prefix(limit))
        }
    }

    public func leafCount() throws(StorageFailure) -> Int64 {
        try base.leafCount() + Int64(overlay.withLock { $0.leaves.count })
    }

    public func tile(level: Int, number: Int64) throws(StorageFailure) -> [UInt8]? {
        let place = Place(group: Int64(level), number: number)
        if let hashes = overlay.withLock({ $0.tiles[place] }) { return hashes }
        return try base.tile(level: level, number: number)
    }

    public func auditChunk(segment: Int64, chunk: Int64) throws(StorageFailure) -> [UInt8]? {
        let place = Place(group: segment, number: chunk)
        if let sealed = overlay.withLock({ $0.chunks[place] }) { return sealed }
        return try base.auditChunk(segment: segment, chunk: chunk)
    }

    public func head(of locator: Locator) throws(StorageFailure) -> Head? { try base.head(of: locator) }
    public func current(of locator: Locator) throws(StorageFailure) -> StoredVersion? { try base.current(of: locator) }
    public func version(_ record: RecordNumber) throws(StorageFailure) -> StoredVersion? { try base.version(record) }

    public func versions(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredVersion] {
        try base.versions(after: record, limit: limit)
    }

    public func eachHead(_ body: (Locator, Head) -> Void) throws(StorageFailure) { try base.eachHead(body) }

    public func eachPatientKey(_ body: (Locator, [UInt8]) -> Void) throws(StorageFailure) {
        try base.eachPatientKey(body)
    }

    public func history(of locator: Locator) throws(StorageFailure) -> [Head] { try base.history(of: locator) }

    public func cards(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredCard] {
        try base.cards(after: record, limit: limit)
    }

    public func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]? { try base.patientKey(id) }

    // MARK: What a copy does not do

    public var mayCommit: Bool { false }
    public func isErasureDue() throws(StorageFailure) -> Bool { false }
    public func erase() throws(StorageFailure) {}
    public func follow(_ tap: (@Sendable (StoreCommit) -> Void)?) {}
    public func snapshot(_ begun: () -> Void) throws(StorageFailure) -> any SealedStore { throw .locked }

    public func close() {
        conclude(at: .now())
        base.close()
    }
}
