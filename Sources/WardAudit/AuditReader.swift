import WardCore
import WardCrypto
import WardStorage

/// One event with its place in the log.
public struct LoggedEvent: Sendable {
    public let index: Int64
    public let event: AuditEvent

    public init(index: Int64, event: AuditEvent) {
        self.index = index
        self.event = event
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
        let limit = max(limit, 0)
        var before = max(before, 0)
        let tokens = facets.map(keys.token)
        var found: [LoggedEvent] = []
        var prunings: Prunings?
        while found.count < limit {
            let wanted = limit - found.count
            let indexes: [Int64]
            if facets.isEmpty {
                let end = min(before, checkpoint.size)
                indexes = Array((max(0, end - Int64(min(wanted, Int(end))))..<end).reversed())
            } else {
                indexes = try index.leaves(with: tokens, before: before, limit: wanted)
            }
            guard let last = indexes.last else { break }
            before = last
            for index in indexes {
                guard let leaf = try stored(from: index, limit: 1).first, leaf.index == index else { throw .damaged }
                // Its time is over: nobody reads it any more.
                if leaf.isPruned {
                    if prunings == nil { prunings = try self.prunings() }
                    if prunings?.cover(index) ?? false { continue }
                }
                found.append(LoggedEvent(index: index, event: try keys.open(leaf: leaf.leaf, payload: leaf.payload)))
            }
        }
        return found
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
