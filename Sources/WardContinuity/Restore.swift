import Glibc
public import WardAudit
public import WardCore
public import WardCrypto
public import WardStorage

/// Brings a store back from a backup, into an empty one.
///
/// Every chunk is opened under its name and key and the tree of the log is derived anew from the leaves. Until
/// ``conclude(_:)`` the store opens only to be given new keys, and a restore that was interrupted goes on where it was.
public struct BackupRestore: Sendable {
    let reader: BackupReader
    let opener: Opener

    /// What opens the keys of chunks.
    enum Opener: Sendable {
        case kit(RecoveryKit)
        /// A drill's own key, from memory.
        case epoch(UInt64, KeyMaterial)
    }

    public init(from destination: any BackupDestination, with kit: RecoveryKit) {
        reader = BackupReader(destination, kit: kit)
        opener = .kit(kit)
    }

    init(reader: BackupReader, opener: Opener) {
        self.reader = reader
        self.opener = opener
    }

    /// What was restored, and what it took.
    public struct Report: Sendable {
        public internal(set) var backup: Int64 = 0
        public internal(set) var store = ""
        /// The last transaction that is in it.
        public internal(set) var upTo = Instant(microseconds: 0)
        public internal(set) var versions: Int64 = 0
        public internal(set) var events: Int64 = 0
        public internal(set) var segments = 0
        public internal(set) var seconds = 0.0
        public internal(set) var coreSeconds = 0.0
        /// A part of the stream that is missing or altered: what came after it was not restored.
        public internal(set) var broken: BackupFailure?
        /// How many steps an earlier, interrupted run had done.
        public internal(set) var resumed: Int64 = 0
        /// Whether the checkpoint that was given lies in the log.
        public internal(set) var isContinuous = false

        public init() {}
    }

    /// Restores records, log and all else; the keys of the machine before do not open the store.
    ///
    /// - Parameters:
    ///   - store: an empty store, or one that an interrupted restore has begun to fill.
    ///   - until: the moment to go back to; nil for the newest.
    ///   - number: a certain full backup and nothing after it.
    ///   - checkpoint: of the log, kept elsewhere; what is restored must be a continuation of it.
    public func run(
        into store: any SealedStore, until: Instant? = nil, only number: Int64? = nil,
        against checkpoint: Checkpoint? = nil,
        progress: @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws(BackupFailure) -> Report {
        let (began, cpu) = (ContinuousClock.now, Self.coreSeconds())
        let found: (manifest: BackupManifest, digest: Digest)?
        if let number {
            found = try await reader.manifest(number)
        } else {
            found = try await reader.newest(until: until)
        }
        guard let (manifest, digest) = found else { throw .empty }
        // The kit of another time: said before anything is written.
        if case .kit(let kit) = opener, kit.fingerprint != manifest.recipient { throw .otherKit }
        var run = try RestoreRun(self, store, manifest, digest, until: until, against: checkpoint)
        run.total = manifest.size
        try await run.chunks(progress)
        if number == nil { try await run.stream(progress) }
        try run.checkLog()
        try await fill(&run, manifest)
        run.report.seconds = (ContinuousClock.now - began) / .seconds(1)
        run.report.coreSeconds = Self.coreSeconds() - cpu
        return run.report
    }

    /// The tenant key that the backup carries for the kit.
    public func tenantKey(of report: Report) async throws(BackupFailure) -> KeyMaterial {
        let manifest = try await reader.manifest(report.backup).manifest
        guard case .kit(let kit) = opener else { throw .sealing }
        do throws(SealFailure) {
            return try kit.key.unwrap(manifest.tenant, boundTo: BackupKeys.tenantContext(manifest.store))
        } catch {
            throw .otherKit
        }
    }

    /// Makes a restored store one that can be opened to be given keys of its own, and by nothing else yet.
    private func fill(_ run: inout RestoreRun, _ manifest: BackupManifest) async throws(BackupFailure) {
        let keys = RestoreKeys(opener: opener, store: manifest.store)
        var header: [UInt8]?
        for chunk in manifest.chunks where chunk.table == .metadata {
            for change in try await keys.changes(chunk, manifest, reader) {
                if case .metadata(.header, let value) = change { header = value }
            }
        }
        guard let header else { throw .store }
        do throws(StorageFailure) { try run.fill(header) } catch {
            throw error == .full ? .unreachable(Int(ENOSPC)) : .store
        }
    }

    /// Ends a restore whose store has been given its keys: from now on it opens with them.
    public static func conclude(_ store: any SealedStore) throws(StorageFailure) {
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.restoration, []) }
    }

    /// Whether a restore of this store has begun and not ended.
    public static func isUnfinished(_ store: any SealedStore) throws(StorageFailure) -> Bool {
        try store.metadata(.restoration)?.isEmpty == false
    }

    private static func coreSeconds() -> Double {
        var usage = rusage()
        // RUSAGE_SELF is an enumeration's case here and a number there.
        unsafe getrusage(0, &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }
}

/// Opens keys of chunks and segments, each once.
final class RestoreKeys {
    private let opener: BackupRestore.Opener
    private let store: String
    private var known: [UInt64: SealingKey] = [:]

    init(opener: BackupRestore.Opener, store: String) {
        self.opener = opener
        self.store = store
    }

    func key(_ epoch: UInt64, _ sealed: [UInt8], for name: String) throws(BackupFailure) -> SealingKey {
        if let key = known[epoch] { return key }
        let material: KeyMaterial
        switch opener {
        case .epoch(let id, let own):
            guard id == epoch else { throw .otherKit }
            material = own
        case .kit(let kit):
            do throws(SealFailure) {
                material = try kit.key.unwrap(sealed, boundTo: BackupEpoch.context(epoch, store))
            } catch {
                throw .otherKit
            }
        }
        let key = SealingKey(material)
        known[epoch] = key
        return key
    }

    /// What is in a chunk.
    func content(
        _ chunk: BackupManifest.Chunk, _ manifest: BackupManifest, _ reader: BackupReader
    ) async throws(BackupFailure) -> [UInt8] {
        guard let sealed = manifest.epochs[chunk.epoch] else { throw .altered(BackupNames.manifest(manifest.number)) }
        let key = try key(chunk.epoch, sealed, for: chunk.name)
        let object = try await reader.destination.get(chunk.name)
        // The name is bound to it, and the name is a keyed hash of the content.
        guard Int64(object.count) == chunk.size, let content = try? key.open(object, boundTo: Array(chunk.name.utf8))
        else { throw .altered(chunk.name) }
        return content
    }

    func changes(
        _ chunk: BackupManifest.Chunk, _ manifest: BackupManifest, _ reader: BackupReader
    ) async throws(BackupFailure) -> [StoreChange] {
        var rows = ByteReader(try await content(chunk, manifest, reader))
        var changes: [StoreChange] = []
        do throws(ByteReader.Malformed) {
            while !rows.isAtEnd { changes.append(try StoreChange(from: &rows)) }
        } catch {
            throw .altered(chunk.name)
        }
        return changes
    }

    func cards(
        _ chunk: BackupManifest.Chunk, _ manifest: BackupManifest, _ reader: BackupReader
    ) async throws(BackupFailure) -> [(record: Int64, card: [UInt8])] {
        var rows = ByteReader(try await content(chunk, manifest, reader))
        var cards: [(record: Int64, card: [UInt8])] = []
        do throws(ByteReader.Malformed) {
            while !rows.isAtEnd {
                let record = try rows.number()
                cards.append((record, try rows.blob()))
            }
        } catch {
            throw .altered(chunk.name)
        }
        return cards
    }
}
