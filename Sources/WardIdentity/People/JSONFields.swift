import WardCore
import WardFHIR

/// What is sealed of every request that waits for a second person.
struct Petition {
    let id: String
    let person: String
    let asker: String
    let reason: String
    let created: Instant

    func write(to writer: inout JSONWriter) {
        writer.member("id", id)
        writer.member("person", person)
        writer.member("asker", asker)
        writer.member("reason", reason)
        writer.member("created", created.microseconds)
    }
}

extension Petition {
    init?(_ root: JSONValue) {
        guard
            let id = root["id"]?.string, let person = root["person"]?.string, let asker = root["asker"]?.string,
            let reason = root["reason"]?.string, let created = root["created"]?.instant
        else { return nil }
        self.init(id: id, person: person, asker: asker, reason: reason, created: created)
    }
}

extension JSONWriter {
    mutating func strings(_ values: [String]) {
        beginArray()
        for value in values { string(value) }
        endArray()
    }
}

extension JSONValue {
    var instant: Instant? { integer.map(Instant.init(microseconds:)) }
    func strings(_ name: StaticString) -> [String] { (self[name]?.elements ?? []).compactMap(\.string) }
}
