import WardAudit
public import WardFHIR
import WardGate
public import WardVault

extension Clinic {
    /// Starts an export of some types; the refusal, if any, comes as an answer.
    public func startExport(
        _ types: [ResourceType], _ request: ClinicRequest
    ) async -> Result<ExportCursor, ExportRefusal> {
        do {
            let grant = try await gate.authorize(
                Export.self, on: GrantSubject(types: types), principal: request.principal, source: request.source)
            return .success(try await vault.export(types, with: grant))
        } catch let failure as GateFailure {
            return .failure(ExportRefusal(answer: ClinicAnswer(failure)))
        } catch let failure as VaultFailure {
            return .failure(ExportRefusal(answer: ClinicAnswer(failure)))
        } catch {
            return .failure(ExportRefusal(answer: .failure(500, "exception", "the export could not be started")))
        }
    }

    /// The next chunk as NDJSON, accounted for in the log; nil at the end.
    ///
    /// - Parameter request: the one that the export was started by.
    public func nextLines(
        _ cursor: inout ExportCursor, _ request: ClinicRequest
    ) async throws(TransferFailure) -> (lines: ReleasedBytes, count: Int)? {
        guard cursor.remaining > 0 else { return nil }
        try await checkSession(of: request, during: .export)
        do throws(VaultFailure) {
            return try await vault.next(&cursor).map { ($0.lines(), $0.records.count) }
        } catch {
            throw error == .auditUnavailable ? .auditUnavailable : .unreadable
        }
    }
}

/// Why an export did not start.
public struct ExportRefusal: Error, Sendable {
    public let answer: ClinicAnswer
}
