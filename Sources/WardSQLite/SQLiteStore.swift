public import WardCore
public import WardStorage
import Synchronization

/// The store of a single machine: SQLite in process, write-ahead log, every commit synced before it counts.
///
/// One file holds one tenant. Page size, checkpoint size and the hand-written statements come from measurement
/// (docs/decisions/0003-sqlite.md).
public final class SQLiteStore: StreamedStore {
    private let path: String
    private let writer: Mutex<Connection?>
    private let readers: Mutex<[Connection]?>
    private let known = CurrentVersions()
    private let tap = Mutex<CommitTap?>(nil)
    private let gate = Mutex<(any CommitGate)?>(nil)
    /// Whether this is a snapshot of another store: one connection, which stands in one read transaction.
    private let isSnapshot: Bool

    /// Opens or creates the file at `path`.
    ///
    /// - Throws: ``StorageFailure/unknownFormat(_:)`` for a file that a newer Ward wrote.
    public init(path: String) throws(StorageFailure) {
        self.path = path
        let connection = try Connection(path: path, readOnly: false)
        try connection.execute("PRAGMA page_size = 8192")
        try connection.execute("PRAGMA journal_mode = WAL")
        // FULL: a commit is on disk when it returns. NORMAL would lose answered writes with the power.
        try connection.execute("PRAGMA synchronous = FULL")
        try connection.execute("PRAGMA wal_autocheckpoint = 8000")
        // Freed pages hold ciphertext only; zeroing them costs writes.
        try connection.execute("PRAGMA secure_delete = OFF")
        try connection.execute("PRAGMA cache_size = -16000")
        guard try connection.integer("PRAGMA synchronous") == 2 else { throw .engine(0) }
        let version = try connection.integer("PRAGMA user_version") ?? 0
        guard version == 0 || version == Self.schemaVersion else { throw .unknownFormat(Int(version)) }
        if version == 0 { try Self.createSchema(connection) }
        writer = Mutex(connection)
        readers = Mutex([])
        isSnapshot = false
    }

    /// Opens the file at `path` for reading alone: nothing is written to it, and its write-ahead log stays as it is.
    ///
    /// - Throws: ``StorageFailure/unknownFormat(_:)`` for a file of another version.
    public init(reading path: String) throws(StorageFailure) {
        self.path = path
        let connection = try Connection(path: path, readOnly: true)
        try connection.execute("PRAGMA cache_size = -4000")
        let version = try connection.integer("PRAGMA user_version") ?? 0
        guard version == Self.schemaVersion else { throw .unknownFormat(Int(version)) }
        writer = Mutex(nil)
        readers = Mutex([connection])
        isSnapshot = false
    }

    private init(snapshotOf path: String) throws(StorageFailure) {
        self.path = path
        let connection = try Connection(path: path, readOnly: true)
        try connection.execute("PRAGMA cache_size = -4000")
        try connection.execute("BEGIN")
        // The transaction stands where its first look is.
        _ = try connection.integer("SELECT count(*) FROM metadata")
        writer = Mutex(nil)
        readers = Mutex([connection])
        isSnapshot = true
    }

    public func follow(_ tap: (@Sendable (StoreCommit) -> Void)?) {
        self.tap.withLock { $0 = tap.map(CommitTap.init) }
    }

    public var mayCommit: Bool { gate.withLock { $0 }?.isOpen ?? true }

    /// From now on every commit passes through `gate`; nil ends it.
    public func guardCommits(by gate: (any CommitGate)?) {
        self.gate.withLock { $0 = gate }
    }

    public func snapshot(_ begun: () -> Void) throws(StorageFailure) -> any SealedStore {
        let result: Result<SQLiteStore, StorageFailure> = writer.withLock { connection in
            guard connection != nil else { return .failure(.closed) }
            do throws(StorageFailure) {
                let snapshot = try SQLiteStore(snapshotOf: path)
                begun()
                return .success(snapshot)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Runs `body` on a read connection of its own.
    private func read<Result>(
        _ body: (Connection) throws(StorageFailure) -> Result
    ) throws(StorageFailure) -> Result {
        let pooled: Connection?? = readers.withLock { pool in
            guard pool != nil else { return .none }
            return .some(pool?.popLast())
        }
        guard let pooled else { throw .closed }
        let connection: Connection
        if let pooled {
            connection = pooled
        } else {
            guard !isSnapshot else { throw .locked }
            connection = try Connection(path: path, readOnly: true)
            try connection.execute("PRAGMA cache_size = -4000")
        }
        defer { readers.withLock { $0?.append(connection) } }
        return try body(connection)
    }

    public func metadata(_ key: MetadataKey) throws(StorageFailure) -> [UInt8]? {
        try read { connection throws(StorageFailure) in
            var value: [UInt8]?
            try connection.query("SELECT value FROM metadata WHERE key = ?", .text(key.rawValue)) {
                value = $0.bytes(0)
            }
            return value
        }
    }

    public func head(of locator: Locator) throws(StorageFailure) -> Head? {
        try read { connection throws(StorageFailure) in try connection.head(of: locator) }
    }

    public func current(of locator: Locator) throws(StorageFailure) -> StoredVersion? {
        let (kept, generation) = known.version(of: locator)
        if let kept { return kept }
        return try read { connection throws(StorageFailure) in
            var found: StoredVersion?
            try connection.query(
                """
                SELECT v.record, v.locator, v.version, v.deleted, v.owner, v.body
                FROM head AS h JOIN version AS v ON v.record = h.record WHERE h.locator = ?
                """, .locator(locator)
            ) { row throws(StorageFailure) in found = try row.version() }
            if let found { known.keep(found, readIn: generation) }
            return found
        }
    }

    public func version(_ record: RecordNumber) throws(StorageFailure) -> StoredVersion? {
        try read { connection throws(StorageFailure) in
            var found: StoredVersion?
            try connection.query(
                "SELECT record, locator, version, deleted, owner, body FROM version WHERE record = ?",
                .integer(record.value)
            ) { row throws(StorageFailure) in found = try row.version() }
            return found
        }
    }

    /// Bytes of bodies after which a page of versions ends.
    private static let pageSize = 8 << 20

    public func versions(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredVersion] {
        try read { connection throws(StorageFailure) in
            var (found, size): ([StoredVersion], Int) = ([], 0)
            try connection.query(
                """
                SELECT record, locator, version, deleted, owner, body FROM version
                WHERE record > ? ORDER BY record LIMIT ?
                """, .integer(record.value), .integer(Int64(limit)),
                until: { row throws(StorageFailure) in
                    let version = try row.version()
                    size += version.body.count
                    found.append(version)
                    return size < Self.pageSize
                })
            return found
        }
    }

    public func eachHead(_ body: (Locator, Head) -> Void) throws(StorageFailure) {
        try read { connection throws(StorageFailure) in
            try connection.query("SELECT record, version, deleted, locator FROM head") { row throws(StorageFailure) in
                body(try row.locator(3), row.head)
            }
        }
    }

    public func eachPatientKey(_ body: (Locator, [UInt8]) -> Void) throws(StorageFailure) {
        try read { connection throws(StorageFailure) in
            try connection.query("SELECT id, wrapped FROM patient_key") { row throws(StorageFailure) in
                body(try row.locator(0), row.bytes(1))
            }
        }
    }

    public func history(of locator: Locator) throws(StorageFailure) -> [Head] {
        try read { connection throws(StorageFailure) in
            var found: [Head] = []
            try connection.query(
                """
                SELECT record, version, deleted FROM head WHERE locator = ?1 UNION ALL
                SELECT record, version, deleted FROM past WHERE locator = ?1 ORDER BY version DESC
                """, .locator(locator)
            ) { found.append($0.head) }
            return found
        }
    }

    public func cards(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredCard] {
        try read { connection throws(StorageFailure) in
            var found: [StoredCard] = []
            try connection.query(
                "SELECT record, locator, version, owner, card FROM card WHERE record > ? ORDER BY record LIMIT ?",
                .integer(record.value), .integer(Int64(limit))
            ) { row throws(StorageFailure) in
                found.append(
                    StoredCard(
                        record: RecordNumber(row.integer(0)), locator: try row.locator(1), version: row.integer(2),
                        maskedOwner: try row.locator(3), card: row.bytes(4)))
            }
            return found
        }
    }

    public func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]? {
        try read { connection throws(StorageFailure) in
            var wrapped: [UInt8]?
            try connection.query("SELECT wrapped FROM patient_key WHERE id = ?", .locator(id)) { wrapped = $0.bytes(0) }
            return wrapped
        }
    }

    public func entries(_ kind: EntryKind) throws(StorageFailure) -> [StoredEntry] {
        try read { connection throws(StorageFailure) in
            var found: [StoredEntry] = []
            try connection.query("SELECT id, sealed FROM entry WHERE kind = ?", .integer(kind.rawValue)) {
                row throws(StorageFailure) in
                found.append(StoredEntry(id: try row.locator(0), sealed: row.bytes(1)))
            }
            return found
        }
    }

    public func entry(_ id: Locator, kind: EntryKind) throws(StorageFailure) -> StoredEntry? {
        try read { connection throws(StorageFailure) in
            var found: StoredEntry?
            try connection.query(
                "SELECT sealed FROM entry WHERE kind = ? AND id = ?", .integer(kind.rawValue), .locator(id)
            ) { found = StoredEntry(id: id, sealed: $0.bytes(0)) }
            return found
        }
    }

    public func leaves(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf] {
        try read { connection throws(StorageFailure) in
            var found: [StoredLeaf] = []
            try connection.query(
                "SELECT number, leaf, payload FROM leaf WHERE number >= ? ORDER BY number LIMIT ?", .integer(index),
                .integer(Int64(limit))
            ) { found.append(StoredLeaf(index: $0.integer(0), leaf: $0.bytes(1), payload: $0.bytes(2))) }
            return found
        }
    }

    public func leafEntries(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf] {
        try read { connection throws(StorageFailure) in
            var found: [StoredLeaf] = []
            try connection.query(
                "SELECT number, leaf FROM leaf WHERE number >= ? ORDER BY number LIMIT ?", .integer(index),
                .integer(Int64(limit))
            ) { found.append(StoredLeaf(index: $0.integer(0), leaf: $0.bytes(1), payload: [])) }
            return found
        }
    }

    public func leafCount() throws(StorageFailure) -> Int64 {
        try read { connection throws(StorageFailure) in
            try connection.integer("SELECT coalesce(max(number), -1) + 1 FROM leaf") ?? 0
        }
    }

    public func tile(level: Int, number: Int64) throws(StorageFailure) -> [UInt8]? {
        try read { connection throws(StorageFailure) in
            var hashes: [UInt8]?
            try connection.query(
                "SELECT hashes FROM tile WHERE level = ? AND number = ?", .integer(Int64(level)), .integer(number)
            ) { hashes = $0.bytes(0) }
            return hashes
        }
    }

    public func auditChunk(segment: Int64, chunk: Int64) throws(StorageFailure) -> [UInt8]? {
        try read { connection throws(StorageFailure) in
            var sealed: [UInt8]?
            try connection.query(
                "SELECT sealed FROM audit_segment WHERE segment = ? AND chunk = ?", .integer(segment), .integer(chunk)
            ) { sealed = $0.bytes(0) }
            return sealed
        }
    }

    public func isErasureDue() throws(StorageFailure) -> Bool { try metadata(.erasure)?.isEmpty == false }

    public func erase() throws(StorageFailure) {
        guard try isErasureDue() else { return }
        let result: Result<Void, StorageFailure> = writer.withLock { connection in
            guard let connection else { return .failure(.closed) }
            return Result { () throws(StorageFailure) in try connection.eraseKeys() }
        }
        try result.get()
    }

    public func commit(
        _ body: (any StoreTransaction) throws(StorageFailure) -> Void
    ) throws(StorageFailure) {
        let gate = gate.withLock { $0 }
        try gate?.enter()
        let result: Result<Int64?, StorageFailure> = writer.withLock { connection in
            guard let connection else { return .failure(.closed) }
            defer { known.settle() }
            let tap = tap.withLock { $0 }
            let care = PageCare()
            defer { care.end(connection) }
            let writing = SQLiteTransaction(connection, known: known, care: care)
            let recording = tap == nil && gate == nil ? nil : RecordingTransaction(writing)
            var isWritten = false
            do throws(StorageFailure) {
                try connection.execute("BEGIN IMMEDIATE")
                do throws(StorageFailure) {
                    try body(recording ?? writing)
                    isWritten = true
                    try connection.execute("COMMIT")
                    guard let recording else { return .success(nil) }
                    tap?.tell(.changes(recording.changes))
                    return .success(gate?.committed(.changes(recording.changes)))
                } catch {
                    // A failed COMMIT may have ended the transaction already; then this answers an error of no interest.
                    try? connection.execute("ROLLBACK")
                    if isWritten {
                        tap?.tell(.unknown)
                        _ = gate?.committed(.unknown)
                    }
                    return .failure(error)
                }
            } catch {
                return .failure(error)
            }
        }
        let number = try result.get()
        try gate?.leave(number)
    }

    public func close() {
        readers.withLock { $0 = nil }
        known.close()
        writer.withLock { connection in
            try? connection?.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection = nil
        }
    }
}

/// A function in a box: taken bare out of a generic lock, it would gain a layer with each commit.
private struct CommitTap: Sendable {
    let tell: @Sendable (StoreCommit) -> Void
}

extension Connection {
    func head(of locator: Locator) throws(StorageFailure) -> Head? {
        var found: Head?
        try query("SELECT record, version, deleted FROM head WHERE locator = ?", .locator(locator)) { found = $0.head }
        return found
    }
}

extension Row {
    fileprivate var head: Head {
        Head(record: RecordNumber(integer(0)), version: integer(1), isDeleted: integer(2) != 0)
    }

    fileprivate func version() throws(StorageFailure) -> StoredVersion {
        StoredVersion(
            record: RecordNumber(integer(0)), locator: try locator(1), version: integer(2), isDeleted: integer(3) != 0,
            maskedOwner: try locator(4), body: bytes(5))
    }
}
