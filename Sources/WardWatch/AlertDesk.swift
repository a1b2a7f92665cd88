import Synchronization
public import WardAudit
import WardCore
public import WardCrypto
public import WardStorage

/// Why something of the alerts could not be done.
public enum AlertFailure: Error, Hashable, Sendable {
    case auditUnavailable
    /// Dismissed, or an incident already.
    case decided
    /// About oneself: somebody else has to answer.
    case ownAlert
    case reasonNeeded
    case storage
    case unknown
}

/// Keeps alerts, what became of them, planted records and what the detector knows: sealed, each change in one
/// transaction with an event of the log.
public final class AlertDesk: Sendable {
    private struct State {
        var records: [String: AlertRecord] = [:]
        var decoys: Set<String> = []
        /// Alerts whose change is on its way to the disk.
        var busy: Set<String> = []
        /// Whether there is an entry that nothing reads any more: it goes with the next alert.
        var hasOldNotices = false
    }

    private let state: Mutex<State>
    private let store: any SealedStore
    private let log: AuditLog
    private let sealing: SealingKey
    private let locators: MacKey
    /// One list of planted records is written after the other.
    private let planting = Turnstile()
    /// Whether two that the log names are one human: one's own alert is somebody else's to answer.
    private let isSame: @Sendable (String, String) -> Bool
    /// What was known when the store was last written; nil for a store that never had a detector.
    public let stored: WatchKnowledge?

    /// - Parameters:
    ///   - material: derived from the tenant key for alerts alone.
    ///   - isSame: whether two that the log names, such as `person/ID`, are one human.
    public init(
        store: any SealedStore, material: KeyMaterial, log: AuditLog,
        isSame: @escaping @Sendable (String, String) -> Bool = { $0 == $1 }
    ) throws(AlertFailure) {
        self.isSame = isSame
        self.store = store
        self.log = log
        sealing = SealingKey(material.derived("ward/alerts/1"))
        locators = MacKey(material.derived("ward/alerts-id/1"))
        var state = State()
        do throws(StorageFailure) {
            for entry in try store.entries(.alert) {
                guard let bytes = Self.opened(entry, .alert, sealing), let record = AlertRecord(decoding: bytes) else {
                    throw .corrupt
                }
                state.records[record.alert.id] = record
            }
            stored = try Self.kept("knowledge", store, sealing, locators).flatMap { WatchKnowledge(decoding: $0) }
            if let bytes = try Self.kept("decoys", store, sealing, locators) {
                var coder = KnowledgeCoder(reading: bytes)
                var ids: [String] = []
                coder.list(&ids, empty: "") { $0.text(&$1) }
                guard !coder.isDamaged else { throw .corrupt }
                state.decoys = Set(ids)
            }
            let notices = Self.locator(.watchKnowledge, Self.oldNotices, locators)
            state.hasOldNotices = try store.entry(notices, kind: .watchKnowledge) != nil
        } catch {
            throw .storage
        }
        self.state = Mutex(state)
    }

    // MARK: Looking

    /// All alerts: undecided ones first, the severest first in each, then the newest.
    public var list: [AlertRecord] {
        state.withLock { Array($0.records.values) }.sorted {
            if $0.isDecided != $1.isDecided { return !$0.isDecided }
            if $0.alert.severity != $1.alert.severity { return $0.alert.severity > $1.alert.severity }
            return ($0.alert.time, $0.alert.id) > ($1.alert.time, $1.alert.id)
        }
    }

    public func record(_ id: String) -> AlertRecord? { state.withLock { $0.records[id] } }

    /// How many nobody has answered.
    public var waiting: Int { state.withLock { state in state.records.values.count { $0.state == .open } } }

    public func isDecoy(_ patient: String) -> Bool { state.withLock { $0.decoys.contains(patient) } }

    public var decoyCount: Int { state.withLock { $0.decoys.count } }

    // MARK: Changing

    /// Keeps new alerts and what is known, in one transaction with the event that tells of them.
    func raise(_ alerts: [Alert], role: (Alert) -> String, _ knowledge: WatchKnowledge) async throws(AlertFailure) {
        var seen: Set<String> = []
        let fresh = alerts.filter { record($0.id) == nil && seen.insert($0.id).inserted }
        guard !fresh.isEmpty else { return }
        let records = fresh.map { AlertRecord(alert: $0, role: role($0)) }
        let hasOldNotices = state.withLock { $0.hasOldNotices }
        var event = AuditEvent(
            kind: .alertRaised, time: .now(), outcome: .success, actor: nil, purpose: .systemAdministration,
            source: .system, decision: fresh.prefix(20).map(\.id).joined(separator: " "), count: fresh.count)
        let actors = Set(fresh.map(\.actor))
        if actors.count == 1 { event.subject = fresh[0].actor }
        var writes = records.map { put($0.encoded(), .alert, $0.alert.id) }
        if hasOldNotices {
            writes.append(.remove(Self.locator(.watchKnowledge, Self.oldNotices, locators), .watchKnowledge))
        }
        writes.append(put(knowledge.encoded, .watchKnowledge, "knowledge"))
        try await commit(event, writes)
        state.withLock { state in
            for record in records { state.records[record.alert.id] = record }
            if hasOldNotices { state.hasOldNotices = false }
        }
    }

    /// Puts what is known away.
    func keep(_ knowledge: WatchKnowledge) async throws(AlertFailure) {
        let event = AuditEvent(
            kind: .watchKept, time: .now(), outcome: .success, actor: nil, purpose: .systemAdministration,
            source: .system, decision: "system")
        try await commit(event, [put(knowledge.encoded, .watchKnowledge, "knowledge")])
    }

    /// Remembers invented patients; the event names none of them.
    public func plant(_ ids: [String], by actor: AuditActor, source: RequestSource) async throws(AlertFailure) {
        guard await planting.enterInTurn() else { throw .auditUnavailable }
        defer { planting.leave() }
        let all = state.withLock { $0.decoys }.union(ids).sorted()
        var (coder, copy) = (KnowledgeCoder(), all)
        coder.list(&copy, empty: "") { $0.text(&$1) }
        let event = AuditEvent(
            kind: .watchKept, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: source, decision: "decoys")
        try await commit(event, [put(coder.bytes, .watchKnowledge, "decoys")])
        state.withLock { $0.decoys = Set(all) }
    }

    /// Adds a line to an alert's timeline.
    ///
    /// - Parameters:
    ///   - actor: who answers; not whom the alert is about.
    ///   - knowledge: what is known after the answer, where it taught something.
    /// - Throws: ``AlertFailure/ownAlert``, ``AlertFailure/decided``, ``AlertFailure/reasonNeeded`` without a reason and
    ///   words for a dismissal.
    func answer(
        _ id: String, _ act: AlertRecord.Act, reason: AlertRecord.Reason?, text: PHI<String>, by actor: AuditActor,
        source: RequestSource, at now: Instant, knowledge: (AlertRecord) -> WatchKnowledge?
    ) async throws(AlertFailure) {
        let found: AlertRecord? = state.withLock { state in
            guard let record = state.records[id], state.busy.insert(id).inserted else { return nil }
            return record
        }
        guard var record = found else { throw .unknown }
        defer { state.withLock { _ = $0.busy.remove(id) } }
        try check(record, act, reason, text, actor)
        record.answers.append(
            .init(who: actor.id, act: act, reason: act == .dismiss ? reason : nil, text: text, time: now))
        var writes = [put(record.encoded(), .alert, id)]
        if let knowledge = knowledge(record) { writes.append(put(knowledge.encoded, .watchKnowledge, "knowledge")) }
        var event = AuditEvent(
            kind: .alertAnswered, time: now, outcome: .success, actor: actor, purpose: .systemAdministration,
            source: source, decision: "\(act.rawValue)/\(id)")
        event.subject = record.alert.actor
        try await commit(event, writes)
        let kept = record
        state.withLock { $0.records[id] = kept }
    }

    private func check(
        _ record: AlertRecord, _ act: AlertRecord.Act, _ reason: AlertRecord.Reason?, _ text: PHI<String>,
        _ actor: AuditActor
    ) throws(AlertFailure) {
        if let about = record.alert.actor, isSame(about, actor.id) { throw .ownAlert }
        let length = text.exposed { $0.utf8.count }
        guard length <= AlertRecord.longestText else { throw .reasonNeeded }
        if act == .dismiss, reason == nil || length == 0 { throw .reasonNeeded }
        if record.isDecided, act != .suspend { throw .decided }
    }

    // MARK: Sealing

    private func commit(_ event: AuditEvent, _ writes: [EntryWrite?]) async throws(AlertFailure) {
        let entries = writes.compactMap { $0 }
        guard entries.count == writes.count else { throw .storage }
        do throws(SubmissionFailure) {
            _ = try await log.commit(event, entries: entries)
        } catch {
            throw .auditUnavailable
        }
    }

    private func put(_ content: [UInt8], _ kind: EntryKind, _ key: String) -> EntryWrite? {
        let id = Self.locator(kind, key, locators)
        guard let sealed = try? sealing.seal(content, boundTo: Self.context(kind, id)) else { return nil }
        return .put(StoredEntry(id: id, sealed: sealed), kind)
    }

    private static func locator(_ kind: EntryKind, _ key: String, _ locators: MacKey) -> Locator {
        locators.tag(Array("entry/\(kind.rawValue)".utf8), Array(key.utf8)).locator
    }

    private static func context(_ kind: EntryKind, _ id: Locator) -> [UInt8] {
        Array("ward/alert-entry/\(kind.rawValue)/".utf8) + id.bytes
    }

    private static func opened(_ entry: StoredEntry, _ kind: EntryKind, _ sealing: SealingKey) -> [UInt8]? {
        try? sealing.open(entry.sealed, boundTo: context(kind, entry.id))
    }

    private static func kept(
        _ key: String, _ store: any SealedStore, _ sealing: SealingKey, _ locators: MacKey
    ) throws(StorageFailure) -> [UInt8]? {
        guard let entry = try store.entry(locator(.watchKnowledge, key, locators), kind: .watchKnowledge) else {
            return nil
        }
        guard let bytes = opened(entry, .watchKnowledge, sealing) else { throw .corrupt }
        return bytes
    }

    /// Key of an entry that an earlier version kept: notices wait with the one who sends them now.
    private static let oldNotices = "notices"
}
