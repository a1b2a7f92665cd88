public import WardAudit
import WardCore
import WardCrypto
public import WardStorage

/// Makes full backups of a store at one destination, and keeps its stream going.
public struct Backup: Sendable {
    public let destination: any BackupDestination
    public let desk: BackupDesk
    let store: any StreamedStore
    /// Nil where the store's commits are not followed: then a backup is a moment, and nothing comes after it.
    public let stream: BackupStream?
    public let retention: BackupRetention
    /// Where it is, as the store remembers its newest backup; nil for a copy beside that.
    let place: String?
    /// One full backup at a time.
    private let turn = Turn()

    public init(
        of store: any StreamedStore, desk: BackupDesk, to destination: any BackupDestination, stream: BackupStream?,
        retention: BackupRetention = BackupRetention(), place: String? = ""
    ) {
        self.place = place
        self.store = store
        self.desk = desk
        self.destination = destination
        self.stream = stream
        self.retention = retention
    }

    /// Whether the place is the one that backups were written to last: where all of them are gone its disk is not there.
    public func isThere() async throws(BackupFailure) -> Bool {
        let state = desk.state
        guard state.number > 0, state.place == place else { return true }
        if try await destination.size(of: BackupNames.manifest(state.number)) != nil { return true }
        return try await !reader.numbers().isEmpty
    }

    /// - Throws: where another store may be written in this one's place, or the place's disk is not there.
    func requirePlace() async throws(BackupFailure) {
        guard store.mayCommit else { throw .notTheWriter }
        guard try await isThere() else { throw .notThere }
    }

    /// Carries over what waits; nothing goes to a place whose disk is not there.
    public func carry() async throws(BackupFailure) {
        guard let stream else { return }
        if stream.waitingBytes > 0 { try await requirePlace() }
        try await stream.flush()
    }

    public var reader: BackupReader { BackupReader(destination, keys: desk.keys) }

    /// Goes on where the stream ended, if nothing was committed since; or else asks for a full backup.
    ///
    /// - Parameter start: the log when the stream began to follow the store.
    /// - Throws: ``BackupFailure/missing(_:)`` or ``BackupFailure/altered(_:)`` if the newest backup is not the one that
    ///   the store knows of, which a full backup then mends.
    public func begin(at start: LogPosition) async throws(BackupFailure) {
        guard let stream, let recipient = desk.recipient else { throw .noKit }
        let epoch = try BackupEpoch(for: recipient, store: desk.keys.store)
        let tail = try await tail()
        let isContinuous = tail.isUsable && tail.log == start
        stream.begin(
            at: BackupStream.Place(
                destination: destination, keys: desk.keys, epoch: epoch, number: tail.number, digest: tail.digest,
                base: tail.base, isNew: false, log: start),
            isContinuous: isContinuous)
        guard desk.state.number > 0 else {
            try await putDestroyed()
            return
        }
        let name = BackupNames.manifest(desk.state.number)
        guard try await destination.size(of: name) != nil else {
            stream.begin(at: place(tail, epoch, start), isContinuous: false)
            throw .missing(name)
        }
        let known = try await reader.manifest(desk.state.number)
        guard hex(known.digest.bytes) == desk.state.digest else {
            stream.begin(at: place(tail, epoch, start), isContinuous: false)
            throw .altered(name)
        }
        try await putDestroyed()
    }

    private func place(_ tail: Tail, _ epoch: BackupEpoch, _ log: LogPosition) -> BackupStream.Place {
        BackupStream.Place(
            destination: destination, keys: desk.keys, epoch: epoch, number: tail.number, digest: tail.digest,
            base: tail.base, isNew: false, log: log)
    }

    /// What lies at the destination last.
    private struct Tail {
        var number: Int64 = 0
        var digest = Digest.zero
        var base: Int64 = 0
        var log: LogPosition?
        var newest: Int64 = 0
        /// Whether the stream's own base is there.
        var isUsable: Bool { base > 0 && base <= newest }
    }

    private func tail() async throws(BackupFailure) -> Tail {
        var tail = Tail()
        if let manifest = try await earlier().last?.manifest {
            guard manifest.store == desk.keys.store else { throw .foreignSigner(BackupNames.manifest(manifest.number)) }
            tail.newest = manifest.number
            (tail.number, tail.digest, tail.base) = (manifest.through, manifest.throughDigest, manifest.number)
            tail.log = LogPosition(size: manifest.logSize, root: manifest.logRoot)
        }
        let segments = try await destination.list(BackupNames.stream).compactMap(BackupNames.number)
        if let last = segments.max(), last > tail.number {
            do throws(BackupFailure) {
                let (segment, digest) = try await reader.segment(last)
                (tail.number, tail.digest, tail.base) = (last, digest, segment.base)
                tail.log = LogPosition(size: segment.logSize, root: segment.logRoot)
            } catch {
                guard case .altered = error else { throw error }
                tail = Tail(number: last, newest: tail.newest)
            }
        }
        return tail
    }

    /// A full backup that was made.
    public struct Made: Sendable {
        public let manifest: BackupManifest
        /// Chunks and bytes that were new.
        public internal(set) var newChunks = 0
        public internal(set) var newBytes: Int64 = 0
        let digest: Digest
        /// Its own key, while somebody holds on to this.
        let epoch: BackupEpoch
    }

    /// Makes a full backup; what is at the destination already is not written again.
    ///
    /// - Parameter isFresh: write everything anew, under one key.
    public func full(
        isFresh: Bool = false, progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws(BackupFailure) -> Made {
        let result: Result<Made, BackupFailure> = await turn.take {
            do throws(BackupFailure) {
                return .success(try await make(isFresh: isFresh, progress: progress))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func make(
        isFresh: Bool, progress: @Sendable (Int64, Int64) -> Void
    ) async throws(BackupFailure) -> Made {
        guard let recipient = desk.recipient else { throw .noKit }
        guard store.mayCommit else { throw .notTheWriter }
        let earlier = try await earlier()
        let number = max(earlier.last?.manifest.number ?? 0, desk.state.number) + 1
        let epoch = try BackupEpoch(for: recipient, store: desk.keys.store)
        let begun = try await snapshot(number, epoch)
        defer { begun.snapshot.close() }
        do throws(BackupFailure) {
            return try await write(begun, number, epoch, recipient, earlier, isFresh: isFresh, progress)
        } catch {
            // The stream has begun anew on a backup that does not come to be: nothing after it could be restored.
            if begun.hasRestarted { stream?.lapse() }
            throw error
        }
    }

    private func write(
        _ begun: Begun, _ number: Int64, _ epoch: BackupEpoch, _ recipient: RecoveryRecipient,
        _ earlier: [(manifest: BackupManifest, kept: BackupManifest.Kept)], isFresh: Bool,
        _ progress: @Sendable (Int64, Int64) -> Void
    ) async throws(BackupFailure) -> Made {
        let (snapshot, end, made) = (begun.snapshot, begun.end, begun.time)
        guard let log = Self.position(of: snapshot) else { throw .store }
        let known = isFresh ? nil : earlier.last { $0.manifest.recipient == recipient.fingerprint }?.manifest
        var chunks: [BackupManifest.Chunk] = []
        var (newChunks, newBytes, versions) = (0, Int64(0), Int64(0))
        var before = Dictionary((known?.chunks ?? []).map { ($0.id, $0) }) { first, _ in first }
        let expected = max(known?.size ?? 0, 1)
        var done: Int64 = 0
        try await StoreChunks(store: snapshot).each { chunk throws(BackupFailure) in
            if chunk.table == .versions { versions += chunk.rowCount }
            let id = desk.keys.names.tag([chunk.table.rawValue], chunk.content)
            if let old = before[id], try await destination.size(of: old.name) == Int(old.size) {
                chunks.append(old)
            } else {
                let name = BackupNames.chunk(epoch.id, id)
                let object = try epoch.seal(chunk.content, name: name)
                try await destination.put(name, object)
                let made = BackupManifest.Chunk(
                    table: chunk.table, first: chunk.first, epoch: epoch.id, id: id, digest: sha256(object),
                    size: Int64(object.count))
                chunks.append(made)
                // Should another have the same content, it is this object.
                before[id] = made
                newChunks += 1
                newBytes += Int64(object.count)
            }
            done += chunks.last?.size ?? 0
            progress(done, max(expected, done))
        }
        var epochs = [epoch.id: epoch.sealed]
        for chunk in chunks where epochs[chunk.epoch] == nil { epochs[chunk.epoch] = known?.epochs[chunk.epoch] }
        let own = BackupManifest.Kept(number: number, digest: .zero, made: made, through: end.number)
        let candidates = (earlier.map(\.kept) + [own]).map { (backup: $0, number: $0.number, made: $0.made) }
        let manifest = BackupManifest(
            number: number, store: desk.keys.store, made: made,
            log: Checkpoint(origin: "", size: log.size, root: log.root), versions: versions, through: end.number,
            throughDigest: end.digest, streamAfter: retention.oldestDaily(candidates)?.through ?? end.number,
            recipient: recipient.fingerprint, tenant: try desk.keys.sealedTenant(to: recipient), epochs: epochs,
            chunks: chunks, kept: retention.kept(candidates).filter { $0.number != number })
        // Before the backup counts: no backup is newer than a destruction that its place does not name.
        _ = try await putDestroyed(of: snapshot)
        // It counts from here on: not if somebody was promoted while it was made.
        guard store.mayCommit else { throw .notTheWriter }
        let name = BackupNames.manifest(number)
        let object = try Signed.object(manifest.encoded(), name: name, with: desk.keys.signing)
        try await destination.put(name, object.bytes)
        let result = Made(
            manifest: manifest, newChunks: newChunks, newBytes: newBytes, digest: object.digest, epoch: epoch)
        stream?.renew(epoch)
        try await desk.note(.backupMade, .success, "\(number) \(hex(result.digest.bytes))") { state in
            guard let place else { return }
            state.number = number
            state.place = place
            state.digest = hex(result.digest.bytes)
            state.made = made
        }
        // What is not let go of today is tomorrow; the backup stands.
        try? await expire(manifest, earlier)
        return result
    }

    /// Full backups that are there and readable.
    private func earlier() async throws(BackupFailure) -> [(manifest: BackupManifest, kept: BackupManifest.Kept)] {
        var found: [(manifest: BackupManifest, kept: BackupManifest.Kept)] = []
        for number in try await reader.numbers() {
            do throws(BackupFailure) {
                let (manifest, digest) = try await reader.manifest(number)
                found.append(
                    (
                        manifest,
                        BackupManifest.Kept(
                            number: number, digest: digest, made: manifest.made, through: manifest.through)
                    ))
            } catch {
                // One that was altered is for the verification to tell of; a new backup is all the more needed.
                guard case .altered = error else { throw error }
            }
        }
        return found
    }

    /// The store at one moment, and the last segment of the stream that is in it.
    private struct Begun {
        let snapshot: any SealedStore
        let end: (number: Int64, digest: Digest)
        /// Of its moment, or a little before.
        let time: Instant
        /// Whether the stream begins anew after it.
        var hasRestarted = false
    }

    private func snapshot(_ number: Int64, _ epoch: BackupEpoch) async throws(BackupFailure) -> Begun {
        guard let stream else {
            let tail = try await tail()
            let time = Instant.now()
            return Begun(snapshot: try frozen {}, end: (tail.number, tail.digest), time: time)
        }
        // Also after another kit was made: one kit opens a backup and all of the stream after it.
        if stream.needsFull || stream.place?.epoch.recipient != epoch.recipient {
            let tail = try await tail()
            let place = BackupStream.Place(
                destination: destination, keys: desk.keys, epoch: epoch, number: tail.number, digest: tail.digest,
                base: number, isNew: true, log: .start)
            let time = Instant.now()
            let result: Result<any SealedStore, BackupFailure> = await stream.betweenSegments {
                do throws(BackupFailure) {
                    return .success(try frozen { stream.restart(at: place) })
                } catch {
                    return .failure(error)
                }
            }
            return Begun(
                snapshot: try result.get(), end: (tail.number, tail.digest), time: time, hasRestarted: true)
        }
        var last: Int64 = 0
        let time = Instant.now()
        let snapshot = try frozen { last = stream.cut() }
        do throws(BackupFailure) {
            try await stream.flush()
            if let place = stream.place, place.number == last {
                return Begun(snapshot: snapshot, end: (last, place.digest), time: time)
            }
            return Begun(snapshot: snapshot, end: (last, try await reader.segment(last).digest), time: time)
        } catch {
            snapshot.close()
            throw error
        }
    }

    private func frozen(_ begun: () -> Void) throws(BackupFailure) -> any SealedStore {
        do throws(StorageFailure) { return try store.snapshot(begun) } catch { throw .store }
    }

    /// Where the log of a store ends, by its stored checkpoint.
    public static func position(of store: any SealedStore) -> LogPosition? {
        guard let note = try? store.metadata(.checkpoint) else { return .start }
        return LogPosition(checkpointNote: note)
    }

    /// Lets go of what no kept backup needs; only when the newest one is complete, and never of what cannot be read.
    private func expire(
        _ newest: BackupManifest, _ earlier: [(manifest: BackupManifest, kept: BackupManifest.Kept)]
    ) async throws(BackupFailure) {
        let kept = Set(newest.kept.map(\.number))
        let numbers = try await reader.numbers()
        // Something here is not readable: until somebody has looked at it, nothing goes.
        guard numbers.count == earlier.count + 1 else { return }
        let gone = earlier.filter { !kept.contains($0.manifest.number) }
        for (manifest, _) in gone { try await destination.remove(BackupNames.manifest(manifest.number)) }
        for number in try await destination.list(BackupNames.stream).compactMap(BackupNames.number)
        where number <= newest.streamAfter {
            try await destination.remove(BackupNames.segment(number))
        }
        let needed = Set(
            (newest.chunks + earlier.filter { kept.contains($0.manifest.number) }.flatMap(\.manifest.chunks)).map(
                \.name))
        for name in try await destination.list(BackupNames.chunks) where !needed.contains(name) {
            try await destination.remove(name)
        }
    }
}
