import WardCore
public import WardCrypto
import WardStorage

/// One event with its place in the log.
public struct LoggedEvent: Sendable {
    public let index: Int64
    public let event: AuditEvent
    /// What the tree commits to at its place; nil where nobody asked.
    public let leafHash: Digest?

    public init(index: Int64, event: AuditEvent, leafHash: Digest? = nil) {
        self.index = index
        self.event = event
        self.leafHash = leafHash
    }
}

extension AuditLog {
    /// Events that carry every facet, newest first.
    ///
    /// Reading the log is itself an event; the caller appends it before showing anything.
    ///
    /// - Parameters:
    ///   - facets: none means every event.
    ///   - before: only leaves below this index; pass the last one of a page for the next page.
    public func events(
        with facets: [AuditFacet], before: Int64 = .max, limit: Int
    ) throws(AuditFailure) -> [LoggedEvent] {
        try page(AuditQuery(facets: facets), before: before, limit: limit, looking: .max).events
    }

    func stored(from index: Int64, limit: Int) throws(AuditFailure) -> [StoredLeaf] {
        do throws(StorageFailure) { return try store.leaves(from: index, limit: limit) } catch { throw .storage }
    }

    func stored(_ tile: TileBuilder.Tile) throws(AuditFailure) -> [UInt8]? {
        do throws(StorageFailure) {
            return try store.tile(level: tile.level, number: tile.number)
        } catch {
            throw .storage
        }
    }
}
