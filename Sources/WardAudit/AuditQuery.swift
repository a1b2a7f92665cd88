public import WardCore
public import WardFHIR
import WardStorage

/// What somebody wants to see of the log: facets that are looked up, and what is held against each event that opens.
public struct AuditQuery: Sendable {
    /// Every one must hold.
    public var facets: [AuditFacet]
    public var filter: AuditFilter

    public init(facets: [AuditFacet] = [], filter: AuditFilter = AuditFilter()) {
        self.facets = facets
        self.filter = filter
    }
}

/// Conditions on an opened event; nil asks nothing.
public struct AuditFilter: Sendable {
    /// Inclusive.
    public var from: Instant?
    /// Exclusive.
    public var to: Instant?
    public var purpose: PurposeOfUse?
    /// One of the roles of who acted.
    public var role: String?
    /// Type of the request, or of one of its records.
    public var type: ResourceType?
    public var device: String?
    /// Only what was done in an emergency, or about one.
    public var isEmergency = false
    /// Only success; the other outcomes are facets.
    public var isSuccess = false
    /// Only sign-ins from a device that the account was never used from before.
    public var isNewDevice = false
    /// Anything else.
    public var also: (@Sendable (LoggedEvent) -> Bool)?

    public init() {}

    func permits(_ logged: LoggedEvent) -> Bool {
        let event = logged.event
        if let from, event.time < from { return false }
        if let to, event.time >= to { return false }
        if let purpose, event.purpose != purpose { return false }
        if let role, !(event.actor?.role.split(separator: " ").contains { $0 == role } ?? false) { return false }
        if let type, event.type != type, !event.records.contains(where: { $0.type == type }) { return false }
        if let device, event.device != device { return false }
        if isEmergency, event.emergency == nil { return false }
        if isSuccess, event.outcome != .success { return false }
        if isNewDevice, !event.isNewDevice { return false }
        return also?(logged) ?? true
    }
}

/// Some events, newest first.
public struct AuditPage: Sendable {
    public let events: [LoggedEvent]
    /// Where the next page begins; nil at the end.
    public let next: Int64?
    /// Events in between whose content is past its retention and gone.
    public let pruned: Int

    public init(events: [LoggedEvent], next: Int64?, pruned: Int) {
        self.events = events
        self.next = next
        self.pruned = pruned
    }
}

extension AuditLog {
    /// Events that a query asks for, newest first.
    ///
    /// Reading the log is itself an event; the caller appends it before showing anything. Within a range of time the log
    /// is taken to be in order but for ``slack``: events of a clock that was wrong by more may be left out of it. Events of
    /// a spool stand at any place, and are looked for at every one.
    ///
    /// - Parameters:
    ///   - before: only leaves below this index; pass ``AuditPage/next`` for the next page.
    ///   - looking: opens so many events at most; a page may then be short, or empty, and still have a next one.
    public func page(
        _ query: AuditQuery, before: Int64 = .max, limit: Int, looking: Int = 20_000
    ) throws(AuditFailure) -> AuditPage {
        guard limit > 0 else { return AuditPage(events: [], next: nil, pruned: 0) }
        let top = min(max(before, 0), checkpoint.size)
        var end = top
        var lowest: Int64 = 0
        if let to = query.filter.to {
            end = min(end, try firstLeaf(at: to.adding(seconds: Self.slack), passingPruned: true))
        }
        if let from = query.filter.from {
            lowest = try firstLeaf(at: from.adding(seconds: -Self.slack), passingPruned: false)
        }
        var found: [LoggedEvent] = []
        var next: Int64?
        var (pruned, opened) = (0, 0)
        var prunings: Prunings?
        func look(_ index: Int64) throws(AuditFailure) -> Bool {
            if found.count == limit || opened == looking {
                next = index + 1
                return false
            }
            opened += 1
            guard let logged = try event(at: index, &prunings) else {
                pruned += 1
                return true
            }
            if query.facets.allSatisfy(logged.event.has), query.filter.permits(logged) { found.append(logged) }
            return true
        }
        func walk(_ facets: [AuditFacet], before end: Int64, from lowest: Int64) throws(AuditFailure) {
            guard next == nil, lowest < end else { return }
            try index.walk(facets.map(keys.token), before: end, from: lowest, look)
        }
        try walk(query.facets + [.spooled], before: top, from: end)
        if query.facets.isEmpty {
            var index = end
            while index > lowest, next == nil {
                index -= 1
                guard try look(index) else { break }
            }
        } else {
            try walk(query.facets, before: end, from: lowest)
        }
        try walk(query.facets + [.spooled], before: min(lowest, end), from: 0)
        return AuditPage(events: found, next: next, pruned: pruned)
    }

    /// Seconds by which times may be out of the log's order.
    public static let slack: Int64 = 86_400

    /// One event; nil if its content is past its retention and gone.
    public func event(at index: Int64) throws(AuditFailure) -> LoggedEvent? {
        var prunings: Prunings?
        return try event(at: index, &prunings)
    }

    /// - Parameter prunings: read at the first event without content.
    private func event(at index: Int64, _ prunings: inout Prunings?) throws(AuditFailure) -> LoggedEvent? {
        let stored: StoredLeaf?
        do throws(StorageFailure) { stored = try store.leaves(from: index, limit: 1).first } catch { throw .storage }
        guard let stored, stored.index == index else { throw .damaged }
        if stored.isPruned {
            // Its time is over, as the log says; or somebody took it away.
            if prunings == nil { prunings = try self.prunings() }
            guard prunings?.cover(index) ?? false else { throw .damaged }
            return nil
        }
        return LoggedEvent(
            index: index, event: try keys.open(leaf: stored.leaf, payload: stored.payload),
            leafHash: MerkleHash.leaf(stored.leaf))
    }

    /// The first leaf at or after a time, by halving; leaves without content are passed over, and so are those of a spool,
    /// whose times are out of order.
    ///
    /// - Parameter passingPruned: whether a long run of leaves without content counts as older than `time`. Where it
    ///   stands nobody knows, so that the answer errs on the side of looking at more.
    private func firstLeaf(at time: Instant, passingPruned: Bool) throws(AuditFailure) -> Int64 {
        var (low, high) = (Int64(0), checkpoint.size)
        var prunings: Prunings?
        while low < high {
            let middle = (low + high) / 2
            var (probe, step) = (middle, Int64(1))
            var logged = try event(at: probe, &prunings)
            while logged?.event.spooled != nil || logged == nil, probe + step < high, step > 1 || probe < middle + 64 {
                probe += step
                // A spool may be long: ever further ahead, past events of others too.
                if logged != nil || step > 1 { step *= 2 }
                logged = try event(at: probe, &prunings)
            }
            guard let logged, logged.event.spooled == nil else {
                if passingPruned { low = probe + 1 } else { high = middle }
                continue
            }
            if logged.event.time < time { low = probe + 1 } else { high = step > 1 ? probe : middle }
        }
        return low
    }
}
