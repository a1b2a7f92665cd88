import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity

/// The log as a file: what the page's filter finds, newest first. That it left is an event of its own.
extension Visit {
    /// Events, and bytes, of one file: an event may name a thousand records.
    static let (mostOfFile, mostBytesOfFile) = (50_000, 33_554_432)

    func logFile(_ form: LogFileForm) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        let filter = logFilter()
        guard filter.problems.isEmpty else { return await logPage() }
        let ask = LogDesk.Ask(
            query: filter.query, before: filter.before, limit: Self.mostOfFile, asked: filter.text())
        let file: LogDesk.File
        do throws(LogFailure) {
            file = try await log.file(ask, mostBytes: Self.mostBytesOfFile, principal, request.source) {
                Array((form == .csv ? LogRow.csv($0) : LogRow.json($0)).utf8)
            }
        } catch {
            return logRefused(error)
        }
        var content = form == .csv ? Array(LogRow.heading.utf8) : []
        content += file.content
        // A file that was cut says where it goes on.
        if let next = file.next {
            content += (form == .csv ? "\"more before\",\"\(next)\"\r\n" : "{\"moreBefore\":\(next)}\n").utf8
        }
        return WebAnswer.file(content, type: form.type, name: form.fileName)
    }
}

enum LogFileForm {
    case csv, ndjson

    var type: String { self == .csv ? "text/csv; charset=utf-8" : "application/x-ndjson" }
    var fileName: String { self == .csv ? "audit-log.csv" : "audit-log.ndjson" }
}

/// One event as a line of a file.
enum LogRow {
    private static let columns = [
        "index", "time", "kind", "outcome", "who", "name", "role", "app", "about", "purpose", "type", "records",
        "patients", "query", "recipient", "address", "request", "session", "device", "newDevice", "emergency",
        "decision", "count", "notShown", "leafHash",
    ]

    static let heading = columns.joined(separator: ",") + "\r\n"

    /// RFC 4180.
    static func csv(_ logged: LoggedEvent) -> String {
        let event = logged.event
        let records = event.records.map { "\($0.type.name)/\($0.id)/_history/\($0.version)" }.joined(separator: " ")
        let cells: [String?] = [
            String(logged.index), event.time.text, event.kind.rawValue, event.outcome.rawValue, event.actor?.id,
            event.actor?.name, event.actor?.role, event.actor?.app, event.subject, event.purpose?.rawValue,
            event.type?.name, records, event.patients.joined(separator: " "), event.query, event.recipient,
            event.source.address, event.source.request, event.session, event.device, event.isNewDevice ? "yes" : "",
            event.emergency, event.decision, String(event.count), String(event.candidates),
            logged.leafHash.map { hex($0.bytes) },
        ]
        return cells.map { cell($0 ?? "") }.joined(separator: ",") + "\r\n"
    }

    /// A spreadsheet takes what begins so for a formula (OWASP, CSV injection): a quote before it makes it text.
    static func cell(_ text: String) -> String {
        var shown = visibleText(text)
        if let first = text.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first) { shown = "'" + shown }
        // By scalars: a quote followed by a combining mark is one character and still a quote.
        return shown.unicodeScalars.reduce(into: "\"") { text, scalar in
            if scalar == "\"" { text.unicodeScalars.append(scalar) }
            text.unicodeScalars.append(scalar)
        } + "\""
    }

    /// One JSON object and a line feed.
    static func json(_ logged: LoggedEvent) -> String {
        let event = logged.event
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("index", logged.index)
        writer.member("time", event.time.text)
        writer.member("kind", event.kind.rawValue)
        writer.member("outcome", event.outcome.rawValue)
        let texts: [(String, String?)] = [
            ("who", event.actor?.id), ("name", event.actor?.name), ("role", event.actor?.role),
            ("app", event.actor?.app), ("about", event.subject), ("purpose", event.purpose?.rawValue),
            ("type", event.type?.name), ("query", event.query), ("recipient", event.recipient),
            ("address", event.source.address), ("request", event.source.request), ("session", event.session),
            ("device", event.device), ("emergency", event.emergency), ("decision", event.decision),
            ("leafHash", logged.leafHash.map { hex($0.bytes) }),
        ]
        for (name, text) in texts {
            if let text, !text.isEmpty { writer.member(name, text) }
        }
        if event.isNewDevice {
            writer.key("newDevice")
            writer.bool(true)
        }
        writer.member("count", event.count)
        writer.member("notShown", event.candidates)
        writer.key("records")
        writer.beginArray()
        for record in event.records { writer.string("\(record.type.name)/\(record.id)/_history/\(record.version)") }
        writer.endArray()
        writer.key("patients")
        writer.beginArray()
        for patient in event.patients { writer.string(patient) }
        writer.endArray()
        writer.endObject()
        return visibleJSON(String(decoding: writer.bytes, as: UTF8.self)) + "\n"
    }
}
