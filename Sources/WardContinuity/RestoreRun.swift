import Glibc
import WardAudit
import WardCore
import WardCrypto
import WardStorage

/// One restore on its way: steps of some megabytes, each a transaction that also says how far it is.
struct RestoreRun {
    private let restore: BackupRestore
    private let store: any SealedStore
    private let manifest: BackupManifest
    private let keys: RestoreKeys
    private let until: Instant?
    private let checkpoint: Checkpoint?
    private var tree: LeafTree
    private var place: Place
    var report = BackupRestore.Report()
    var total: Int64 = 0
    private var done: Int64 = 0

    /// How far it is; stands in the store, in the transaction of the step.
    private struct Place {
        let manifest: Digest
        let until: Int64
        /// Chunks that are in.
        var chunks: Int64 = 0
        var segment: Int64
        var segmentDigest: Digest
        var upTo: Int64
        /// Whether all of the backup is in, and only new keys are wanting.
        var isFilled = false
        /// Whether a part of the stream was missing or altered, so that it ends before.
        var isBroken = false
        /// Stored versions and parts of the stream that came with it.
        var versions: Int64 = 0
        var segments: Int64 = 0

        var encoded: [UInt8] {
            var writer = ByteWriter()
            writer.digest(manifest)
            writer.number(until)
            writer.number(chunks)
            writer.number(segment)
            writer.digest(segmentDigest)
            writer.number(upTo)
            writer.number((isFilled ? 1 : 0) + (isBroken ? 2 : 0))
            writer.number(versions)
            writer.number(segments)
            return writer.bytes
        }

        init(_ manifest: BackupManifest, _ digest: Digest, _ until: Instant?) {
            self.manifest = digest
            self.until = until?.microseconds ?? .max
            (segment, segmentDigest, upTo) = (manifest.through, manifest.throughDigest, manifest.made.microseconds)
        }

        init?(decoding bytes: [UInt8]) {
            var reader = ByteReader(bytes)
            do throws(ByteReader.Malformed) {
                manifest = try reader.digest()
                until = try reader.number()
                chunks = try reader.number()
                segment = try reader.number()
                segmentDigest = try reader.digest()
                upTo = try reader.number()
                let flags = try reader.number()
                (isFilled, isBroken) = (flags & 1 != 0, flags & 2 != 0)
                versions = try reader.number()
                segments = try reader.number()
            } catch {
                return nil
            }
        }
    }

    /// A step takes chunks up to this size.
    private static let stepSize: Int64 = 16 << 20

    init(
        _ restore: BackupRestore, _ store: any SealedStore, _ manifest: BackupManifest, _ digest: Digest,
        until: Instant?, against checkpoint: Checkpoint?
    ) throws(BackupFailure) {
        self.restore = restore
        self.store = store
        self.manifest = manifest
        self.until = until
        self.checkpoint = checkpoint
        keys = RestoreKeys(opener: restore.opener, store: manifest.store)
        tree = LeafTree(watching: checkpoint)
        place = Place(manifest, digest, until)
        report.backup = manifest.number
        report.store = manifest.store
        do throws(StorageFailure) {
            guard let bytes = try store.metadata(.restoration), !bytes.isEmpty else {
                guard try store.leafCount() == 0, try store.metadata(.header) == nil else {
                    throw StorageFailure.locked
                }
                return
            }
            // Another backup than the one that was begun with: not mixed.
            guard let known = Place(decoding: bytes), known.manifest == digest, known.until == place.until else {
                throw StorageFailure.locked
            }
            place = known
            report.resumed = known.chunks + known.segment - manifest.through
            try tree.restore(from: store)
        } catch {
            throw error == .locked ? .targetInUse : .store
        }
    }

    // MARK: The full backup

    mutating func chunks(_ progress: (Int64, Int64) -> Void) async throws(BackupFailure) {
        let cards = manifest.chunks.filter { $0.table == .cards }
        let others = manifest.chunks.filter { $0.table != .cards }
        var cursor = CardCursor(chunks: cards, manifest: manifest, reader: restore.reader, keys: keys)
        let firsts = others.prefix(Int(place.chunks))
        report.versions = 0
        done = firsts.reduce(0) { $0 + $1.size }
        var step: [StoreChange] = []
        var size: Int64 = 0
        var taken = place.chunks
        for chunk in others.dropFirst(Int(place.chunks)) {
            for change in try await keys.changes(chunk, manifest, restore.reader) {
                if case .version(let version, _) = change {
                    step.append(.version(version, card: try await cursor.card(of: version.record.value)))
                } else {
                    step.append(change)
                }
            }
            taken += 1
            size += chunk.size
            if size >= Self.stepSize {
                try apply(&step, name: chunk.name) { $0.chunks = taken }
                done += size
                size = 0
                progress(done, total)
            }
        }
        if taken > place.chunks { try apply(&step, name: BackupNames.manifest(manifest.number)) { $0.chunks = taken } }
        report.versions = manifest.versions
        progress(total, total)
    }

    // MARK: The stream

    mutating func stream(_ progress: (Int64, Int64) -> Void) async throws(BackupFailure) {
        // Filled before: the log has events of its own now, and nothing more of the old machine's can follow.
        if place.isFilled {
            let name = BackupNames.segment(place.segment + 1)
            if place.isBroken {
                report.broken =
                    try await restore.reader.destination.size(of: name) == nil ? .missing(name) : .altered(name)
            }
            return reportStream()
        }
        let numbers = try await restore.reader.segments(after: manifest)
        let total = Int64(numbers.count)
        var step: [StoreChange] = []
        var size = 0
        var reached = place
        // One that is missing, with others after it, ends here: nothing after it can be taken.
        for number in numbers where number > place.segment {
            let (segment, digest): (StreamSegment, Digest)
            do throws(BackupFailure) {
                guard number == reached.segment + 1 else { throw .missing(BackupNames.segment(reached.segment + 1)) }
                (segment, digest) = try await restore.reader.segment(number)
                let follows =
                    number == manifest.through + 1
                    ? segment.follows(manifest) : !segment.isNew && segment.previous == reached.segmentDigest
                // Another full backup took its place there, if it came to be; this one ends here.
                if segment.isNew, !follows {
                    let next = BackupNames.manifest(segment.base)
                    if until.map({ segment.began <= $0 }) ?? true,
                        try await restore.reader.destination.size(of: next) == nil
                    {
                        throw .missing(next)
                    }
                    break
                }
                guard follows else { throw .altered(BackupNames.segment(number)) }
            } catch {
                report.broken = error
                break
            }
            if let until, until < segment.began { break }
            let commits: [StreamSegment.Commit]
            do throws(BackupFailure) {
                commits = try segment.commits(
                    with: try keys.key(segment.epoch, segment.key, for: BackupNames.segment(number)))
            } catch {
                report.broken = error
                break
            }
            var isCut = false
            for commit in commits {
                if let until, until < commit.time {
                    isCut = true
                    break
                }
                step += commit.changes
                size += commit.changes.reduce(0) { $0 + $1.size }
                reached.versions += Int64(
                    commit.changes.count {
                        if case .version = $0 { true } else { false }
                    })
                reached.upTo = commit.time.microseconds
            }
            reached.segments += 1
            (reached.segment, reached.segmentDigest) = (number, digest)
            if size >= Int(Self.stepSize) {
                let at = reached
                try apply(&step, name: BackupNames.segment(number)) { $0 = at }
                size = 0
                progress(number - manifest.through, total)
            }
            if isCut { break }
        }
        let at = reached
        if !step.isEmpty { try apply(&step, name: BackupNames.segment(at.segment)) { $0 = at } }
        place.isBroken = report.broken != nil
        reportStream()
    }

    private mutating func reportStream() {
        report.versions += place.versions
        report.segments = Int(place.segments)
        report.upTo = Instant(microseconds: place.upTo)
    }

    // MARK: Steps

    private mutating func apply(
        _ changes: inout [StoreChange], name: String, _ move: (inout Place) -> Void
    ) throws(BackupFailure) {
        var next = place
        move(&next)
        var tree = tree
        let state = next.encoded
        do throws(StorageFailure) {
            try store.commit { transaction throws(StorageFailure) in
                for change in changes { try Self.apply(change, transaction, &tree) }
                try transaction.putMetadata(.restoration, state)
            }
        } catch {
            switch error {
            case .full: throw .unreachable(Int(ENOSPC))
            // A row that is there already, or a leaf out of turn: not what a store of Ward's looks like.
            case .corrupt, .engine: throw .altered(name)
            default: throw .store
            }
        }
        self.tree = tree
        place = next
        changes.removeAll(keepingCapacity: true)
    }

    static func apply(
        _ change: StoreChange, _ transaction: any StoreTransaction, _ tree: inout LeafTree
    ) throws(StorageFailure) {
        switch change {
        case .auditChunk(let segment, let chunk, let sealed):
            try transaction.putAuditChunk(segment: segment, chunk: chunk, sealed: sealed)
        case .entry(let entry, let kind): try transaction.putEntry(entry, kind: kind)
        case .entryRemoved(let id, let kind): try transaction.removeEntry(id, kind: kind)
        case .leaf(let leaf):
            try transaction.append(leaf)
            for tile in try tree.append(leaf) {
                try transaction.putTile(level: tile.level, number: tile.number, hashes: tile.hashes)
            }
        case .metadata(let key, let value):
            // Until it is done it does not open.
            if key != .header, key != .restoration, key != .standby { try transaction.putMetadata(key, value) }
        case .patientKey(let id, let wrapped): try transaction.putPatientKey(id, wrapped: wrapped)
        case .patientKeyRemoved(let id): try transaction.removePatientKey(id)
        case .payloadPruned(let index): try transaction.prunePayload(of: index)
        case .resealed(let record, let locator, let body, let card):
            try transaction.reseal(record, at: locator, body: body, card: card)
        case .tile: break
        case .version(let version, let card):
            let old = version.version == 1 ? nil : try transaction.head(of: version.locator)
            try transaction.put(version, card: card, replacing: old)
        }
    }

    // MARK: The end

    /// Writes the header, with which the store can be opened to be given new keys.
    ///
    /// That it is being restored stands there until ``BackupRestore/conclude(_:)``: the keys of the machine before do not
    /// open it in between.
    mutating func fill(_ header: [UInt8]) throws(StorageFailure) {
        place.isFilled = true
        let state = place.encoded
        try store.commit { transaction throws(StorageFailure) in
            try transaction.putMetadata(.header, header)
            try transaction.putMetadata(.restoration, state)
        }
    }

    // MARK: The log

    /// The leaves must add up to the checkpoint that the log signed, and go on from the one kept elsewhere.
    mutating func checkLog() throws(BackupFailure) {
        guard let position = Backup.position(of: store), position.size == tree.size, position.root == tree.root else {
            throw .log(.damaged)
        }
        report.events = tree.size
        report.upTo = Instant(microseconds: place.upTo)
        guard let checkpoint else { return }
        guard checkpoint.size <= tree.size else { throw .log(.rolledBack) }
        guard tree.hasMatched else { throw .log(.forked) }
        report.isContinuous = true
    }
}

/// The tree of the log, derived from its leaves as they are restored.
struct LeafTree {
    private var frontier = MerkleFrontier()
    private var tiles = TileBuilder()
    private let watched: Checkpoint?
    /// Whether the root was that of the watched checkpoint when the log had its size.
    private(set) var hasMatched: Bool

    init(watching checkpoint: Checkpoint?) {
        watched = checkpoint
        hasMatched = checkpoint.map { $0.size == 0 && $0.root == MerkleHash.empty } ?? true
    }

    var size: Int64 { frontier.size }
    var root: Digest { frontier.root }

    mutating func append(_ leaf: StoredLeaf) throws(StorageFailure) -> [TileBuilder.Tile] {
        guard leaf.index == frontier.size else { throw .corrupt }
        let hash = MerkleHash.leaf(leaf.leaf)
        frontier.append(hash)
        if let watched, watched.size == frontier.size { hasMatched = watched.root == frontier.root }
        return tiles.append(hash)
    }

    /// Derives the tree of what an interrupted restore left.
    mutating func restore(from store: any SealedStore) throws(StorageFailure) {
        while true {
            let page = try store.leafEntries(from: frontier.size, limit: 4096)
            if page.isEmpty { return }
            for leaf in page { _ = try append(leaf) }
        }
    }
}

/// Cards of current versions, in the order of their records.
private struct CardCursor {
    let chunks: [BackupManifest.Chunk]
    let manifest: BackupManifest
    let reader: BackupReader
    let keys: RestoreKeys
    private var next = 0
    private var rows: [(record: Int64, card: [UInt8])] = []
    private var place = 0

    init(chunks: [BackupManifest.Chunk], manifest: BackupManifest, reader: BackupReader, keys: RestoreKeys) {
        self.chunks = chunks
        self.manifest = manifest
        self.reader = reader
        self.keys = keys
    }

    mutating func card(of record: Int64) async throws(BackupFailure) -> [UInt8]? {
        while true {
            while place < rows.count, rows[place].record < record { place += 1 }
            if place < rows.count { return rows[place].record == record ? rows[place].card : nil }
            guard next < chunks.count, chunks[next].first <= record else { return nil }
            // After an interruption: chunks that end before the record are passed by.
            while next + 1 < chunks.count, chunks[next + 1].first <= record { next += 1 }
            rows = try await keys.cards(chunks[next], manifest, reader)
            (place, next) = (0, next + 1)
        }
    }
}
