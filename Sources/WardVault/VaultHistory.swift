import WardAudit
import WardCore
import WardCrypto
public import WardFHIR
public import WardGate
import WardIndex
import WardPolicy
import WardStorage

/// Which versions a history of a type or of the store asks for (FHIR R4 http.html#history).
public struct HistoryQuestion: Hashable, Sendable {
    /// Nil for all types.
    public let type: ResourceType?
    /// `_since`, in microseconds since 1970: versions of then or later.
    public let since: Int64?
    /// `_at`: versions that were current at some moment of that time.
    public let at: ClosedRange<Int64>?
    public let count: Int

    public init(type: ResourceType?, since: Int64?, at: ClosedRange<Int64>?, count: Int) {
        self.type = type
        self.since = since
        self.at = at
        self.count = count
    }
}

extension Vault {
    /// Opens versions of many records, newest first, deletions among them.
    ///
    /// Each is decided on by itself and by what is current: what may not be seen today cannot be seen through an
    /// earlier version. A page can be short, or empty, and have a link all the same: it ends after
    /// 20,000 versions that were looked at.
    ///
    /// - Parameter asked: the question as it was asked, for the log.
    /// - Returns: one page, and the sealed text of the link to the next.
    public func history(
        _ question: HistoryQuestion, from link: String?, asked: String,
        with grant: consuming AccessGrant<InstanceHistory>
    ) async throws(VaultFailure) -> (disclosure: Disclosure, next: String?, question: HistoryQuestion) {
        let frame = SearchFrame(grant, self)
        var event = frame.event
        event.query = asked
        do throws(VaultFailure) {
            var (question, upper) = (question, Int64.max)
            if let link {
                guard let found = pages.place(of: link, principal: frame.principal),
                    found.question.type == question.type
                else { throw .pageExpired }
                (question, upper) = (found.question, found.before - 1)
            } else {
                upper = try newestRecord()
            }
            let found = try await walk(question, from: upper, frame, &event)
            let next = found.before > 1 ? pages.link(question, before: found.before, principal: frame.principal) : nil
            return (Disclosure(records: found.records, receipt: try await append(event)), next, question)
        } catch {
            throw try await accounted(error, frame.event)
        }
    }

    private func walk(
        _ question: HistoryQuestion, from upper: Int64, _ frame: SearchFrame, _ event: inout AuditEvent
    ) async throws(VaultFailure) -> (records: [DisclosedRecord], before: Int64) {
        let access = frame.access
        var shown: [DisclosedRecord] = []
        var refused: [Locator: Bool] = [:]
        var (before, looked) = (upper + 1, 0)
        while before > 1, looked < Self.historyLimit {
            let after = max(0, before - 1 - Self.historyWindow)
            for stored in try versions(after: after, upTo: before - 1).reversed() {
                before = stored.record.value
                looked += 1
                guard let body = try openIfThere(stored, at: stored.locator) else { continue }
                if let since = question.since {
                    // Records are stored in the order of their times, but for moments between two of them.
                    if body.lastUpdated.microseconds < since - Self.slack { return (shown, 0) }
                    if body.lastUpdated.microseconds < since { continue }
                }
                if let type = question.type, body.type != type { continue }
                guard access.outlook(.history, on: body.type).isPermitted, try isCurrent(stored, body, question.at)
                else {
                    continue
                }
                let isRefused: Bool
                if let known = refused[stored.locator] {
                    isRefused = known
                } else {
                    isRefused = try isRefusedNow(stored.locator, access)
                }
                refused[stored.locator] = isRefused
                let decision = try access.decide(.history, on: body)
                guard !isRefused, let json = decision.shown(body) else {
                    event.candidates += 1
                    continue
                }
                shown.append(DisclosedRecord(body, version: stored.version, decision, json: json))
                event.add(body, version: stored.version)
                event.note(decision)
                if shown.count == question.count { return (shown, before) }
            }
            before = after + 1
            await Task.yield()
        }
        return (shown, before)
    }

    private static let historyWindow: Int64 = 200
    private static let historyLimit = 20_000
    private static let slack: Int64 = 600_000_000

    /// Whether what is there now, or was before it was deleted, keeps every version of it from who asks.
    private func isRefusedNow(_ locator: Locator, _ access: RecordAccess) throws(VaultFailure) -> Bool {
        do throws(VaultFailure) { return try newest(.history, at: locator, access) != nil } catch {
            // What is destroyed now is not told through another version either.
            if error == .keyDestroyed { return true }
            throw error
        }
    }

    /// Whether a version was the current one at some moment of a time.
    private func isCurrent(
        _ stored: StoredVersion, _ body: RecordBody, _ time: ClosedRange<Int64>?
    ) throws(VaultFailure) -> Bool {
        guard let time else { return true }
        guard body.lastUpdated.microseconds <= time.upperBound else { return false }
        let heads: [Head]
        do throws(StorageFailure) { heads = try store.history(of: stored.locator) } catch { throw .storage }
        guard let next = heads.first(where: { $0.version == stored.version + 1 }) else { return true }
        guard let after = try openIfThere(try version(next.record), at: stored.locator) else { return false }
        return after.lastUpdated.microseconds > time.lowerBound
    }

    private func versions(after: Int64, upTo last: Int64) throws(VaultFailure) -> [StoredVersion] {
        do throws(StorageFailure) {
            let found = try store.versions(after: RecordNumber(after), limit: Int(last - after))
            return found.filter { $0.record.value <= last }
        } catch {
            throw .storage
        }
    }

    /// The number of the newest version, by halving.
    private func newestRecord() throws(VaultFailure) -> Int64 {
        func isThere(after record: Int64) throws(VaultFailure) -> Bool {
            do throws(StorageFailure) {
                return try !store.versions(after: RecordNumber(record), limit: 1).isEmpty
            } catch {
                throw .storage
            }
        }
        var (low, high) = (Int64(0), Int64(1))
        while try isThere(after: high) { (low, high) = (high, high * 2) }
        // Something is after `low`, or it is 0; nothing is after `high`.
        while low < high {
            let middle = low + (high - low) / 2
            if try isThere(after: middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
