public import WardAudit
import WardCore
public import WardGate
public import WardIdentity

extension Clinic {
    /// Reads the log as somebody who may; the look, or the refusal, is in the log first.
    ///
    /// - Parameters:
    ///   - asked: the question, for the log.
    ///   - kind: what the look is in the log: reading, or letting it out as a file or on paper.
    public func readLog(
        _ query: AuditQuery, before: Int64 = .max, limit: Int, asked: String,
        as kind: AuditEventKind = .auditRead, principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> LogReading {
        if kind == .auditExported {
            let grant = try await gate.authorizeLogExport(principal, source: source)
            return try await gate.readLog(
                query, before: before, limit: limit, looking: 1_000_000, asked: asked, with: grant)
        }
        let grant = try await gate.authorizeLog(principal, source: source)
        return try await gate.readLog(query, before: before, limit: limit, asked: asked, as: kind, with: grant)
    }

    /// The same for a page; nil for a refusal, and where the log cannot be read or written.
    public func logPage(
        _ query: AuditQuery, before: Int64, limit: Int, asked: String, as kind: AuditEventKind,
        principal: Principal, source: RequestSource
    ) async -> AuditPage? {
        do throws(GateFailure) {
            return try await readLog(
                query, before: before, limit: limit, asked: asked, as: kind, principal: principal,
                source: source
            ).page
        } catch {
            return nil
        }
    }

    /// Who opened a record, for the patient or who acts for them; nil for anybody else.
    public func ownLogPage(
        _ query: AuditQuery, of patient: String, before: Int64, limit: Int, asked: String,
        as kind: AuditEventKind = .auditRead, principal: Principal, source: RequestSource
    ) async -> AuditPage? {
        guard let own = gate.ownLog(of: patient, principal) else { return nil }
        do throws(GateFailure) {
            return try await gate.readLog(
                query, of: own, before: before, limit: limit, asked: asked, as: kind, principal: principal,
                source: source
            ).page
        } catch {
            return nil
        }
    }
}
