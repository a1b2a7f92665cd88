import WardEgress
import WardTelemetry

/// Exits in the operations log: which kind, how many bytes, how it ended; vendors and destinations stand in the sealed
/// log.
enum EgressLines {
    static func write(_ report: EgressReport) {
        let log = OperationalLog(isQuiet: false)
        let kind: StaticString =
            switch report.kind {
            case .fhir: "fhir"
            case .kms: "kms"
            case .mail: "mail"
            case .storage: "storage"
            case .webhook: "webhook"
            }
        guard let failure = report.failure else {
            return log.info("exit ended", .code(kind), .count(report.sent + report.received))
        }
        if case .refused = failure { return log.warning("exit refused: nothing covers it", .code(kind)) }
        if case .ended = failure { return log.warning("exit cut: what covered it has ended", .code(kind)) }
        log.warning("exit failed", .code(kind), .count(report.sent + report.received))
    }
}
