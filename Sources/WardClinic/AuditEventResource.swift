import WardAudit
import WardCore
import WardCrypto
import WardFHIR

/// One event of the log as a FHIR R4 AuditEvent, in the patterns of IHE BALP 1.1 where the event is of one.
///
/// An event about several patients is one resource for each of them (BALP, PatientQuery).
struct AuditEventResource: Sendable {
    let logged: LoggedEvent
    /// 0: about no patient; else the place of the patient in the event.
    let place: Int
    private let event: AuditEvent
    private let base: String
    /// What was given out, and when, of a disclosure that somebody wrote down.
    private let disclosed: (what: String, day: String?)?

    /// - Parameters:
    ///   - base: `https://host/fhir`.
    ///   - isAccounting: whether it tells a patient what of theirs was given out (45 CFR 164.528(b)(2)(iii)); that text
    ///     may be clinical, and no other reader of the log sees it.
    init?(_ logged: LoggedEvent, place: Int, base: String, isAccounting: Bool = false) {
        let patients = logged.event.patients
        guard place == 0 ? patients.isEmpty : patients.indices.contains(place - 1) else { return nil }
        self.logged = logged
        self.place = place
        self.base = base
        disclosed = isAccounting ? logged.event.writtenDisclosure : nil
        event = place == 0 ? logged.event : logged.event.share(of: patients[place - 1])
    }

    /// Every resource of an event, or the one of a patient.
    static func all(_ logged: LoggedEvent, patient: String? = nil, base: String) -> [AuditEventResource] {
        let patients = logged.event.patients
        if let patient {
            return (patients.firstIndex(of: patient).flatMap { AuditEventResource(logged, place: $0 + 1, base: base) })
                .map { [$0] } ?? []
        }
        return (patients.isEmpty ? [0] : Array(1...patients.count)).compactMap {
            AuditEventResource(logged, place: $0, base: base)
        }
    }

    static let idPrefix = "log-"

    var id: String { "\(Self.idPrefix)\(logged.index)-\(event.sharePlace ?? place)" }

    /// Index and place of an id of this form.
    static func parsed(_ id: String) -> (index: Int64, place: Int)? {
        let parts = id.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "log", let index = Int64(parts[1]), let place = Int(parts[2]),
            index >= 0, place >= 0, "log-\(index)-\(place)" == id
        else { return nil }
        return (index, place)
    }

    var lastUpdated: Instant { event.time }

    private var patient: String? { place == 0 ? nil : event.patients.first }

    // MARK: Pattern

    private var profile: String? {
        guard event.outcome == .success, event.actor != nil, event.count == 1 else { return nil }
        let name: String
        switch event.kind {
        case .read, .vread: name = "Read"
        case .historyInstance: name = "Read"
        case .create: name = "Create"
        case .update: name = "Update"
        case .delete: name = "Delete"
        case .search: return Self.profiles + (patient == nil ? "Query" : "PatientQuery")
        case .export: return patient == nil || data.isEmpty ? nil : Self.profiles + "PrivacyDisclosure.Source"
        default: return nil
        }
        guard data.count == 1 else { return nil }
        return Self.profiles + (patient == nil ? name : "Patient\(name)")
    }

    private static let profiles = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

    /// What was touched; of a history the resource, once.
    private var data: [AuditedRecord] {
        guard event.kind == .historyInstance, let first = event.records.first else { return event.records }
        return [AuditedRecord(type: first.type, id: first.id, version: 0)]
    }

    /// Client and server, by the direction the records go.
    private var roles: (client: AuditCoding, server: AuditCoding) {
        switch event.kind {
        case .read, .vread, .historyInstance, .export: (.destination, .source)
        case .create, .update, .search: (.source, .destination)
        default: (.application, .custodian)
        }
    }

    // MARK: JSON

    var json: [UInt8] {
        var writer = JSONWriter(reservingCapacity: 3000)
        write(into: &writer)
        return writer.bytes
    }

    func write(into writer: inout JSONWriter) {
        let codes = AuditCodes(event.kind)
        writer.beginObject()
        writer.member("resourceType", "AuditEvent")
        writer.member("id", id)
        writer.object("meta") { writer in
            writer.member("versionId", "1")
            writer.member("lastUpdated", event.time.text)
            if let profile { writer.list("profile", [profile]) { $0.string($1) } }
            writer.list("tag", [AuditCoding(system: Self.tagSystem, code: Self.ownTag, display: "From this log")]) {
                $0.coding($1)
            }
        }
        writeFacts(&writer)
        writer.key("type")
        writer.coding(codes.type)
        let own = AuditCoding(system: Self.kindSystem, code: event.kind.rawValue, display: event.kind.rawValue)
        writer.list("subtype", (codes.subtype.map { [$0] } ?? []) + [own]) { $0.coding($1) }
        writer.member("action", codes.action)
        if let day = disclosed?.day {
            writer.object("period") { writer in
                writer.member("start", day)
                writer.member("end", day)
            }
        }
        writer.member("recorded", event.time.text)
        writer.member("outcome", event.outcome == .success ? "0" : event.outcome == .denied ? "4" : "8")
        writer.member("outcomeDesc", event.decision.isEmpty ? event.outcome.rawValue : event.decision)
        writer.list("purposeOfEvent", purposes) { $0.concept($1) }
        writer.key("agent")
        writer.beginArray()
        writeAgents(&writer)
        writer.endArray()
        writer.object("source") { writer in
            writer.object("observer") { $0.object("identifier") { $0.member("value", base) } }
            writer.list(
                "type",
                [
                    AuditCoding(
                        system: "http://terminology.hl7.org/CodeSystem/security-source-type", code: "4",
                        display: "Application Server")
                ]
            ) { $0.coding($1) }
        }
        writeEntities(&writer)
        writer.endObject()
    }

    static let tagSystem = "urn:ward:audit"
    static let ownTag = "own-log"
    static let kindSystem = "urn:ward:audit-kind"
    static let actorSystem = "urn:ward:actor"

    private var purposes: [AuditCoding] {
        guard let purpose = event.purpose else { return [] }
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
        var codings = [AuditCoding(system: system, code: purpose.rawValue, display: purpose.display)]
        if event.emergency != nil {
            codings.append(AuditCoding(system: system, code: "BTG", display: "break the glass"))
        }
        return codings
    }

    /// What the log knows and AuditEvent has no element for.
    private func writeFacts(_ writer: inout JSONWriter) {
        var facts: [(String, String)] = []
        if let hash = logged.leafHash { facts.append(("receipt", "\(logged.index):\(hex(hash.bytes))")) }
        if let session = event.session { facts.append(("session", session)) }
        if let device = event.device { facts.append(("device", device)) }
        if event.isNewDevice { facts.append(("new-device", "true")) }
        if let spooled = event.spooled { facts.append(("spool", "\(spooled.spool) \(spooled.index)")) }
        if let subject = event.subject { facts.append(("subject", subject)) }
        if let emergency = event.emergency { facts.append(("emergency", emergency)) }
        if let recipient = event.recipient { facts.append(("recipient", recipient)) }
        if event.count > 1 { facts.append(("count", String(event.count))) }
        if event.candidates > 0 { facts.append(("opened-not-shown", String(event.candidates))) }
        if logged.event.patients.count > 1 { facts.append(("patients", String(logged.event.patients.count))) }
        guard !facts.isEmpty else { return }
        writer.list("extension", [facts]) { writer, facts in
            writer.beginObject()
            writer.member("url", "urn:ward:audit-facts")
            writer.list("extension", facts) { writer, fact in
                writer.beginObject()
                writer.member("url", fact.0)
                writer.member("valueString", fact.1)
                writer.endObject()
            }
            writer.endObject()
        }
    }

    // MARK: Agents

    private func writeAgents(_ writer: inout JSONWriter) {
        let isClient = event.actor.map { !$0.id.hasPrefix("person/") } ?? false
        writer.beginObject()
        writer.concept("type", roles.client)
        writer.object("who") { writer in
            if let name = event.actor?.app ?? (isClient ? event.actor?.id : nil) {
                writer.object("identifier") { $0.identifier(Self.actorSystem, name) }
            } else {
                writer.member("display", event.actor == nil ? "unknown or the system itself" : "browser")
            }
        }
        if isClient, let actor = event.actor {
            writer.member("name", actor.name.isEmpty ? actor.id : actor.name)
            if event.kind != .delete { writeRoles(actor, &writer) }
        }
        writer.key("requestor")
        writer.bool(isClient)
        writer.network(event.source.address)
        if isClient, event.kind != .delete { writer.list("purposeOfUse", purposes) { $0.concept($1) } }
        writer.endObject()

        writer.beginObject()
        writer.concept("type", roles.server)
        // The same as the source's observer (BALP, val-audit-source).
        writer.object("who") { $0.object("identifier") { $0.member("value", base) } }
        writer.key("requestor")
        writer.bool(false)
        writer.object("network") { writer in
            writer.member("address", base)
            writer.member("type", "5")
        }
        writer.endObject()

        guard let actor = event.actor, !isClient else { return }
        writer.beginObject()
        switch event.kind {
        case .create, .update, .delete: writer.concept("type", .participation("AUT", "author (originator)"))
        default: writer.concept("type", .participation("IRCP", "information recipient"))
        }
        writeRoles(actor, &writer)
        writer.object("who") { writer in
            writer.object("identifier") { $0.identifier(Self.actorSystem, actor.id) }
        }
        if !actor.name.isEmpty { writer.member("name", actor.name) }
        writer.key("requestor")
        writer.bool(true)
        writer.list("purposeOfUse", purposes) { $0.concept($1) }
        writer.endObject()
    }

    private func writeRoles(_ actor: AuditActor, _ writer: inout JSONWriter) {
        writer.list("role", actor.role.split(separator: " ")) { writer, role in
            writer.beginObject()
            writer.member("text", String(role))
            writer.endObject()
        }
    }

    // MARK: Entities

    private func writeEntities(_ writer: inout JSONWriter) {
        let hasQuery = event.kind == .search
        guard hasQuery || patient != nil || !data.isEmpty || !event.source.request.isEmpty else { return }
        writer.key("entity")
        writer.beginArray()
        if hasQuery {
            writer.beginObject()
            writer.coded("type", Self.entityType, "2", "System Object")
            writer.coded("role", Self.objectRole, "24", "Query")
            let asked = "\(event.type?.name ?? "")?\(event.query ?? "")"
            writer.member("query", base64(Array(asked.utf8)))
            writer.endObject()
        }
        if let what = disclosed?.what {
            writer.beginObject()
            writer.coded("type", Self.entityType, "2", "System Object")
            writer.coded("role", Self.objectRole, "3", "Report")
            writer.member("description", what)
            writer.endObject()
        }
        for record in data { write(record, isCounted: !hasQuery && event.kind != .transaction, &writer) }
        if let patient {
            writer.beginObject()
            writer.object("what") { $0.member("reference", "Patient/\(patient)") }
            writer.coded("type", Self.entityType, "1", "Person")
            writer.coded("role", Self.objectRole, "1", "Patient")
            writer.endObject()
        }
        if !event.source.request.isEmpty {
            writer.beginObject()
            writer.object("what") { writer in
                writer.object("identifier") { $0.member("value", event.source.request) }
            }
            writer.coded(
                "type", "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId",
                "X-Request-Id")
            writer.endObject()
        }
        writer.endArray()
    }

    /// - Parameter isCounted: whether it is the pattern's `data`; a search has none, and its records are told apart by type.
    private func write(_ record: AuditedRecord, isCounted: Bool, _ writer: inout JSONWriter) {
        writer.beginObject()
        let version = record.version > 0 ? "/_history/\(record.version)" : ""
        writer.object("what") { $0.member("reference", "\(record.type.name)/\(record.id)\(version)") }
        if isCounted {
            writer.coded("type", Self.entityType, "2", "System Object")
        } else {
            writer.coded("type", "http://hl7.org/fhir/resource-types", record.type.name, record.type.name)
        }
        writer.coded("role", Self.objectRole, "4", "Domain Resource")
        if event.kind != .delete, let hash = record.hash {
            writer.list("detail", [hash]) { writer, hash in
                writer.beginObject()
                writer.member("type", "sealed-sha256-16")
                writer.member("valueString", hash)
                writer.endObject()
            }
        }
        writer.endObject()
    }

    private static let entityType = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
    private static let objectRole = "http://terminology.hl7.org/CodeSystem/object-role"
}

extension PurposeOfUse {
    fileprivate var display: String {
        switch self {
        case .treatment: "treatment"
        case .payment: "healthcare payment"
        case .operations: "healthcare operations"
        case .patientRequest: "patient requested"
        case .systemAdministration: "health system administration"
        }
    }
}

extension JSONWriter {
    fileprivate mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        beginObject()
        body(&self)
        endObject()
    }

    /// Nothing for no elements: FHIR has no empty arrays.
    fileprivate mutating func list<Element>(
        _ name: String, _ elements: [Element], _ body: (inout JSONWriter, Element) -> Void
    ) {
        guard !elements.isEmpty else { return }
        key(name)
        beginArray()
        for element in elements { body(&self, element) }
        endArray()
    }

    fileprivate mutating func coding(_ coding: AuditCoding) {
        beginObject()
        member("system", coding.system)
        member("code", coding.code)
        member("display", coding.display)
        endObject()
    }

    fileprivate mutating func concept(_ coding: AuditCoding) {
        beginObject()
        list("coding", [coding]) { $0.coding($1) }
        endObject()
    }

    fileprivate mutating func concept(_ name: String, _ coding: AuditCoding) {
        key(name)
        concept(coding)
    }

    fileprivate mutating func coded(_ name: String, _ system: String, _ code: String, _ display: String) {
        key(name)
        coding(AuditCoding(system: system, code: code, display: display))
    }

    fileprivate mutating func identifier(_ system: String, _ value: String) {
        member("system", system)
        member("value", value)
    }

    /// IP addresses are of type 2, names of the machine's own of type 1 (FHIR R4 valueset-network-type.html).
    fileprivate mutating func network(_ address: String) {
        object("network") { writer in
            let isIP = !address.isEmpty && address.allSatisfy { $0.isHexDigit || $0 == "." || $0 == ":" }
            writer.member("address", address.isEmpty ? "unknown" : address)
            writer.member("type", isIP ? "2" : "1")
        }
    }
}
