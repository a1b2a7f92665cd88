import WardAudit
import WardCore
import WardFHIR

extension LoggedEvent {
    /// One line for people.
    var line: String {
        let who = event.actor.map { "\($0.name) (\($0.role))" } ?? "system"
        let app = event.actor?.app.map { " through \($0)" } ?? ""
        let emergency = event.emergency.map { "  emergency \($0)" } ?? ""
        let whom = event.subject.map { " to \($0)" } ?? ""
        let why = event.purpose.map { " for \($0.rawValue)" } ?? ""
        let records = event.records.prefix(3).map { "\($0.type.name)/\($0.id)" }.joined(separator: " ")
        let more = event.records.count > 3 ? " and \(event.records.count - 3) more" : ""
        let count = event.count > 1 ? " x\(event.count)" : ""
        return
            "\(index)  \(event.time.text)  \(event.kind.rawValue)\(count)  \(event.outcome.rawValue)  \(who)\(app)\(whom)\(why) "
            + "from \(event.source.address)  \(event.decision)  \(records)\(more)\(emergency)"
            + (event.spooled.map { "  spool \($0.spool.prefix(8)) \($0.index)" } ?? "")
    }

    /// One JSON object for programs.
    var json: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("index", index)
        writer.member("time", event.time.text)
        writer.member("kind", event.kind.rawValue)
        writer.member("outcome", event.outcome.rawValue)
        if let actor = event.actor {
            writer.member("who", actor.id)
            writer.member("role", actor.role)
            if let app = actor.app { writer.member("app", app) }
        }
        if let subject = event.subject { writer.member("subject", subject) }
        if let session = event.session { writer.member("session", session) }
        if let device = event.device { writer.member("device", device) }
        if event.isNewDevice {
            writer.key("newDevice")
            writer.bool(true)
        }
        if let query = event.query { writer.member("query", query) }
        if let recipient = event.recipient { writer.member("recipient", recipient) }
        if let spooled = event.spooled {
            writer.member("spool", spooled.spool)
            writer.member("spoolIndex", spooled.index)
        }
        if let type = event.type { writer.member("type", type.name) }
        if let emergency = event.emergency { writer.member("emergency", emergency) }
        if let purpose = event.purpose { writer.member("why", purpose.rawValue) }
        writer.member("from", event.source.address)
        writer.member("request", event.source.request)
        writer.member("decision", event.decision)
        writer.member("count", event.count)
        writer.member("candidates", event.candidates)
        writer.key("records")
        writer.beginArray()
        for record in event.records { writer.string("\(record.type.name)/\(record.id)/_history/\(record.version)") }
        writer.endArray()
        writer.key("patients")
        writer.beginArray()
        for patient in event.patients { writer.string(patient) }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
