import WardAudit
public import WardCore
public import WardStorage

/// Why a copy cannot be kept, or a follower not be served. Codes only.
public enum StandbyFailure: Error, Hashable, Sendable {
    /// Rows, tree or checkpoint are not a continuation of what the copy holds.
    case notContinuous
    /// The other side sent what it may not send now.
    case protocolViolation
    /// The other side ended the connection, or it broke.
    case cut
    case store(StorageFailure)
    /// The other side said no, with its code.
    case refused(String)
}

/// How far a copy is; kept in the copy's own store, in the transaction that it tells of.
public struct StandbyMark: Hashable, Sendable {
    public enum Phase: UInt8, Sendable {
        /// Not whole: some rows are of a later moment than others.
        case partial = 1
        /// As the primary was at one moment.
        case whole = 2
        /// A promotion has begun; it follows nobody any more.
        case promoting = 3
    }

    public var phase: Phase
    public var instance: UInt64 = 0
    public var sequence: Int64 = 0
    /// When the newest part came, by this machine's clock.
    public var time = Instant(microseconds: 0)

    init(_ phase: Phase) {
        self.phase = phase
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(phase.rawValue)
        writer.number(Int64(bitPattern: instance))
        writer.number(sequence)
        writer.number(time.microseconds)
        return writer.bytes
    }

    /// That of a store; nil for one that is no copy.
    public init?(of store: any SealedStore) throws(StorageFailure) {
        guard let bytes = try store.metadata(.standby), !bytes.isEmpty else { return nil }
        var reader = ByteReader(bytes)
        do throws(ByteReader.Malformed) {
            guard let phase = Phase(rawValue: try reader.byte()) else { throw ByteReader.Malformed() }
            self.phase = phase
            instance = UInt64(bitPattern: try reader.number())
            sequence = try reader.number()
            time = Instant(microseconds: try reader.number())
        } catch {
            throw .corrupt
        }
    }

    /// Writes that a promotion has begun: whoever followed with this store does so no more.
    public static func beginPromotion(_ store: any SealedStore) throws(StorageFailure) {
        guard var mark = try StandbyMark(of: store) else { return }
        mark.phase = .promoting
        let bytes = mark.encoded()
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.standby, bytes) }
    }

    /// Writes that the store is a copy no more.
    public static func end(_ store: any SealedStore) throws(StorageFailure) {
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.standby, []) }
    }
}

/// The follower's copy: takes what the primary sends, in its order, and refuses what does not continue the log.
///
/// It needs no key of the store. The log's tree is derived from the leaves as they come and must agree with the checkpoint
/// that the log signed; a transaction that does not is not written.
public struct StandbyCopy {
    private let store: any SealedStore
    private let origin: String
    private let publicKey: [UInt8]
    private var tree = LeafTree(watching: nil)
    public private(set) var mark: StandbyMark
    /// Entries that the primary holds, while it tells of them.
    private var entries: Set<EntryPlace> = []
    /// Patients' keys that the primary has, as it told while the copy is filled.
    private var patientKeys: Set<Locator> = []
    private var isFilling = false
    /// Whether keys took the place of others, and more will: what they left is written over when all have.
    private var isExchanging = false

    private struct EntryPlace: Hashable {
        let kind: EntryKind
        let id: Locator
    }

    /// - Parameters:
    ///   - origin: name of the primary's log.
    ///   - publicKey: what signs its checkpoints.
    public init(_ store: any SealedStore, origin: String, publicKey: [UInt8]) throws(StandbyFailure) {
        self.store = store
        self.origin = origin
        self.publicKey = publicKey
        do throws(StorageFailure) {
            if let mark = try StandbyMark(of: store) {
                self.mark = mark
            } else {
                // A store that somebody works with must never be overwritten.
                guard try store.metadata(.header) == nil, try store.leafCount() == 0 else {
                    throw StorageFailure.locked
                }
                mark = StandbyMark(.partial)
            }
            guard mark.phase != .promoting else { throw StorageFailure.locked }
            try tree.restore(from: store)
        } catch {
            throw .store(error)
        }
    }

    /// What is said first.
    func hello(storeID: String, epoch: Int64) throws(StandbyFailure) -> StandbyHello {
        var hello = StandbyHello(store: storeID, epoch: epoch)
        if mark.phase == .whole { (hello.instance, hello.sequence) = (mark.instance, mark.sequence) }
        hello.logSize = tree.size
        do throws(StorageFailure) {
            var last = RecordNumber(0)
            try store.commit { transaction throws(StorageFailure) in last = try transaction.lastRecordNumber() }
            hello.lastRecord = last.value
            while try store.auditChunk(segment: hello.segments, chunk: 0) != nil { hello.segments += 1 }
        } catch {
            throw .store(error)
        }
        return hello
    }

    /// The events that the copy holds.
    public var logSize: Int64 { tree.size }

    mutating func welcome(instance: UInt64, isContinued: Bool) throws(StandbyFailure) {
        guard !isContinued || (mark.phase == .whole && mark.instance == instance) else { throw .protocolViolation }
        mark.instance = instance
        isFilling = !isContinued
        (entries, patientKeys) = ([], [])
    }

    /// Rows that the copy lacks.
    mutating func fill(_ changes: [StoreChange], upTo sequence: Int64?) throws(StandbyFailure) {
        guard isFilling else { throw .protocolViolation }
        for case .entry(let entry, let kind) in changes { entries.insert(EntryPlace(kind: kind, id: entry.id)) }
        for case .patientKey(let id, _) in changes { patientKeys.insert(id) }
        var mark = mark
        mark.phase = sequence == nil ? .partial : .whole
        mark.sequence = sequence ?? 0
        var removed: [StoreChange] = []
        if sequence != nil {
            do throws(StorageFailure) {
                for kind in EntryKind.allCases {
                    for entry in try store.entries(kind)
                    where !entries.contains(EntryPlace(kind: kind, id: entry.id)) {
                        removed.append(.entryRemoved(entry.id, kind))
                    }
                }
                // Destroyed while nobody followed.
                try store.eachPatientKey { id, _ in
                    if !patientKeys.contains(id) { removed.append(.patientKeyRemoved(id)) }
                }
            } catch {
                throw .store(error)
            }
        }
        try apply(changes + removed, mark, isFilling: true, mustAgree: sequence != nil)
        if sequence != nil { (isFilling, entries, patientKeys) = (false, [], []) }
    }

    /// One transaction of the primary's.
    mutating func take(_ changes: [StoreChange], sequence: Int64) throws(StandbyFailure) {
        guard !isFilling, mark.phase == .whole, sequence == mark.sequence + 1 else { throw .protocolViolation }
        var mark = mark
        mark.sequence = sequence
        let hasLeaves = changes.contains { if case .leaf = $0 { true } else { false } }
        try apply(changes, mark, isFilling: false, mustAgree: hasLeaves)
    }

    private mutating func apply(
        _ changes: [StoreChange], _ next: StandbyMark, isFilling: Bool, mustAgree: Bool
    ) throws(StandbyFailure) {
        var (tree, next, checkpoint) = (tree, next, Checkpoint?.none)
        next.time = .now()
        let state = next.encoded()
        var isContinuous = true
        do throws(StorageFailure) {
            try store.commit { transaction throws(StorageFailure) in
                for change in changes {
                    switch change {
                    // Whether this copy's own files are written over is its own matter.
                    case .metadata(.restoration, _), .metadata(.standby, _), .metadata(.erasure, _): break
                    case .metadata(let key, let value):
                        if key == .checkpoint {
                            checkpoint = Checkpoint(note: String(decoding: value, as: UTF8.self), publicKey: publicKey)
                        }
                        try transaction.putMetadata(key, value)
                    case .patientKey(let id, let wrapped) where isFilling:
                        let own = try transaction.patientKey(id)
                        guard own != wrapped else { continue }
                        // Another took its place while nobody followed.
                        if own != nil { try transaction.removePatientKey(id) }
                        try RestoreRun.apply(change, transaction, &tree)
                    default: try RestoreRun.apply(change, transaction, &tree)
                    }
                }
                if mustAgree {
                    isContinuous =
                        checkpoint == Checkpoint(origin: origin, size: tree.size, root: tree.root)
                        || (isFilling && tree.size == 0 && checkpoint == nil)
                    guard isContinuous else { throw .corrupt }
                }
                try transaction.putMetadata(.standby, state)
            }
        } catch {
            switch error {
            case .corrupt, .engine: throw .notContinuous
            default: throw .store(error)
            }
        }
        self.tree = tree
        mark = next
        // Costs a pass over all keys: not for each step of an exchange, and not for each part of a copy.
        isExchanging = isFilling ? next.phase != .whole : staysExchanging(after: changes)
        // What is kept from it now, by whoever reads the file, is tried again with the next transaction.
        if !isExchanging { try? store.erase() }
    }

    /// A step that exchanges keys takes and puts the same; at the end of a phase it is written how far the exchange is.
    private func staysExchanging(after changes: [StoreChange]) -> Bool {
        var (removed, put, isPhase) = (Set<Locator>(), Set<Locator>(), false)
        for change in changes {
            switch change {
            case .patientKeyRemoved(let id): removed.insert(id)
            case .patientKey(let id, _): put.insert(id)
            case .entry(_, .resealing): isPhase = true
            default: break
            }
        }
        // A key that was destroyed never waits.
        guard !isPhase, removed.isSubset(of: put) else { return false }
        return isExchanging || !removed.isEmpty
    }
}
