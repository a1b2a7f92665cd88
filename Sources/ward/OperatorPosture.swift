import WardAudit
import WardCore

/// The safeguards, looked at where the store is.
extension OperatorService {
    func lookAtPosture(_ request: OperatorRequest, _ reply: Reply) async throws {
        let report = await PostureScene(house, running, keyFile: request.options["keyFile"], isRoutine: false).look()
        let event = AuditEvent(
            kind: .postureChecked, time: .now(), outcome: .success, actor: Self.actor, purpose: .systemAdministration,
            source: Self.source, decision: report.summary)
        _ = try await house.log.append(event)
        if request.options["json"] != nil {
            reply(.output(report.json))
        } else {
            for line in report.text { reply(.output(line)) }
        }
        if !report.isGreen { reply(.unsound) }
    }
}
