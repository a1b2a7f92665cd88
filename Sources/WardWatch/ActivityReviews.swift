import Synchronization
public import WardAudit
public import WardCore
public import WardCrypto
public import WardStorage

/// Why a week could not be looked at or signed for.
public enum ActivityFailure: Error, Hashable, Sendable {
    case auditUnavailable
    /// Another week is being gone through for somebody else.
    case busy
    /// Something of the week is different from what was shown; it has to be looked at again.
    case changed
    case noteTooLong
    /// The week is not over.
    case notOver
    /// Somebody has signed who is enough.
    case signed
    /// The same person does not sign twice.
    case secondPersonNeeded
    case storage
    case unknown
}

/// The weekly review of system activity: what happened, who signed for it, what is overdue (45 CFR
/// 164.308(a)(1)(ii)(D)).
///
/// A week in which nothing was logged needs nobody. Whoever something of the week is of or about does not sign alone:
/// another one has to sign as well, unless there is nobody else who could, which the log and the list then say.
public final class ActivityReviews: Sendable {
    private struct State {
        var reviews: [ActivityWeek: ActivityReview] = [:]
        /// Weeks with events; a week that is over keeps them.
        var known: Set<ActivityWeek> = []
        /// Weeks that none of the first ``seen`` events of the log is of.
        var empty: Set<ActivityWeek> = []
        var seen: Int64 = 0
        var busy: Set<ActivityWeek> = []
    }

    /// How far back weeks are asked for: as long as events are kept.
    private static let mostWeeks = 522
    /// Events that are looked at for weeks without any; of more, such weeks are asked for again.
    private static let mostNew: Int64 = 10_000

    private let state: Mutex<State>
    /// A week is opened for one at a time.
    private let gathering = Turnstile()
    private let log: AuditLog
    private let desk: AlertDesk
    private let sealing: SealingKey
    private let locators: MacKey

    /// - Parameter material: derived from the tenant key for these reviews alone.
    public init(
        store: any SealedStore, material: KeyMaterial, log: AuditLog, desk: AlertDesk
    ) throws(ActivityFailure) {
        (self.log, self.desk) = (log, desk)
        sealing = SealingKey(material.derived("ward/activity/1"))
        locators = MacKey(material.derived("ward/activity-id/1"))
        var state = State()
        do throws(StorageFailure) {
            for entry in try store.entries(.activityReview) {
                guard let bytes = try? sealing.open(entry.sealed, boundTo: Self.context(entry.id)),
                    let review = ActivityReview(decoding: bytes)
                else { throw .corrupt }
                state.reviews[review.week] = review
            }
        } catch {
            throw .storage
        }
        self.state = Mutex(state)
    }

    // MARK: Looking

    /// Weeks that are over and in which something was logged, newest first, with who signed for them.
    public func weeks(at now: Instant) throws(ActivityFailure) -> [ActivityReview] {
        guard let first = try firstTime() else { return [] }
        try takeNoteOfNew()
        var week = ActivityWeek(containing: now.adding(seconds: -ActivityWeek.seconds))
        let oldest = max(
            ActivityWeek(containing: first),
            ActivityWeek(containing: now.adding(seconds: -Int64(Self.mostWeeks) * ActivityWeek.seconds)))
        var found: [ActivityReview] = []
        while week >= oldest {
            if let review = state.withLock({ $0.reviews[week] }) {
                found.append(review)
            } else if try hasEvents(week) {
                found.append(ActivityReview(week: week))
            }
            week = ActivityWeek(containing: week.start.adding(seconds: -1))
        }
        return found
    }

    public func review(_ week: ActivityWeek) -> ActivityReview {
        state.withLock { $0.reviews[week] } ?? ActivityReview(week: week)
    }

    /// Weeks past their due day without enough signatures, newest first.
    public func overdue(at now: Instant) throws(ActivityFailure) -> [ActivityReview] {
        try weeks(at: now).filter { !$0.isComplete && $0.week.due <= now }
    }

    /// What happened in a week; that somebody looked is in the log first.
    public func activity(
        of week: ActivityWeek, by actor: AuditActor, source: RequestSource, at now: Instant
    ) async throws(ActivityFailure) -> WeekActivity {
        guard week.end <= now else { throw .notOver }
        guard gathering.enter() else { throw .busy }
        defer { gathering.leave() }
        let event = AuditEvent(
            kind: .auditRead, time: now, outcome: .success, actor: actor, purpose: .operations, source: source,
            decision: "activity-review/\(week.text)")
        do throws(AuditFailure) { _ = try await log.append(event) } catch { throw .auditUnavailable }
        return try await gather(week)
    }

    /// Not on the event loop of a request: a week of events may be opened.
    @concurrent private func gather(_ week: ActivityWeek) async throws(ActivityFailure) -> WeekActivity {
        var gathering = ActivityGathering(log: log, week: week)
        let lines: [WeekActivity.Line]
        do throws(AuditFailure) { lines = try await gathering.lines() } catch { throw .auditUnavailable }
        return WeekActivity(
            week, lines, desk.list.filter { $0.alert.time >= week.start && $0.alert.time < week.end },
            subjects: gathering.subjects)
    }

    private func hasEvents(_ week: ActivityWeek) throws(ActivityFailure) -> Bool {
        let known: Bool? = state.withLock { state in
            state.known.contains(week) ? true : state.empty.contains(week) ? false : nil
        }
        if let known { return known }
        var query = AuditQuery()
        (query.filter.from, query.filter.to) = (week.start, week.end)
        let size = log.checkpoint.size
        let isThere: Bool
        do throws(AuditFailure) {
            isThere = try !log.page(query, limit: 1, looking: .max).events.isEmpty
        } catch {
            throw .auditUnavailable
        }
        state.withLock { state in
            if isThere {
                state.known.insert(week)
            } else {
                state.seen = state.empty.isEmpty ? size : min(state.seen, size)
                state.empty.insert(week)
            }
        }
        return isThere
    }

    /// Weeks without events may have got some by now, of a clock that is wrong: looks at what is new.
    private func takeNoteOfNew() throws(ActivityFailure) {
        let size = log.checkpoint.size
        let (seen, isNeeded) = state.withLock { ($0.seen, !$0.empty.isEmpty && $0.seen < size) }
        guard isNeeded else { return }
        guard size - seen <= Self.mostNew else { return state.withLock { $0.empty = [] } }
        var (next, weeks) = (seen, Set<ActivityWeek>())
        while next < size {
            let end = min(next + 500, size)
            do throws(AuditFailure) {
                for logged in try log.events(with: [], before: end, limit: Int(end - next)) {
                    weeks.insert(ActivityWeek(containing: logged.event.time))
                }
            } catch {
                throw .auditUnavailable
            }
            next = end
        }
        state.withLock { state in
            state.empty.subtract(weeks)
            // Somebody else may have looked from further back meanwhile.
            if state.seen == seen { state.seen = size }
        }
    }

    /// When the log begins.
    private func firstTime() throws(ActivityFailure) -> Instant? {
        guard log.checkpoint.size > 0 else { return nil }
        do throws(AuditFailure) {
            return try log.event(at: 0)?.event.time ?? Instant(microseconds: 0)
        } catch {
            throw .auditUnavailable
        }
    }

    // MARK: Signing

    /// Signs for a week as it was shown.
    ///
    /// - Parameters:
    ///   - hash: ``WeekActivity/hash`` of what was shown.
    ///   - isAlone: whether nobody else could sign.
    ///   - areOneHuman: whether two accounts, as the log names them, are one human's.
    public func sign(
        _ week: ActivityWeek, hash: String, note: PHI<String>, by actor: AuditActor, isAlone: Bool,
        source: RequestSource, at now: Instant, areOneHuman: @Sendable (String, String) -> Bool
    ) async throws(ActivityFailure) {
        guard week.end <= now else { throw .notOver }
        guard try weeks(at: now).contains(where: { $0.week == week }) else { throw .unknown }
        guard note.exposed({ $0.utf8.count }) <= ActivityReview.longestNote else { throw .noteTooLong }
        guard state.withLock({ $0.busy.insert(week).inserted }) else { throw .changed }
        defer { state.withLock { _ = $0.busy.remove(week) } }
        var review = review(week)
        guard !review.isComplete else { throw .signed }
        guard !review.signatures.contains(where: { areOneHuman($0.who, actor.id) }) else { throw .secondPersonNeeded }
        guard gathering.enter() else { throw .busy }
        defer { gathering.leave() }
        let activity = try await gather(week)
        guard activity.hash == hash else { throw .changed }
        let isSubject = activity.subjects.contains { areOneHuman($0, actor.id) }
        review.signatures.append(
            ActivityReview.Signature(
                who: actor.id, time: now, hash: hash, note: note, isSubject: isSubject, isAlone: isAlone))
        var decision = "week \(week.text) sha256 \(hash)"
        if !review.isComplete { decision += "; somebody else has to sign as well" }
        if review.isAlone { decision += "; about the signer as well, nobody else could sign" }
        try await commit(
            AuditEvent(
                kind: .activityReviewed, time: now, outcome: .success, actor: actor, purpose: .operations,
                source: source, decision: decision), review)
    }

    /// Puts each week that was not signed for in time into the log, once; from there it is an alert.
    public func escalate(at now: Instant) async throws(ActivityFailure) {
        for late in try overdue(at: now).reversed() where late.escalated == nil {
            guard state.withLock({ $0.busy.insert(late.week).inserted }) else { continue }
            defer { state.withLock { _ = $0.busy.remove(late.week) } }
            // Somebody may have signed since the list was made.
            var review = review(late.week)
            guard !review.isComplete, review.escalated == nil else { continue }
            review.escalated = now
            try await commit(
                AuditEvent(
                    kind: .activityReviewOverdue, time: now, outcome: .failed, actor: nil,
                    purpose: .systemAdministration, source: .system, decision: "week \(review.week.text)"), review)
        }
    }

    private func commit(_ event: AuditEvent, _ review: ActivityReview) async throws(ActivityFailure) {
        let id = locators.tag(Array("week".utf8), Array(review.week.text.utf8)).locator
        guard let sealed = try? sealing.seal(review.encoded(), boundTo: Self.context(id)) else { throw .storage }
        do throws(SubmissionFailure) {
            _ = try await log.commit(event, entries: [.put(StoredEntry(id: id, sealed: sealed), .activityReview)])
        } catch {
            throw .auditUnavailable
        }
        state.withLock { $0.reviews[review.week] = review }
    }

    private static func context(_ id: Locator) -> [UInt8] { Array("ward/activity-review/".utf8) + id.bytes }
}
