public import WardCore
import WardCrypto
import WardFHIR
import WardStorage

/// A patient's events that must stay, whatever their age.
public struct LegalHold: Hashable, Sendable {
    public let patient: String
    public let reason: String
    public let since: Instant
    /// Name of who placed it.
    public let by: String
}

extension AuditLog {
    /// Holds in force, oldest first.
    public func holds() throws(AuditFailure) -> [LegalHold] {
        let stored: [StoredEntry]
        do throws(StorageFailure) { stored = try store.entries(.legalHold) } catch { throw .storage }
        var holds: [LegalHold] = []
        for entry in stored {
            guard
                let content = try? keys.entry.open(entry.sealed, boundTo: Self.context(.legalHold, entry.id)),
                let root = (try? JSONTape(parsing: content))?.root, let patient = root["patient"]?.string,
                let reason = root["reason"]?.string, let since = root["since"]?.integer, let by = root["by"]?.string
            else { throw .damaged }
            holds.append(
                LegalHold(patient: patient, reason: reason, since: Instant(microseconds: since), by: by))
        }
        return holds.sorted { $0.since < $1.since }
    }

    /// Whether a patient's events, and what was written of them, must stay: asked before pruning and before keys go.
    public func isHeld(_ patient: String) throws(AuditFailure) -> Bool {
        try holds().contains { $0.patient == patient }
    }

    public func placeHold(on patient: String, reason: String, as event: AuditEvent) async throws(RetentionFailure) {
        // A pruning that runs has read the holds already.
        guard retentionWork.enter() else { throw .busy }
        defer { retentionWork.leave() }
        guard try !isInForce(patient) else { throw .holdUnchanged }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("patient", patient)
        writer.member("reason", reason)
        writer.member("since", event.time.microseconds)
        writer.member("by", event.actor?.name ?? "")
        writer.endObject()
        var event = event
        event.kind = .holdPlaced
        event.patients = [patient]
        try await put(writer.bytes, at: place(of: patient), .legalHold, event)
    }

    public func endHold(on patient: String, as event: AuditEvent) async throws(RetentionFailure) {
        guard try isInForce(patient) else { throw .holdUnchanged }
        var event = event
        event.kind = .holdEnded
        event.patients = [patient]
        do throws(SubmissionFailure) {
            _ = try await commit(event, entries: [.remove(place(of: patient), .legalHold)])
        } catch {
            throw .log(.storage)
        }
    }

    private func isInForce(_ patient: String) throws(RetentionFailure) -> Bool {
        do throws(AuditFailure) { return try isHeld(patient) } catch { throw .log(error) }
    }

    private func place(of patient: String) -> Locator {
        keys.token.tag(Array("legal-hold".utf8), Array(patient.utf8)).locator
    }

    // MARK: Sealed entries of the log

    func entry(_ place: Locator, _ kind: EntryKind) throws(AuditFailure) -> [UInt8]? {
        let stored: StoredEntry?
        do throws(StorageFailure) { stored = try store.entry(place, kind: kind) } catch { throw .storage }
        guard let stored else { return nil }
        guard let content = try? keys.entry.open(stored.sealed, boundTo: Self.context(kind, place)) else {
            throw .damaged
        }
        return content
    }

    func put(
        _ content: [UInt8], at place: Locator, _ kind: EntryKind, _ event: AuditEvent
    ) async throws(RetentionFailure) {
        guard let sealed = try? keys.entry.seal(content, boundTo: Self.context(kind, place)) else {
            throw .log(.sealing)
        }
        do throws(SubmissionFailure) {
            _ = try await commit(event, entries: [.put(StoredEntry(id: place, sealed: sealed), kind)])
        } catch {
            throw .log(.storage)
        }
    }

    private static func context(_ kind: EntryKind, _ place: Locator) -> [UInt8] {
        Array("ward/audit-entry/1/\(kind.rawValue)/".utf8) + place.bytes
    }
}
