import WardCore
public import WardStorage

extension AuditLog {
    /// Whether the log is a continuation of a checkpoint.
    public func continues(_ checkpoint: Checkpoint) throws(AuditFailure) -> Bool {
        guard checkpoint.origin == origin else { return false }
        return try tiles.holds(checkpoint)
    }

    /// Opens a leaf that was written under this log's keys elsewhere, after checking its payload against it.
    public func opened(_ leaf: StoredLeaf) throws(AuditFailure) -> AuditEvent {
        try keys.open(leaf: leaf.leaf, payload: leaf.payload)
    }

    /// The tiles that leaves fill which come after the first `size` ones, those being in `store`.
    package static func tiles(
        filledBy leaves: [StoredLeaf], after size: Int64, in store: any SealedStore
    ) throws(AuditFailure) -> [TileBuilder.Tile] {
        guard !leaves.isEmpty else { return [] }
        var tiles = try Sequencer.edge(of: size, store).tiles
        return leaves.flatMap { tiles.append(MerkleHash.leaf($0.leaf)) }
    }

    /// Takes events of a spool into the log, in their order, with their own times, in one transaction with `entries`.
    ///
    /// What they account for in the store of that time is not in this one, and is left out.
    public func take(
        spooled events: [AuditEvent], entries: [EntryWrite]
    ) async throws(SubmissionFailure) {
        var leaves: [SealedLeaf] = []
        for (number, event) in events.enumerated() {
            var event = event
            event.entries = number == events.count - 1 ? entries.map(AuditedEntry.init) : []
            guard let sealed = try? keys.seal(event) else { throw .unavailable }
            leaves += sealed
        }
        guard !leaves.isEmpty else { return }
        let result: Result<Committed, SubmissionFailure> = await withCheckedContinuation { continuation in
            submit(
                Submission(
                    leaves: leaves, writes: [], entries: entries, applied: { _ in },
                    answer: { continuation.resume(returning: $0) }))
        }
        clock.note()
        _ = try result.get()
    }
}
