import Synchronization
public import WardAudit
public import WardCore

/// Follows the log: takes note of what is durable, judges it elsewhere, keeps what is found.
///
/// Begins where it left off: events that came while nobody watched are read from the log first. What is known is put
/// away with every alert, every quarter of an hour, and at the end; events after that are judged again after a crash,
/// and give alerts of the same ids, which are kept once.
public final class WatchPost: Sendable {
    public let desk: AlertDesk
    private let watch: Watch
    private let facts: any WatchFacts
    private let log: AuditLog
    /// The first run on a log that was there before: its past teaches, and alerts nobody.
    private let isFirst: Bool
    private let start: Int64
    private let queue = Mutex(Queue())
    /// Alerts that are not on disk yet. An event is judged under this lock, so that whoever finds nothing here knows of no
    /// event whose alerts are still to come.
    private let pending = Mutex<[Alert]>([])
    /// What is known is written by one at a time: a lesson that was kept is not overwritten by what was known before it.
    private let keeping = Turnstile()
    private let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    private struct Queue {
        /// As the log handed them over: taking note copies no event.
        var batches: [[LoggedEvent]] = []
        var held = 0
        /// The event to be judged next; nil until the watch begins.
        var next: Int64?
        var kept = Instant.now()
    }

    /// Events held in memory; of more, the log is read again.
    private static let mostHeld = 10_000
    private static let keepingSeconds: Int64 = 900

    public init(desk: AlertDesk, facts: any WatchFacts, log: AuditLog, settings: WatchSettings = WatchSettings()) {
        self.desk = desk
        self.facts = facts
        self.log = log
        isFirst = desk.stored == nil
        start = log.checkpoint.size
        watch = Watch(facts: facts, settings: settings, knowledge: desk.stored ?? WatchKnowledge())
    }

    /// What answers have taught, and the weight from which a look is odd.
    public var lessons: [WatchLesson] { watch.knowledge.lessons }
    public var threshold: Double { watch.threshold }
    public var daysKnown: Double { watch.knowledge.daysKnown }

    /// Watches until ``stop()``.
    public func run() async {
        queue.withLock { $0.next = watch.knowledge.next }
        log.observe { [self] events in
            queue.withLock { queue in
                queue.batches.append(events)
                queue.held += events.count
                // The judge reads what is let go of here from the log again.
                while queue.held > Self.mostHeld, queue.batches.count > 1 {
                    queue.held -= queue.batches.removeFirst().count
                }
            }
            signal.yield()
        }
        let clock = Task { [self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(5))
                signal.yield()
            }
        }
        await drain()
        for await _ in signals { await drain() }
        clock.cancel()
        await drain()
        if pending.withLock({ $0.isEmpty }) { await keep() }
    }

    /// Lets ``run()`` end after what is there.
    public func stop() { signal.finish() }

    private func drain() async {
        while true {
            let (batches, next) = queue.withLock { queue in
                defer {
                    queue.batches.removeAll(keepingCapacity: true)
                    queue.held = 0
                }
                return (queue.batches, queue.next ?? 0)
            }
            let end = batches.first?.first?.index ?? log.checkpoint.size
            if end > next, !(await catchUp(from: next, to: end)) {
                // A log that cannot be read now is read at the next signal; nothing is skipped.
                return
            }
            for batch in batches { for event in batch { await judge(event) } }
            if batches.isEmpty { break }
        }
        pending.withLock { $0 += watch.pass(at: .now()) }
        await keepPending()
        // Never past events whose alerts are not on disk yet.
        let isDue = queue.withLock { $0.kept.adding(seconds: Self.keepingSeconds) < .now() }
        if isDue, pending.withLock({ $0.isEmpty }) { await keep() }
    }

    private func keep() async {
        guard await keeping.enterInTurn() else { return }
        defer { keeping.leave() }
        if (try? await desk.keep(watch.knowledge)) != nil { queue.withLock { $0.kept = .now() } }
    }

    private func catchUp(from first: Int64, to end: Int64) async -> Bool {
        var next = first
        while next < end {
            let upTo = min(next + 500, end)
            guard let events = try? log.events(with: [], before: upTo, limit: Int(upTo - next)) else { return false }
            for event in events.reversed() { await judge(event) }
            next = upTo
        }
        return true
    }

    private func judge(_ event: LoggedEvent) async {
        guard event.index >= queue.withLock({ $0.next ?? 0 }) else { return }
        let isAny = pending.withLock { pending in
            let found = watch.take(event) + (Alert.ofTrouble(event).map { [$0] } ?? [])
            guard !found.isEmpty, !(isFirst && event.index < start) else { return false }
            pending += found
            return true
        }
        queue.withLock { $0.next = event.index + 1 }
        if isAny { await keepPending() }
    }

    /// Alerts that could not be written wait for the next signal; none is lost while the process lives, and after it
    /// their events are judged again.
    private func keepPending() async {
        guard await keeping.enterInTurn() else { return }
        defer { keeping.leave() }
        let alerts = pending.withLock { $0 }
        guard !alerts.isEmpty else { return }
        do throws(AlertFailure) {
            try await desk.raise(alerts, role: role, watch.knowledge)
            pending.withLock { $0.removeFirst(alerts.count) }
            queue.withLock { $0.kept = .now() }
        } catch {
            return
        }
    }

    private func role(_ alert: Alert) -> String {
        alert.actor.flatMap { facts.person($0)?.roles.first } ?? ""
    }

    // MARK: Answers

    /// The events that an alert is about; reading them is an event itself.
    public func events(
        of record: AlertRecord, by actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(AlertFailure) -> [LoggedEvent] {
        var event = AuditEvent(
            kind: .auditRead, time: now, outcome: .success, actor: actor, purpose: .systemAdministration,
            source: source, decision: "alert/\(record.alert.id)")
        event.subject = record.alert.actor
        do throws(AuditFailure) { _ = try await log.append(event) } catch { throw .auditUnavailable }
        var found: [LoggedEvent] = []
        for index in record.alert.events {
            guard let page = try? log.events(with: [], before: index + 1, limit: 1) else { throw .storage }
            found += page.filter { $0.index == index }
        }
        return found
    }

    /// Answers an alert; a dismissal as expected raises what the rule asks for, by one step.
    ///
    /// - Parameter wholeRole: whether it is expected of everybody in the role.
    public func answer(
        _ id: String, _ act: AlertRecord.Act, reason: AlertRecord.Reason? = nil, text: PHI<String>,
        wholeRole: Bool = false, by actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(AlertFailure) {
        let isLesson = act == .dismiss && reason == .expected
        guard isLesson, let record = desk.record(id), let subject = subject(of: record, wholeRole) else {
            return try await desk.answer(id, act, reason: reason, text: text, by: actor, source: source, at: now) {
                _ in nil
            }
        }
        guard await keeping.enterInTurn() else { throw .auditUnavailable }
        defer { keeping.leave() }
        let rule = record.alert.rule
        try await desk.answer(id, act, reason: reason, text: text, by: actor, source: source, at: now) { _ in
            pending.withLock { $0.isEmpty ? watch.knowledge(learning: rule, of: subject) : nil }
        }
        // Learnt once the answer is durable: one that failed teaches nothing, and is repeated as if it were the first.
        watch.learn(rule, of: subject)
    }

    /// Whom a lesson is about: the account, or everybody in its role.
    private func subject(of record: AlertRecord, _ wholeRole: Bool) -> String? {
        wholeRole && !record.role.isEmpty ? record.role : record.alert.actor
    }
}
