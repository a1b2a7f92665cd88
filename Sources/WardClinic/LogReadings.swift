public import WardAudit
import WardCore
public import WardGate
public import WardIdentity

extension Clinic {
    /// Reads the log as somebody who may; the look, or the refusal, is in the log first.
    ///
    /// - Parameters:
    ///   - looking: see ``AuditLog/page(_:before:limit:looking:)``.
    ///   - asked: the question, for the log.
    ///   - kind: what the look is in the log: reading, or letting one patient's out as a file or on paper.
    public func readLog(
        _ query: AuditQuery, before: Int64 = .max, limit: Int, looking: Int = 20_000, asked: String,
        as kind: AuditEventKind = .auditRead, principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> LogReading {
        let grant = try await gate.authorizeLog(principal, source: source)
        return try await gate.readLog(
            query, before: before, limit: limit, looking: looking, asked: asked, as: kind, with: grant)
    }

    /// The same for a page.
    public func logPage(
        _ query: AuditQuery, before: Int64, limit: Int, looking: Int, asked: String, as kind: AuditEventKind,
        principal: Principal, source: RequestSource
    ) async throws(LogRefusal) -> AuditPage {
        do throws(GateFailure) {
            return try await readLog(
                query, before: before, limit: limit, looking: looking, asked: asked, as: kind, principal: principal,
                source: source
            ).page
        } catch {
            throw LogRefusal(error)
        }
    }

    /// Who opened a record, for the patient or who acts for them; a refusal is in the log first.
    public func ownLogPage(
        _ query: AuditQuery, of patient: String, before: Int64, limit: Int, asked: String,
        as kind: AuditEventKind = .auditRead, principal: Principal, source: RequestSource
    ) async throws(LogRefusal) -> AuditPage {
        do throws(GateFailure) {
            let own = try await gate.authorizeOwnLog(of: patient, principal, source: source)
            return try await gate.readLog(
                query, of: own, before: before, limit: limit, asked: asked, as: kind, principal: principal,
                source: source
            ).page
        } catch {
            throw LogRefusal(error)
        }
    }

    /// Writes part of the log as a file, which is an event of its own kind.
    public func logFile(
        _ query: AuditQuery, before: Int64, limit: Int, mostBytes: Int, asked: String, principal: Principal,
        source: RequestSource, row: @Sendable (LoggedEvent) -> [UInt8]
    ) async throws(LogRefusal) -> (content: [UInt8], next: Int64?) {
        do throws(GateFailure) {
            let grant = try await gate.authorizeLogExport(principal, source: source)
            let file = try await gate.exportLog(
                query, before: before, limit: limit, mostBytes: mostBytes, asked: asked, with: grant, row: row)
            return (file.content, file.next)
        } catch {
            throw LogRefusal(error)
        }
    }
}

/// Why somebody does not get to read the log.
public enum LogRefusal: Error, Hashable, Sendable {
    /// Policy does not permit it; that is in the log.
    case denied
    /// The log cannot be read or written, or the clock is wrong.
    case unavailable

    init(_ failure: GateFailure) {
        switch failure {
        case .denied: self = .denied
        case .auditUnavailable, .clockBehind, .keysAway: self = .unavailable
        }
    }
}
