public import WardAudit
public import WardFHIR
import WardGate
public import WardIdentity

extension Clinic {
    /// An answer with its receipt: one that nothing has accounted for yet, a refusal of a request that was never
    /// decided on, is put into the log first.
    ///
    /// - Parameters:
    ///   - route: template of the address, for the log.
    ///   - type: resource type the request was about.
    public func accounted(
        _ answer: ClinicAnswer, route: StaticString, type: ResourceType?, principal: Principal, source: RequestSource
    ) async -> ClinicAnswer {
        guard answer.receipt == nil else { return answer }
        let isRefusal = answer.status >= 400
        do throws(GateFailure) {
            let receipt = try await gate.account(
                for: isRefusal ? .requestRefused : .transaction, isRefusal ? .failed : .success,
                decision: "\(route) \(answer.status)", type: type, principal: principal, source: source)
            return answer.with(receipt: receipt.headerValue)
        } catch {
            return .auditUnavailable
        }
    }
}
