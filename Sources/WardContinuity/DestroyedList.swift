public import WardCore
public import WardStorage

/// One destroyed patient's key as it stands beside the backups: what the store says of it, sealed, and signed by the store.
///
/// A backup from before the destruction still holds the key. Whoever restores it destroys the key again by this list,
/// before anything is served. Objects are named by the key's keyed id and never let go of, so that lists of several
/// places can be joined and none takes the place of another.
enum DestroyedKeyObject {
    private static let mark = Array("ward destroyed\n".utf8)
    private static let format: UInt8 = 1

    static func encoded(_ entry: StoredEntry, store: String) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(mark)
        writer.byte(format)
        writer.text(store)
        writer.locator(entry.id)
        writer.blob(entry.sealed)
        return writer.bytes
    }

    static func decoded(_ body: [UInt8], name: String) throws(BackupFailure) -> (store: String, entry: StoredEntry) {
        var reader = ByteReader(body)
        var format: UInt8 = 0
        do throws(ByteReader.Malformed) {
            guard try reader.raw(mark.count) == mark else { throw ByteReader.Malformed() }
            format = try reader.byte()
            guard format == Self.format else { throw ByteReader.Malformed() }
            let store = try reader.text()
            let id = try reader.locator()
            let entry = StoredEntry(id: id, sealed: try reader.blob())
            guard reader.isAtEnd, BackupNames.destroyed(id) == name else { throw ByteReader.Malformed() }
            return (store, entry)
        } catch {
            throw format > Self.format ? .unknownFormat(name) : .altered(name)
        }
    }
}

extension Backup {
    /// Writes down beside the backups which patients' keys were destroyed; what stands there stays.
    ///
    /// - Returns: how many were not there yet.
    @discardableResult
    public func putDestroyed() async throws(BackupFailure) -> Int {
        try await requirePlace()
        return try await putDestroyed(of: store)
    }

    func putDestroyed(of store: any SealedStore) async throws(BackupFailure) -> Int {
        let entries: [StoredEntry]
        do throws(StorageFailure) { entries = try store.entries(.destroyedKey) } catch { throw .store }
        var count = 0
        for entry in entries {
            let name = BackupNames.destroyed(entry.id)
            if try await destination.size(of: name) != nil { continue }
            let body = DestroyedKeyObject.encoded(entry, store: desk.keys.store)
            try await destination.put(name, Signed.object(body, name: name, with: desk.keys.signing).bytes)
            count += 1
        }
        return count
    }

    /// Entries of destroyed keys that the place lists and the store does not know: it took the place of a store that had
    /// gone on, and has to destroy these keys as well.
    ///
    /// - Returns: them, and what of the list is not as it was written: that keeps nobody from the rest.
    /// - Throws: where the place is not there, or cannot be read as a whole.
    public func destroyedElsewhere() async throws(BackupFailure) -> (unknown: [StoredEntry], faults: [BackupFailure]) {
        guard try await isThere() else { throw .notThere }
        var (unknown, faults): ([StoredEntry], [BackupFailure]) = ([], [])
        for name in try await destination.list(BackupNames.destroyed) {
            do throws(BackupFailure) {
                let entry = try await reader.destroyed(name, of: desk.keys.store)
                do throws(StorageFailure) {
                    if try store.entry(entry.id, kind: .destroyedKey) == nil { unknown.append(entry) }
                } catch {
                    throw .store
                }
            } catch {
                switch error {
                case .altered, .foreignSigner, .missing, .unknownFormat: faults.append(error)
                default: throw error
                }
            }
        }
        return (unknown, faults)
    }

    /// Names of destroyed keys that the list at the place lacks, does not say as the store does, or has alone.
    public func destroyedFaults() async throws(BackupFailure) -> [BackupFailure] {
        let entries: [StoredEntry]
        do throws(StorageFailure) { entries = try store.entries(.destroyedKey) } catch { throw .store }
        var faults: [BackupFailure] = []
        for entry in entries {
            let name = BackupNames.destroyed(entry.id)
            do throws(BackupFailure) {
                if try await reader.destroyed(name, of: desk.keys.store) != entry { faults.append(.altered(name)) }
            } catch {
                faults.append(error)
            }
        }
        let known = Set(entries.map { BackupNames.destroyed($0.id) })
        // Of what the store does not know, each is a fault: of the list, or of the store, in which that key may still live.
        for name in try await destination.list(BackupNames.destroyed) where !known.contains(name) {
            faults.append(.altered(name))
        }
        return faults
    }

    /// Full backups that still hold the key of a patient whose key was destroyed, and when the last of them goes.
    public struct Holding: Sendable {
        public let numbers: [Int64]
        /// If from now on one full backup is made each day: the day on which the last of them, and the stream from before,
        /// is let go of; nil where none holds it.
        public let until: Instant?
        /// Whether the list at the place names it.
        public let isListed: Bool
    }

    /// What of the backups at the place still holds a key that was destroyed at `time`.
    public func holding(
        _ id: Locator, destroyedAt time: Instant, now: Instant
    ) async throws(BackupFailure) -> Holding {
        let isListed = try await destination.size(of: BackupNames.destroyed(id)) != nil
        let manifests = try await reader.list()
        // An empty folder says nothing: its disk is elsewhere, or it is not the place that was meant.
        guard !manifests.isEmpty else { throw .empty }
        // A minute more: a manifest is dated after its moment.
        let holders = manifests.filter { $0.made <= time.adding(seconds: 60) }.map(\.number)
        let segments = try await destination.list(BackupNames.stream)
        guard !holders.isEmpty || !segments.isEmpty else {
            return Holding(numbers: [], until: nil, isListed: isListed)
        }
        return Holding(
            numbers: holders,
            until: retention.lastDay(
                of: Set(holders), before: time, among: manifests.map { ($0.number, $0.made) }, now: now),
            isListed: isListed)
    }
}

extension BackupRetention {
    /// When the last of some backups goes, if one is made each day from `now` on; nil if nothing from before `time` is there.
    func lastDay(
        of holders: Set<Int64>, before time: Instant, among backups: [(number: Int64, made: Instant)], now: Instant
    ) -> Instant? {
        var there = backups.map { (backup: $0.number, number: $0.number, made: $0.made) }
        // The stream reaches back to the oldest of the days of which all are kept.
        func isHeld() -> Bool {
            there.contains { holders.contains($0.number) }
                || (oldestDaily(there.map { (backup: $0.made, number: $0.number, made: $0.made) }) ?? time) <= time
        }
        guard isHeld() else { return nil }
        var number = there.map(\.number).max() ?? 0
        for day in 1...Int64(days + 7 * weeks + 31 * months + 62) {
            number += 1
            let made = now.adding(seconds: day * 86_400)
            there.append((backup: number, number: number, made: made))
            let kept = Set(kept(there))
            there.removeAll { !kept.contains($0.number) }
            if !isHeld() { return made }
        }
        return nil
    }
}

extension BackupReader {
    /// What the place says was destroyed.
    ///
    /// - Throws: for any object of the list that is not as it was written: none is passed over.
    func destroyed(of store: String) async throws(BackupFailure) -> [StoredEntry] {
        var found: [StoredEntry] = []
        for name in try await destination.list(BackupNames.destroyed) {
            found.append(try await destroyed(name, of: store))
        }
        return found
    }

    fileprivate func destroyed(_ name: String, of store: String) async throws(BackupFailure) -> StoredEntry {
        let signed = try Signed(try await destination.get(name), name: name)
        guard isTrusted(signed.signer) else { throw .foreignSigner(name) }
        let (owner, entry) = try DestroyedKeyObject.decoded(signed.body, name: name)
        guard owner == store else { throw .foreignSigner(name) }
        return entry
    }
}

extension BackupRestore {
    /// Which patients' keys were destroyed, as the backup's place says: to be destroyed again before the store opens.
    public func destroyed(of report: Report) async throws(BackupFailure) -> [StoredEntry] {
        try await reader.destroyed(of: report.store)
    }
}
