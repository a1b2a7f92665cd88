import WardCore
import WardStorage

extension SQLiteStore {
    /// Format of the tables; a file with another number is refused.
    static let schemaVersion: Int64 = 1

    /// Format of the tables that this version makes and reads.
    public static var currentFormat: Int64 { schemaVersion }

    static func createSchema(_ connection: Connection) throws(StorageFailure) {
        try connection.execute(
            """
            BEGIN IMMEDIATE;
            CREATE TABLE metadata (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
            -- Every version ever written, in commit order. Rows are never changed.
            CREATE TABLE version (
                record INTEGER PRIMARY KEY, locator BLOB NOT NULL, version INTEGER NOT NULL,
                deleted INTEGER NOT NULL, owner BLOB NOT NULL, body BLOB NOT NULL) STRICT;
            -- Which version is current; the older ones stand in `past`, so that no search walks history.
            CREATE TABLE head (
                locator BLOB PRIMARY KEY, record INTEGER NOT NULL, version INTEGER NOT NULL,
                deleted INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE TABLE past (
                locator BLOB NOT NULL, version INTEGER NOT NULL, record INTEGER NOT NULL, deleted INTEGER NOT NULL,
                PRIMARY KEY (locator, version)) STRICT, WITHOUT ROWID;
            CREATE TABLE card (
                record INTEGER PRIMARY KEY, locator BLOB NOT NULL, version INTEGER NOT NULL, owner BLOB NOT NULL,
                card BLOB NOT NULL) STRICT;
            CREATE TABLE patient_key (id BLOB PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
            CREATE TABLE entry (
                kind INTEGER NOT NULL, id BLOB NOT NULL, sealed BLOB NOT NULL,
                PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;
            CREATE TABLE leaf (number INTEGER PRIMARY KEY, leaf BLOB NOT NULL, payload BLOB NOT NULL) STRICT;
            CREATE TABLE tile (
                level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL,
                PRIMARY KEY (level, number)) STRICT;
            CREATE TABLE audit_segment (
                segment INTEGER NOT NULL, chunk INTEGER NOT NULL, sealed BLOB NOT NULL,
                PRIMARY KEY (segment, chunk)) STRICT;
            PRAGMA user_version = 1;
            COMMIT
            """)
    }
}

/// Whether a transaction has asked for freed places to be zeroed.
final class PageCare {
    fileprivate var isOn = false

    /// Ends it when the transaction has ended.
    func end(_ connection: Connection) {
        if isOn { try? connection.execute("PRAGMA secure_delete = OFF") }
        isOn = false
    }
}

/// The statements of one transaction.
struct SQLiteTransaction: StoreTransaction {
    private let connection: Connection
    private let known: CurrentVersions
    private let care: PageCare

    init(_ connection: Connection, known: CurrentVersions, care: PageCare) {
        self.connection = connection
        self.known = known
        self.care = care
    }

    func head(of locator: Locator) throws(StorageFailure) -> Head? { try connection.head(of: locator) }

    func hasPatientKey(_ id: Locator) throws(StorageFailure) -> Bool {
        var isThere = false
        try connection.query("SELECT 1 FROM patient_key WHERE id = ?", .locator(id)) { _ in isThere = true }
        return isThere
    }

    func lastRecordNumber() throws(StorageFailure) -> RecordNumber {
        RecordNumber(try connection.integer("SELECT coalesce(max(record), 0) FROM version") ?? 0)
    }

    func put(_ version: StoredVersion, card: [UInt8]?, replacing old: Head?) throws(StorageFailure) {
        known.willChange(version.locator)
        try connection.query(
            "INSERT INTO version (record, locator, version, deleted, owner, body) VALUES (?, ?, ?, ?, ?, ?)",
            .integer(version.record.value), .locator(version.locator), .integer(version.version),
            .integer(version.isDeleted ? 1 : 0), .locator(version.maskedOwner), .bytes(version.body))
        if let old {
            try connection.query(
                "INSERT INTO past (locator, version, record, deleted) VALUES (?, ?, ?, ?)", .locator(version.locator),
                .integer(old.version), .integer(old.record.value), .integer(old.isDeleted ? 1 : 0))
            try connection.query("DELETE FROM card WHERE record = ?", .integer(old.record.value))
        }
        try connection.query(
            "INSERT OR REPLACE INTO head (locator, record, version, deleted) VALUES (?, ?, ?, ?)",
            .locator(version.locator), .integer(version.record.value), .integer(version.version),
            .integer(version.isDeleted ? 1 : 0))
        guard let card else { return }
        try connection.query(
            "INSERT INTO card (record, locator, version, owner, card) VALUES (?, ?, ?, ?, ?)",
            .integer(version.record.value), .locator(version.locator), .integer(version.version),
            .locator(version.maskedOwner), .bytes(card))
    }

    func reseal(
        _ record: RecordNumber, at locator: Locator, body: [UInt8], card: [UInt8]?
    ) throws(StorageFailure) {
        if !care.isOn {
            try connection.execute("PRAGMA secure_delete = ON")
            care.isOn = true
        }
        known.willChange(locator)
        try connection.query(
            "UPDATE version SET body = ? WHERE record = ? AND locator = ?", .bytes(body), .integer(record.value),
            .locator(locator))
        guard try connection.integer("SELECT changes()") == 1 else { throw .corrupt }
        guard let card else { return }
        try connection.query("UPDATE card SET card = ? WHERE record = ?", .bytes(card), .integer(record.value))
    }

    func putPatientKey(_ id: Locator, wrapped: [UInt8]) throws(StorageFailure) {
        try connection.query(
            "INSERT INTO patient_key (id, wrapped) VALUES (?, ?)", .locator(id), .bytes(wrapped))
    }

    func removePatientKey(_ id: Locator) throws(StorageFailure) {
        // Pages that become empty go to the free list as they are, where nothing finds them any more: zeroed at once.
        try connection.execute("PRAGMA secure_delete = ON")
        defer { try? connection.execute("PRAGMA secure_delete = OFF") }
        try connection.query("DELETE FROM patient_key WHERE id = ?", .locator(id))
        try putMetadata(.erasure, [1])
    }

    func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]? {
        var wrapped: [UInt8]?
        try connection.query("SELECT wrapped FROM patient_key WHERE id = ?", .locator(id)) { wrapped = $0.bytes(0) }
        return wrapped
    }

    func putEntry(_ entry: StoredEntry, kind: EntryKind) throws(StorageFailure) {
        try connection.query(
            "INSERT OR REPLACE INTO entry (kind, id, sealed) VALUES (?, ?, ?)", .integer(kind.rawValue),
            .locator(entry.id), .bytes(entry.sealed))
    }

    func removeEntry(_ id: Locator, kind: EntryKind) throws(StorageFailure) {
        try connection.query("DELETE FROM entry WHERE kind = ? AND id = ?", .integer(kind.rawValue), .locator(id))
    }

    func append(_ leaf: StoredLeaf) throws(StorageFailure) {
        try connection.query(
            "INSERT INTO leaf (number, leaf, payload) VALUES (?, ?, ?)", .integer(leaf.index), .bytes(leaf.leaf),
            .bytes(leaf.payload))
    }

    func prunePayload(of index: Int64) throws(StorageFailure) {
        // Written over first: what a row no longer holds would stay in its page.
        try connection.query("UPDATE leaf SET payload = zeroblob(length(payload)) WHERE number = ?", .integer(index))
        try connection.query("UPDATE leaf SET payload = x'' WHERE number = ?", .integer(index))
    }

    func putTile(level: Int, number: Int64, hashes: [UInt8]) throws(StorageFailure) {
        try connection.query(
            "INSERT INTO tile (level, number, hashes) VALUES (?, ?, ?)", .integer(Int64(level)), .integer(number),
            .bytes(hashes))
    }

    func putAuditChunk(segment: Int64, chunk: Int64, sealed: [UInt8]) throws(StorageFailure) {
        try connection.query(
            "INSERT OR REPLACE INTO audit_segment (segment, chunk, sealed) VALUES (?, ?, ?)", .integer(segment),
            .integer(chunk), .bytes(sealed))
    }

    func putMetadata(_ key: MetadataKey, _ value: [UInt8]) throws(StorageFailure) {
        try connection.query(
            "INSERT OR REPLACE INTO metadata (key, value) VALUES (?, ?)", .text(key.rawValue), .bytes(value))
    }
}
