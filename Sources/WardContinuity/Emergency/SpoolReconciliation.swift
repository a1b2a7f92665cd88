public import WardAudit
public import WardCore
public import WardCrypto
public import WardStorage

/// What came of taking a spool into the log.
public struct SpoolReport: Sendable {
    public let spool: String
    /// Events in the spool, and how many of them were taken now.
    public let events: Int
    public let taken: Int
    /// Whether each run of the mode ended in order: without that, what was answered last in it may be missing.
    public let isEndSeen: Bool
    /// Runs that did not.
    public let unclosedRuns: Int
    /// Bytes that were no whole record, now and at each start since.
    public let looseBytes: Int
    /// Sessions of the store that ended at that time: they are gone from the store now.
    public let endedSessions: Set<Locator>
    public let first: Instant?
    public let last: Instant?
}

/// Takes the events of a read-only emergency into the store's log, each exactly once.
public struct SpoolReconciliation: Sendable {
    private let store: any SealedStore
    private let log: AuditLog
    private let key: SpoolKey
    private let entryKey: SealingKey
    private static let context = Array("ward/spool-progress/1".utf8)
    /// Events of about this many are one transaction.
    private static let batch = 256

    public init(store: any SealedStore, material: KeyMaterial, log: AuditLog) {
        self.store = store
        self.log = log
        key = SpoolKey(material)
        entryKey = SealingKey(material.derived("ward/spool-entry/1"))
    }

    /// Up to where a spool stands in the log; in the transaction that took it there.
    private struct Progress {
        var records = 0
        var events: Int64 = 0
        var chain: Digest
        var isDone = false
    }

    /// Checks the whole spool, and then takes what is not in the log yet.
    ///
    /// Can be repeated after any interruption: the transaction that takes events says how far it came.
    ///
    /// - Throws: ``SpoolFailure``; then nothing of this call is in the log, or all up to a record that the next call goes on
    ///   from.
    public func take(
        _ bytes: [UInt8], by actor: AuditActor, source: RequestSource, progress: (Int, Int) -> Void = { _, _ in }
    ) async throws(SpoolFailure) -> SpoolReport {
        var start = ByteReader(bytes)
        let header = try SpoolHeader(&start)
        guard header.checkpoint.origin == log.origin else { throw .foreign }
        let spool = try SpoolContent(bytes, key: key)
        do throws(AuditFailure) {
            guard try log.continues(header.checkpoint) else { throw AuditFailure.closed }
        } catch {
            throw error == .closed ? .unknownCheckpoint : .store
        }
        let events = try opened(spool)
        var known = try known(header)
        guard known.records <= spool.records.count,
            known.chain == (known.records == 0 ? header.start : spool.records[known.records - 1].chain)
        else { throw .rewound }
        let before = Int(known.events)
        let ended = try ended(spool)
        var done = before
        while done < events.count {
            // Whole records only: one was one transaction then, too.
            var end = min(done + Self.batch, events.count)
            while end < events.count, events[end].record == events[end - 1].record { end += 1 }
            known.records = events[end - 1].record
            (known.events, known.chain) = (Int64(end), spool.records[known.records - 1].chain)
            known.isDone = false
            try await commit(events[done..<end].map(\.event), [try entry(known, header)])
            done = end
            progress(done, events.count)
        }
        if !known.isDone || known.chain != spool.end || known.records != spool.records.count {
            (known.records, known.chain, known.isDone) = (spool.records.count, spool.end, true)
            let end = try sealed(Array(header.name.utf8))
            let missing =
                spool.isClosed
                ? "closed" : "end not seen, runs \(spool.unclosedRuns) loose \(spool.looseBytes)"
            var event = AuditEvent(
                kind: .spoolReconciled, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
                source: source,
                decision: "\(header.name) after \(header.checkpoint.size) events \(events.count) end "
                    + "\(hex(spool.end.bytes)) \(missing)")
            event.candidates = 0
            do throws(SubmissionFailure) {
                _ = try await log.commit(
                    event,
                    entries: [
                        try progressEntry(known, header),
                        .put(StoredEntry(id: Self.endPlace(spool.end), sealed: end), .spoolEnd),
                    ] + ended.map { .remove($0, .session) })
            } catch {
                throw .store
            }
        }
        return SpoolReport(
            spool: header.name, events: events.count, taken: events.count - before, isEndSeen: spool.isClosed,
            unclosedRuns: spool.unclosedRuns, looseBytes: spool.looseBytes, endedSessions: ended,
            first: events.first?.event.time, last: events.last?.event.time)
    }

    /// Sessions that the store goes on with, though their people or an officer ended them at that time.
    private func ended(_ spool: SpoolContent) throws(SpoolFailure) -> Set<Locator> {
        let there: [StoredEntry]
        do throws(StorageFailure) { there = try store.entries(.session) } catch { throw .store }
        return spool.endedSessions.intersection(there.map(\.id))
    }

    /// Whether a spool, as it is now, is in the log of a store as a whole; needs no key.
    public static func isTaken(_ outline: SpoolOutline, in store: any SealedStore) throws(StorageFailure) -> Bool {
        try store.entry(endPlace(outline.end), kind: .spoolEnd) != nil
    }

    private static func endPlace(_ end: Digest) -> Locator { Locator(bytes: end.bytes.prefix(16)) ?? .none }

    private func opened(_ spool: SpoolContent) throws(SpoolFailure) -> [(record: Int, event: AuditEvent)] {
        var events: [(record: Int, event: AuditEvent)] = []
        for (record, leaf) in spool.leaves {
            // In the order in which that log gave them their numbers, from the copy's end on, without a gap.
            guard leaf.index == spool.header.checkpoint.size + Int64(events.count),
                var event = try? log.opened(leaf)
            else { throw .altered(record) }
            event.spooled = SpoolPlace(spool: spool.header.name, index: Int64(events.count))
            events.append((record, event))
        }
        return events
    }

    private func commit(_ events: [AuditEvent], _ entries: [EntryWrite]) async throws(SpoolFailure) {
        do throws(SubmissionFailure) { try await log.take(spooled: events, entries: entries) } catch { throw .store }
    }

    // MARK: How far it came

    private func known(_ header: SpoolHeader) throws(SpoolFailure) -> Progress {
        let stored: StoredEntry?
        do throws(StorageFailure) { stored = try store.entry(header.id, kind: .spool) } catch { throw .store }
        guard let stored else { return Progress(chain: header.start) }
        guard let bytes = try? entryKey.open(stored.sealed, boundTo: Self.context + header.id.bytes) else {
            throw .store
        }
        var reader = ByteReader(bytes)
        do throws(ByteReader.Malformed) {
            var progress = Progress(chain: header.start)
            guard try reader.byte() == 1 else { throw ByteReader.Malformed() }
            progress.records = Int(try reader.number())
            progress.events = try reader.number()
            progress.chain = try reader.digest()
            progress.isDone = try reader.byte() == 1
            return progress
        } catch {
            throw .store
        }
    }

    private func entry(_ progress: Progress, _ header: SpoolHeader) throws(SpoolFailure) -> EntryWrite {
        do throws(SubmissionFailure) { return try progressEntry(progress, header) } catch { throw .store }
    }

    private func progressEntry(_ progress: Progress, _ header: SpoolHeader) throws(SubmissionFailure) -> EntryWrite {
        var writer = ByteWriter()
        writer.byte(1)
        writer.number(Int64(progress.records))
        writer.number(progress.events)
        writer.digest(progress.chain)
        writer.byte(progress.isDone ? 1 : 0)
        guard let sealed = try? entryKey.seal(writer.bytes, boundTo: Self.context + header.id.bytes) else {
            throw .unavailable
        }
        return .put(StoredEntry(id: header.id, sealed: sealed), .spool)
    }

    private func sealed(_ content: [UInt8]) throws(SpoolFailure) -> [UInt8] {
        do throws(SealFailure) { return try entryKey.seal(content, boundTo: Self.context) } catch { throw .store }
    }
}
