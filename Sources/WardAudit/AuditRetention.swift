public import WardCore
import WardCrypto
import WardFHIR
import WardStorage

/// How long events are kept (45 CFR 164.316(b)(2)(i): six years; 10 by default).
public enum Retention {
    public static let floorYears: Int64 = 6
    public static let defaultYears: Int64 = 10

    /// The first day that is kept, if `years` are kept today.
    static func firstKept(_ years: Int64, at now: Instant) -> CalendarDay {
        let today = CalendarDay(daysSinceEpoch: now.microseconds.floorDivided(by: 86_400_000_000))
        // The 29th of February counts as the 28th: a day more is kept.
        return CalendarDay(
            year: today.year - years, month: today.month,
            day: today.month == 2 && today.day == 29 ? 28 : today.day)
    }
}

/// Why nothing was pruned or changed.
public enum RetentionFailure: Error, Hashable, Sendable {
    /// A retention below six years, or below the one that was set.
    case belowFloor
    /// A pruning runs; holds and prunings wait for each other.
    case busy
    case log(AuditFailure)
    /// Events of that day are to be kept; the first day that is.
    case tooEarly(firstKept: CalendarDay)
    /// A hold of that patient is in force already, or none is.
    case holdUnchanged
}

/// What a pruning did, or would do.
public struct PruneReport: Sendable {
    /// Payloads that went.
    public internal(set) var pruned: Int64 = 0
    /// Events as old that stay, since the store's state rests on them.
    public internal(set) var keptForStore: Int64 = 0
    /// Events as old that stay because of a legal hold.
    public internal(set) var keptByHold: Int64 = 0
}

extension AuditLog {
    /// Years that events are kept.
    public func retentionYears() throws(AuditFailure) -> Int64 {
        try entry(Self.retentionPlace, .retention).flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
            ?? Retention.defaultYears
    }

    /// Sets the years that events are kept: at least six the first time, and never less than before after it.
    public func setRetention(years: Int64, as event: AuditEvent) async throws(RetentionFailure) {
        let isSet: Bool
        let current: Int64
        do throws(AuditFailure) {
            isSet = try entry(Self.retentionPlace, .retention) != nil
            current = try retentionYears()
        } catch {
            throw .log(error)
        }
        guard years >= Retention.floorYears, !isSet || years >= current, years <= 1000 else { throw .belowFloor }
        var event = event
        event.kind = .retentionSet
        event.decision = "\(years) years"
        try await put(Array(String(years).utf8), at: Self.retentionPlace, .retention, event)
    }

    /// Lets go of the payloads of events before a day.
    ///
    /// What stays: every leaf, so that tree, checkpoints and proofs stay valid; every event that wrote a record, an
    /// account or another entry, since verification replays those against the store; what the log says of itself
    /// (prunings, holds, keys); and every event of a patient under a legal hold. It walks from the oldest event and ends
    /// where a thousand events in a row are too young.
    ///
    /// At most a thousand payloads go in the transaction of the event that says so (``AuditEventKind/auditPruned``).
    ///
    /// - Parameters:
    ///   - event: who does it and why; one such event is written for each such step.
    ///   - now: decides what may go.
    public func prune(
        before day: CalendarDay, at now: Instant, as event: AuditEvent, isDryRun: Bool = false,
        progress: (Int64) -> Void = { _ in }
    ) async throws(RetentionFailure) -> PruneReport {
        guard retentionWork.enter() else { throw .busy }
        defer { retentionWork.leave() }
        var report = PruneReport()
        let years: Int64
        do throws(AuditFailure) { years = try retentionYears() } catch { throw .log(error) }
        let firstKept = Retention.firstKept(years, at: now)
        guard day.daysSinceEpoch <= firstKept.daysSinceEpoch else { throw .tooEarly(firstKept: firstKept) }
        do throws(AuditFailure) {
            let cutoff = Instant(microseconds: day.daysSinceEpoch * 86_400_000_000)
            let held = Set(try holds().map(\.patient))
            var (next, young) = (Int64(0), 0)
            var batch: [Int64] = []
            while young < Self.youngInARow, next < checkpoint.size {
                let page = try stored(from: next, limit: Self.pageSize)
                guard page.first?.index == next, let last = page.last?.index else { throw AuditFailure.damaged }
                for leaf in page where !leaf.isPruned && young < Self.youngInARow {
                    let found = try keys.open(leaf: leaf.leaf, payload: leaf.payload)
                    guard found.time < cutoff else {
                        young += 1
                        continue
                    }
                    young = 0
                    if found.isNeededByStore {
                        report.keptForStore += 1
                    } else if found.concerns(held) {
                        report.keptByHold += 1
                    } else {
                        batch.append(leaf.index)
                        report.pruned += 1
                    }
                }
                next = last + 1
                progress(next)
                if batch.count > Self.prunedAtATime - Self.pageSize || young >= Self.youngInARow
                    || next >= checkpoint.size
                {
                    if !isDryRun { try await letGo(batch, event) }
                    batch = []
                }
            }
        } catch {
            throw .log(error)
        }
        return report
    }

    private static let youngInARow = 1000
    private static let prunedAtATime = 1000
    private static let pageSize = 500

    private func letGo(_ leaves: [Int64], _ event: AuditEvent) async throws(AuditFailure) {
        guard let first = leaves.first, let last = leaves.last else { return }
        var sum = PrunedSum()
        for index in leaves { sum.add(index, keys) }
        var event = event
        event.kind = .auditPruned
        event.query = PruningNote(range: first..<last + 1, sum: sum).text
        do throws(SubmissionFailure) {
            _ = try await commit(event, pruned: leaves)
        } catch {
            throw .storage
        }
    }

    private static let retentionPlace = Locator(high: 0, low: 2)
}

extension AuditEvent {
    /// Whether a verification of the store or of the log rests on it.
    fileprivate var isNeededByStore: Bool {
        if !entries.isEmpty || !resealed.isEmpty || records.contains(where: { $0.hash != nil }) { return true }
        switch kind {
        case .auditPruned, .clockJumped, .holdEnded, .holdPlaced, .keysCreated, .policyAdopted, .retentionSet:
            return true
        case .storeVerified: return decision == "adopted"
        default: return false
        }
    }

    fileprivate func concerns(_ held: Set<String>) -> Bool {
        !held.isEmpty
            && (patients.contains { held.contains($0) }
                || records.contains { $0.type.name == "Patient" && held.contains($0.id) })
    }
}
