import WardAudit
import WardClinic
import WardTelemetry

extension House {
    /// What works at this moment, for whoever watches the machine.
    var standing: ServerMetrics.Standing {
        var notWorking: Set<ServerMetrics.Part> = []
        if log.isClockBehind() { notWorking.insert(.clock) }
        if !clinic.isReady { notWorking.insert(.index) }
        if !keys.areHeld { notWorking.insert(.keys) }
        if !log.isWritten { notWorking.insert(.log) }
        return ServerMetrics.Standing(notWorking: notWorking, events: Int64(log.checkpoint.size))
    }
}
