import WardAudit
import WardCore
import WardCrypto

/// Goes through a week of the log, a page at a time: holds counts, running hashes, accounts and the newest events, and
/// not the week, however many events it has.
struct ActivityGathering {
    /// Events held of each kind of a category.
    private static let page = 200
    /// Between two of which others get their turn.
    private static let stretch = 1000

    let log: AuditLog
    let week: ActivityWeek
    /// What came later does not come into it halfway.
    let size: Int64

    private(set) var subjects: Set<String> = []

    init(log: AuditLog, week: ActivityWeek) {
        (self.log, self.week) = (log, week)
        size = log.checkpoint.size
    }

    mutating func lines() async throws(AuditFailure) -> [WeekActivity.Line] {
        var lines: [WeekActivity.Line] = []
        for category in ActivityCategory.allCases { lines.append(try await line(category)) }
        return lines
    }

    private mutating func line(_ category: ActivityCategory) async throws(AuditFailure) -> WeekActivity.Line {
        var sources = category.kinds.map { source(.kind($0), onFailure: $0.isReviewedOnFailure) }
        if category == .refusals { sources = [source(.outcome(.denied))] }
        var (count, events, newest, hash) = (0, 0, [LoggedEvent](), RunningHash())
        while let logged = try Self.takeNewest(&sources, log) {
            events += 1
            count += logged.event.count
            if newest.count < WeekActivity.mostShown { newest.append(logged) }
            hash.update(Array("\(logged.index) \(logged.leafHash.map { hex($0.bytes) } ?? "-")\n".utf8))
            for name in [logged.event.actor?.id, logged.event.subject] {
                if let name, name.hasPrefix("person/") { subjects.insert(name) }
            }
            if events.isMultiple(of: Self.stretch) { await Task.yield() }
        }
        return WeekActivity.Line(
            category: category, count: count, events: events, newest: newest, digest: hex(hash.digest.bytes))
    }

    private func source(_ facet: AuditFacet, onFailure: Bool = false) -> Source {
        var query = AuditQuery(facets: [facet])
        (query.filter.from, query.filter.to) = (week.start, week.end)
        if onFailure { query.filter.also = { $0.event.outcome == .failed || $0.event.decision.contains("fault") } }
        return Source(query: query, next: size)
    }

    /// The newest event of all sources, which are of different events each.
    private static func takeNewest(_ sources: inout [Source], _ log: AuditLog) throws(AuditFailure) -> LoggedEvent? {
        var newest: (place: Int, index: Int64)?
        for place in sources.indices {
            try sources[place].fill(from: log)
            if let index = sources[place].held.last?.index, index > newest?.index ?? -1 { newest = (place, index) }
        }
        return newest.flatMap { sources[$0.place].held.popLast() }
    }

    /// Events of the week with one facet, of which a page is held.
    private struct Source {
        let query: AuditQuery
        /// Where the next page begins; nil at the end.
        var next: Int64?
        /// The newest last.
        var held: [LoggedEvent] = []

        mutating func fill(from log: AuditLog) throws(AuditFailure) {
            while held.isEmpty, let before = next {
                let page = try log.page(query, before: before, limit: ActivityGathering.page)
                (held, next) = (page.events.reversed(), page.next)
            }
        }
    }
}
