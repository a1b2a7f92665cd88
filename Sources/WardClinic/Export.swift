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
    public func nextLines(_ cursor: inout ExportCursor) async throws(VaultFailure) -> (
        lines: ReleasedBytes, count: Int
    )? {
        guard let disclosure = try await vault.next(&cursor) else { return nil }
        return (disclosure.lines(), disclosure.records.count)
    }
}

/// Why an export did not start.
public struct ExportRefusal: Error, Sendable {
    public let answer: ClinicAnswer
}
