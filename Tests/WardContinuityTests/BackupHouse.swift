import Synchronization
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage
import WardTestKit

/// A destination in memory, whose objects a test may lose, alter and set back.
final class MemoryDestination: BackupDestination {
    struct State {
        var objects: [String: [UInt8]] = [:]
        /// How many more objects can be written; nil for any number.
        var room: Int?
        var isAway = false
        /// How many more objects can be read; nil for any number.
        var reads: Int?
        /// Happens before the next object under this prefix is written, once.
        var before: (prefix: String, work: @Sendable () async throws -> Void)?
    }

    let state = Mutex(State())

    var objects: [String: [UInt8]] {
        get { state.withLock { $0.objects } }
        set { state.withLock { $0.objects = newValue } }
    }

    func names(_ prefix: String) -> [String] { objects.keys.filter { $0.hasPrefix(prefix) }.sorted() }

    private func reach() throws(BackupFailure) {
        if state.withLock({ $0.isAway }) { throw .unreachable(5) }
    }

    func put(_ name: String, _ bytes: [UInt8]) async throws(BackupFailure) {
        try reach()
        let work: (@Sendable () async throws -> Void)? = state.withLock { state in
            guard let before = state.before, name.hasPrefix(before.prefix) else { return nil }
            state.before = nil
            return before.work
        }
        do { try await work?() } catch { throw .unreachable(28) }
        let result: Result<Void, BackupFailure> = state.withLock { state in
            if let old = state.objects[name] { return old == bytes ? .success(()) : .failure(.occupied(name)) }
            if let room = state.room {
                guard room > 0 else { return .failure(.unreachable(28)) }
                state.room = room - 1
            }
            state.objects[name] = bytes
            return .success(())
        }
        try result.get()
    }

    func get(_ name: String) async throws(BackupFailure) -> [UInt8] {
        try reach()
        let mayRead = state.withLock { state in
            if let reads = state.reads { state.reads = reads - 1 }
            return state.reads.map { $0 >= 0 } ?? true
        }
        guard mayRead else { throw .unreachable(5) }
        guard let bytes = objects[name] else { throw .missing(name) }
        return bytes
    }

    func size(of name: String) async throws(BackupFailure) -> Int? {
        try reach()
        return objects[name]?.count
    }

    func list(_ prefix: String) async throws(BackupFailure) -> [String] {
        try reach()
        return names(prefix)
    }

    func remove(_ name: String) async throws(BackupFailure) { state.withLock { $0.objects[name] = nil } }
}

/// A store with a log and a backup desk, on a real database.
struct BackupHouse {
    static let id = "store-1"

    let folder: TemporaryFolder
    let store: SQLiteStore
    let log: AuditLog
    let desk: BackupDesk
    let kit: RecoveryKit
    let tenant: KeyMaterial
    let signing: SigningKey

    init(kit given: RecoveryKit? = nil, beforeLog prepare: (SQLiteStore) -> Void = { _ in }) async throws {
        folder = try TemporaryFolder()
        (tenant, signing) = (.random(), SigningKey())
        store = try SQLiteStore(path: "\(folder.path)/ward.db")
        try store.commit { transaction throws(StorageFailure) in
            try transaction.putMetadata(.header, [1])
            try transaction.putMetadata(.signingKey, [3])
        }
        prepare(store)
        log = try Self.log(store, tenant, signing)
        guard let keys = BackupKeys(tenant: tenant, store: Self.id),
            let made = given ?? RecoveryKit(signer: keys.signer)
        else { throw Unexpected(what: "keys") }
        desk = try BackupDesk(store: store, keys: keys, log: log)
        kit = made
        try await desk.adopt(made.key.recipient, by: nil, source: .system)
    }

    /// The same store after a restart.
    private init(_ house: BackupHouse, _ store: SQLiteStore) throws {
        (folder, kit, tenant, signing) = (house.folder, house.kit, house.tenant, house.signing)
        self.store = store
        log = try Self.log(store, tenant, signing)
        desk = try BackupDesk(store: store, keys: house.desk.keys, log: log)
    }

    func reopened(beforeLog prepare: (SQLiteStore) -> Void = { _ in }) async throws -> BackupHouse {
        await log.close()
        store.close()
        let store = try SQLiteStore(path: "\(folder.path)/ward.db")
        prepare(store)
        return try BackupHouse(self, store)
    }

    struct Unexpected: Error {
        let what: String
    }

    static func log(_ store: any SealedStore, _ tenant: KeyMaterial, _ signing: SigningKey) throws -> AuditLog {
        try AuditLog(
            store: store, keys: AuditKeys(tenant.derived("ward/audit/1"), signing: signing, tenant: .single),
            origin: "ward/backup-test")
    }

    func backup(
        to destination: any BackupDestination, stream: BackupStream? = nil,
        retention: BackupRetention = BackupRetention()
    ) -> Backup {
        Backup(of: store, desk: desk, to: destination, stream: stream, retention: retention)
    }

    /// Writes `count` resources, some of them updated before, each with its event.
    func write(_ range: Range<UInt64>, version: Int64 = 0, size: Int = 300) async throws {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 50) {
            let writes = (start..<min(start + 50, range.upperBound)).map { number in
                RecordWrite(
                    locator: Locator(high: number &* 0x9E37_79B9_7F4A_7C15, low: number), expectedVersion: version,
                    isDeleted: version == 9, maskedOwner: .none, body: randomBytes(size), card: randomBytes(60),
                    newKey: version == 0 ? (Locator(high: number, low: 5), randomBytes(62)) : nil)
            }
            let entry = StoredEntry(id: Locator(high: start % 7, low: 1), sealed: randomBytes(80))
            _ = try await log.commit(Self.event("w\(start)"), writes: writes, entries: [.put(entry, .importMark)])
        }
    }

    static func event(_ decision: String) -> AuditEvent {
        AuditEvent(
            kind: .import, time: .now(), outcome: .success, actor: nil, purpose: .systemAdministration,
            source: .system, decision: decision)
    }

    /// Restores into a new database.
    func restore(
        from destination: any BackupDestination, with kit: RecoveryKit? = nil, until: Instant? = nil,
        against checkpoint: Checkpoint? = nil
    ) async throws -> (store: SQLiteStore, report: BackupRestore.Report, folder: TemporaryFolder) {
        let folder = try TemporaryFolder()
        let target = try SQLiteStore(path: "\(folder.path)/ward.db")
        let restore = BackupRestore(from: destination, with: kit ?? self.kit)
        let report = try await restore.run(into: target, until: until, against: checkpoint)
        try BackupRestore.conclude(target)
        return (target, report, folder)
    }
}

/// Everything that a store holds, for comparing two.
struct StoreContent: Equatable {
    var metadata: [MetadataKey: [UInt8]] = [:]
    var versions: [StoredVersion] = []
    var cards: [StoredCard] = []
    var heads: [Locator: Head] = [:]
    var histories: [Locator: [Head]] = [:]
    var keys: [Locator: [UInt8]] = [:]
    var entries: [EntryKind: [Locator: [UInt8]]] = [:]
    var leaves: [StoredLeaf] = []
    var tiles: [[UInt8]] = []
    var auditChunks: [[UInt8]] = []

    init(_ store: any SealedStore) throws {
        for key in MetadataKey.allCases where key != .restoration { metadata[key] = try store.metadata(key) }
        versions = try store.versions(after: RecordNumber(0), limit: .max)
        cards = try store.cards(after: RecordNumber(0), limit: .max)
        var found: [Locator: Head] = [:]
        try store.eachHead { found[$0] = $1 }
        heads = found
        for locator in found.keys { histories[locator] = try store.history(of: locator) }
        var wrapped: [Locator: [UInt8]] = [:]
        try store.eachPatientKey { wrapped[$0] = $1 }
        keys = wrapped
        for kind in EntryKind.allCases {
            for entry in try store.entries(kind) { entries[kind, default: [:]][entry.id] = entry.sealed }
        }
        leaves = try store.leaves(from: 0, limit: .max)
        for level in 0..<3 {
            var number: Int64 = 0
            while let tile = try store.tile(level: level, number: number) {
                tiles.append(tile)
                number += 1
            }
        }
        for segment in 0..<Int64(4) {
            var chunk: Int64 = 0
            while let sealed = try store.auditChunk(segment: segment, chunk: chunk) {
                auditChunks.append(sealed)
                chunk += 1
            }
        }
    }

    /// Names of the parts that are not the same.
    func differences(from other: StoreContent) -> [String] {
        var names: [String] = []
        if metadata != other.metadata {
            names += Set(metadata.keys).union(other.metadata.keys).filter { metadata[$0] != other.metadata[$0] }
                .map { "metadata \($0.rawValue)" }
        }
        if versions != other.versions { names.append("versions \(versions.count) \(other.versions.count)") }
        if cards != other.cards { names.append("cards \(cards.count) \(other.cards.count)") }
        if heads != other.heads { names.append("heads") }
        if histories != other.histories { names.append("histories") }
        if keys != other.keys { names.append("keys") }
        if entries != other.entries { names.append("entries") }
        if leaves != other.leaves { names.append("leaves \(leaves.count) \(other.leaves.count)") }
        if tiles != other.tiles { names.append("tiles") }
        if auditChunks != other.auditChunks { names.append("audit chunks") }
        return names
    }
}
