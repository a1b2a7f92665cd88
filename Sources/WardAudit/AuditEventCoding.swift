import WardCore
import WardFHIR

extension AuditEvent {
    /// The event as one or more events that each fit a leaf: everything but records and patients repeats.
    func parts() -> [AuditEvent] {
        guard records.count > Self.recordsPerLeaf || patients.count > Self.recordsPerLeaf else { return [self] }
        return stride(from: 0, to: max(records.count, patients.count), by: Self.recordsPerLeaf).map { start in
            var part = self
            part.records = Array(records.dropFirst(start).prefix(Self.recordsPerLeaf))
            part.patients = Array(patients.dropFirst(start).prefix(Self.recordsPerLeaf))
            return part
        }
    }

    /// 250 records with ids of at most 64 characters, and their patients, stay under 65,535 bytes.
    static let recordsPerLeaf = 250

    /// JSON of the event.
    func encoded() -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 256 + 96 * records.count)
        writer.beginObject()
        writer.member("kind", kind.rawValue)
        writer.member("time", time.microseconds)
        writer.member("outcome", outcome.rawValue)
        if let actor {
            writer.member("who", actor.id)
            writer.member("name", actor.name)
            writer.member("role", actor.role)
            if let app = actor.app { writer.member("app", app) }
        }
        if let purpose { writer.member("why", purpose.rawValue) }
        writer.member("from", source.address)
        if !source.request.isEmpty { writer.member("request", source.request) }
        writer.member("decision", decision)
        if let type { writer.member("type", type.name) }
        if !records.isEmpty {
            writer.key("records")
            writer.beginArray()
            for record in records {
                writer.beginArray()
                writer.string(record.type.name)
                writer.string(record.id)
                writer.number(record.version)
                writer.string(record.hash ?? "")
                if let interaction = record.interaction { writer.string(interaction.rawValue) }
                writer.endArray()
            }
            writer.endArray()
        }
        if !patients.isEmpty {
            writer.key("patients")
            writer.beginArray()
            for patient in patients { writer.string(patient) }
            writer.endArray()
        }
        if candidates > 0 { writer.member("candidates", candidates) }
        if count > 1 { writer.member("count", count) }
        if let subject { writer.member("subject", subject) }
        if let session { writer.member("session", session) }
        if let emergency { writer.member("emergency", emergency) }
        writer.endObject()
        return writer.bytes
    }

    /// Reads what ``encoded()`` wrote; nil if it is something else.
    init?(decoding bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root,
            let kind = root["kind"]?.string.flatMap(AuditEventKind.init(rawValue:)),
            let time = root["time"]?.integer,
            let outcome = root["outcome"]?.string.flatMap(AuditOutcome.init(rawValue:)),
            let address = root["from"]?.string, let decision = root["decision"]?.string
        else { return nil }
        let actor = root["who"]?.string.map {
            AuditActor(
                id: $0, name: root["name"]?.string ?? "", role: root["role"]?.string ?? "", app: root["app"]?.string)
        }
        self.init(
            kind: kind, time: Instant(microseconds: time), outcome: outcome, actor: actor,
            purpose: root["why"]?.string.flatMap(PurposeOfUse.init(rawValue:)),
            source: RequestSource(address: address, request: root["request"]?.string ?? ""), decision: decision,
            type: root["type"]?.string.flatMap { ResourceType($0) },
            records: (root["records"]?.elements ?? []).compactMap(AuditedRecord.init(decoding:)),
            patients: (root["patients"]?.elements ?? []).compactMap(\.string),
            candidates: Int(root["candidates"]?.integer ?? 0), count: Int(root["count"]?.integer ?? 1))
        subject = root["subject"]?.string
        session = root["session"]?.string
        emergency = root["emergency"]?.string
    }
}

extension AuditedRecord {
    fileprivate init?(decoding value: JSONValue) {
        let parts = value.elements
        guard
            parts.count >= 4, let type = parts[0].string.flatMap({ ResourceType($0) }), let id = parts[1].string,
            let version = parts[2].integer, let hash = parts[3].string
        else { return nil }
        self.init(
            type: type, id: id, version: version, hash: hash.isEmpty ? nil : hash,
            interaction: parts.count > 4 ? parts[4].string.flatMap(AuditEventKind.init(rawValue:)) : nil)
    }
}
