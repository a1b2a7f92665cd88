public import WardCore
import WardCrypto
import WardFHIR
public import WardStorage

extension AuditEvent {
    /// The event as one or more events that each fit a leaf: all but records, patients and entries repeats.
    func parts() -> [AuditEvent] {
        let most = max(records.count, patients.count, entries.count)
        guard most > Self.recordsPerLeaf else { return [self] }
        // Patients stand in the leaf of their records, so that each is found where something of theirs is.
        var placed: Set<Int> = []
        var parts = stride(from: 0, to: max(records.count, entries.count), by: Self.recordsPerLeaf).map { start in
            part(start: start, &placed)
        }
        let rest = patients.indices.filter { !placed.contains($0) }.map { patients[$0] }
        for start in stride(from: 0, to: rest.count, by: Self.recordsPerLeaf) {
            let some = Array(rest.dropFirst(start).prefix(Self.recordsPerLeaf))
            let place = start / Self.recordsPerLeaf
            if place < parts.count, parts[place].patients.count + some.count <= Self.recordsPerLeaf {
                parts[place].patients += some
                continue
            }
            var part = self
            (part.records, part.entries, part.resealed, part.patients) = ([], [], [], some)
            parts.append(part)
        }
        return parts
    }

    private func part(start: Int, _ placed: inout Set<Int>) -> AuditEvent {
        var part = self
        part.entries = Array(entries.dropFirst(start).prefix(Self.recordsPerLeaf))
        part.records = []
        if start > 0 { part.resealed = [] }
        var here: [Int: Int] = [:]
        part.patients = []
        for record in records.dropFirst(start).prefix(Self.recordsPerLeaf) {
            let owners = record.owners?.map { owner in
                if let known = here[owner] { return known }
                here[owner] = part.patients.count
                if patients.indices.contains(owner) { part.patients.append(patients[owner]) }
                placed.insert(owner)
                return part.patients.count - 1
            }
            part.records.append(record.owned(by: owners))
        }
        return part
    }

    /// 250 records with ids of at most 64 characters, their patients, and as many entries of 80 characters, stay under
    /// 65,535 bytes.
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
                // Of one patient alone every record is theirs, if it says nothing else.
                let owners = patients.count > 1 || record.owners != [0] ? record.owners : nil
                if record.interaction != nil || owners != nil { writer.string(record.interaction?.rawValue ?? "") }
                if let owners { for owner in owners.isEmpty ? [-1] : owners { writer.number(owner) } }
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
        if let device { writer.member("device", device) }
        if isNewDevice { writer.member("newDevice", 1) }
        if let query { writer.member("query", query) }
        if let recipient { writer.member("recipient", recipient) }
        if let spooled {
            writer.member("spool", spooled.spool)
            writer.member("spoolIndex", spooled.index)
        }
        if !entries.isEmpty {
            writer.key("entries")
            writer.beginArray()
            for entry in entries {
                writer.beginArray()
                writer.number(entry.kind.rawValue)
                writer.string(base64URL(entry.id.bytes))
                writer.string(entry.hash ?? "")
                writer.endArray()
            }
            writer.endArray()
        }
        if !resealed.isEmpty { writer.member("resealed", base64URL(resealed.flatMap(\.bytes))) }
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
        device = root["device"]?.string
        isNewDevice = root["newDevice"]?.integer == 1
        query = root["query"]?.string
        recipient = root["recipient"]?.string
        if let spool = root["spool"]?.string, let index = root["spoolIndex"]?.integer {
            spooled = SpoolPlace(spool: spool, index: index)
        }
        entries = (root["entries"]?.elements ?? []).compactMap(AuditedEntry.init(decoding:))
        if let text = root["resealed"]?.string {
            guard let versions = base64URLDecoded(text).flatMap({ ResealedVersion.list($0) }) else { return nil }
            resealed = versions
        }
    }
}

extension AuditedEntry {
    /// Names what is stored by its hash.
    public init(kind: EntryKind, id: Locator, sealed: [UInt8]) {
        self.init(kind: kind, id: id, hash: hex(Array(sha256(sealed).bytes.prefix(16))))
    }

    /// The patient key that a write makes; nil if it makes none.
    init?(_ write: RecordWrite) {
        guard let key = write.newKey else { return nil }
        self.init(kind: .patientKey, id: key.id, sealed: key.wrapped)
    }

    /// A patient's key that was destroyed: by the hash of what was stored, so that the sum over the keys can go on.
    init(_ removal: KeyRemoval) {
        self.init(kind: .patientKeyRemoved, id: removal.id, sealed: removal.wrapped)
    }

    /// A patient's key and the one in its place.
    static func replacing(_ replacement: KeyReplacement) -> [AuditedEntry] {
        [
            AuditedEntry(kind: .patientKeyRemoved, id: replacement.id, sealed: replacement.old),
            AuditedEntry(kind: .patientKey, id: replacement.id, sealed: replacement.new),
        ]
    }

    init(_ write: EntryWrite) {
        switch write {
        case .put(let entry, let kind):
            self.init(kind: kind, id: entry.id, sealed: entry.sealed)
        case .remove(let id, let kind):
            self.init(kind: kind, id: id, hash: nil)
        }
    }

    fileprivate init?(decoding value: JSONValue) {
        let parts = value.elements
        guard
            parts.count == 3, let kind = parts[0].integer.flatMap(EntryKind.init(rawValue:)),
            let id = parts[1].string.flatMap({ base64URLDecoded($0) }).flatMap({ Locator(bytes: $0) }),
            let hash = parts[2].string
        else { return nil }
        self.init(kind: kind, id: id, hash: hash.isEmpty ? nil : hash)
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
            interaction: parts.count > 4 ? parts[4].string.flatMap(AuditEventKind.init(rawValue:)) : nil,
            owners: parts.count > 5
                ? parts.dropFirst(5).compactMap { $0.integer.flatMap { $0 < 0 ? nil : Int(exactly: $0) } } : nil)
    }

    fileprivate func owned(by owners: [Int]?) -> AuditedRecord {
        AuditedRecord(type: type, id: id, version: version, hash: hash, interaction: interaction, owners: owners)
    }
}

extension ResealedVersion {
    /// Locator, version, whether it is a deletion, and both hashes: 57 bytes, of which 500 fit a leaf in base 64.
    private static let size = 57

    init(_ reseal: RecordReseal) {
        self.init(
            locator: reseal.stored.locator, version: reseal.stored.version, isDeleted: reseal.stored.isDeleted,
            old: sha256(reseal.stored.body).locator, new: sha256(reseal.body).locator)
    }

    fileprivate var bytes: [UInt8] {
        locator.bytes + (0..<8).map { UInt8(truncatingIfNeeded: version >> Int64(56 - 8 * $0)) }
            + [isDeleted ? 1 : 0] + old.bytes + new.bytes
    }

    fileprivate static func list(_ bytes: [UInt8]) -> [ResealedVersion]? {
        guard bytes.count % size == 0 else { return nil }
        var found: [ResealedVersion] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            let part = bytes[start..<start + size]
            guard
                let locator = Locator(bytes: part.prefix(16)), let old = Locator(bytes: part.dropFirst(25).prefix(16)),
                let new = Locator(bytes: part.suffix(16))
            else { return nil }
            found.append(
                ResealedVersion(
                    locator: locator, version: part.dropFirst(16).prefix(8).reduce(0) { $0 << 8 | Int64($1) },
                    isDeleted: part[start + 24] == 1, old: old, new: new))
        }
        return found
    }
}
