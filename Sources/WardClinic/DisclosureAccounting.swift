public import WardAudit
public import WardCore
import WardFHIR
public import WardGate
public import WardIdentity

/// What left the clinic about one patient, to whom, when and why (45 CFR 164.528(b)).
public struct DisclosureAccounting: Sendable {
    public struct Entry: Sendable {
        public let event: LoggedEvent
        /// When it was disclosed.
        public let time: Instant
        /// Who received it: the name of a registered system, or what was written down.
        public let recipient: String
        /// Types and how many records of each.
        public let what: [(type: String, count: Int)]
        /// Treatment, payment or operations, which need no accounting (45 CFR 164.528(a)(1)(i)).
        public let isTPO: Bool
    }

    public let patient: String
    public let from: Instant
    public let to: Instant
    /// Newest first.
    public let entries: [Entry]
    /// Disclosures for treatment, payment and operations that were left out.
    public let leftOut: Int
    /// Recipients whose disclosures are not told at present, at an agency's request; for the officer, never for the
    /// patient (45 CFR 164.528(a)(2)).
    public let suspended: [Suspension]
    /// Events whose content is past its retention.
    public let pruned: Int
    public let receipt: AuditReceipt
}

extension Clinic {
    /// Years that an accounting goes back (45 CFR 164.528(a)(1)).
    public static let accountingYears: Int64 = 6

    /// Makes a patient's accounting of disclosures; that it was made is in the log first.
    ///
    /// - Parameters:
    ///   - from: six years back, if nil; not earlier than that in any case.
    ///   - includesTPO: also those for treatment, payment and health care operations.
    public func accounting(
        of patient: String, from: Instant? = nil, to: Instant? = nil, includesTPO: Bool = false,
        principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(GateFailure) -> DisclosureAccounting {
        let earliest = now.adding(seconds: -Self.accountingYears * 31_557_600)
        let (from, to) = (max(from ?? earliest, earliest), min(to ?? now, now))
        var query = AuditQuery(facets: [.patient(patient)])
        // A suspension stands whatever stretch is asked for, and what was written down happened before.
        query.filter.also = { logged in
            let day = Self.disclosed(logged.event)
            return (day >= from && day < to && Self.isDisclosure(logged.event)) || Suspension(logged.event) != nil
        }
        let grant = try await gate.authorizeAccounting(principal, source: source)
        let asked = "patient=\(patient)&start=\(from.text)&end=\(to.text)\(includesTPO ? "&tpo=true" : "")"
        // All of it: a page of an accounting would be none.
        let reading = try await gate.readLog(
            query, limit: .max, looking: .max, asked: asked, with: grant)
        let suspended = Suspension.standing(reading.page.events, at: now)
        let all = reading.page.events.filter { Self.isDisclosure($0.event) }.compactMap { Self.entry($0, patient) }
        let told = all.filter { entry in !suspended.contains { $0.recipient == entry.recipient } }
        return DisclosureAccounting(
            patient: patient, from: from, to: to, entries: told.filter { includesTPO || !$0.isTPO },
            leftOut: includesTPO ? 0 : told.filter(\.isTPO).count,
            suspended: suspended, pruned: reading.page.pruned, receipt: reading.receipt)
    }

    /// Writes down a disclosure that did not go through this server: a letter, a fax, a call.
    public func recordDisclosure(
        of patient: String, to recipient: String, what: String, purpose: String, on day: Instant,
        principal: Principal, source: RequestSource
    ) async throws(GateFailure) -> AuditReceipt {
        try await noted(
            patient, recipient, decision: "recorded \(purpose)", what: what, on: day, principal, source)
    }

    /// Holds disclosures to an agency back from a patient's accounting until the end of a day.
    public func suspendAccounting(
        of patient: String, to recipient: String, until day: String, reason: String, principal: Principal,
        source: RequestSource
    ) async throws(GateFailure) -> AuditReceipt {
        try await noted(
            patient, recipient, decision: "\(Suspension.decision)\(day)", what: reason, on: nil, principal, source)
    }

    private func noted(
        _ patient: String, _ recipient: String, decision: String, what: String, on day: Instant?,
        _ principal: Principal, _ source: RequestSource
    ) async throws(GateFailure) -> AuditReceipt {
        let grant = try await gate.authorizeAccounting(principal, source: source)
        return try await gate.note(
            patient: patient, recipient: recipient, decision: decision, what: what, on: day, with: grant)
    }

    // MARK: What counts

    /// Records that went to somebody outside: exports, what a registered system fetched, and what was written down.
    static func isDisclosure(_ event: AuditEvent) -> Bool {
        guard event.outcome == .success else { return false }
        if event.kind == .disclosureRecorded { return true }
        guard !event.records.isEmpty else { return false }
        switch event.kind {
        case .egressDisclosed, .export: return true
        case .read, .vread, .historyInstance, .search:
            return event.actor?.role.split(separator: " ").contains("integration") ?? false
        default: return false
        }
    }

    /// When something was disclosed: for what was written down the day that was written.
    private static func disclosed(_ event: AuditEvent) -> Instant {
        guard let text = event.writtenDisclosure?.day, let day = FHIRDate.interval(text) else { return event.time }
        return Instant(microseconds: day.low)
    }

    private static func entry(_ logged: LoggedEvent, _ patient: String) -> DisclosureAccounting.Entry? {
        let event = logged.event.share(of: patient)
        // A set in which nothing was of this patient; one of before records were told apart counts whole.
        let unknown = event.records.isEmpty && logged.event.records.allSatisfy { $0.owners == nil }
        if event.kind != .disclosureRecorded, event.records.isEmpty, !unknown { return nil }
        var counts: [(type: String, count: Int)] = []
        for record in event.records {
            if let known = counts.firstIndex(where: { $0.type == record.type.name }) {
                counts[known].count += 1
            } else {
                counts.append((record.type.name, 1))
            }
        }
        let purposes: [PurposeOfUse] = [.treatment, .payment, .operations]
        return DisclosureAccounting.Entry(
            event: LoggedEvent(index: logged.index, event: event, leafHash: logged.leafHash), time: disclosed(event),
            recipient: event.recipient ?? event.actor?.name ?? "", what: counts,
            isTPO: event.kind != .disclosureRecorded && event.purpose.map(purposes.contains) ?? false)
    }
}

extension Clinic {
    /// `GET Patient/ID/$accounting-of-disclosures?start=&end=&tpo=`: an operation of this server's own.
    ///
    /// A collection of AuditEvent resources, newest first, the receipt of the accounting in its header.
    public func accounting(_ patient: String, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            guard Self.isID(patient) else { throw Rejection(400, "value", "not a logical id") }
            var (from, to): (Instant?, Instant?)
            var includesTPO = false
            for pair in request.parameters {
                switch pair.name {
                case "start", "end":
                    guard let (low, high) = FHIRDate.interval(pair.value) else {
                        throw Rejection(400, "value", "a date", expression: pair.name)
                    }
                    if pair.name == "start" { from = Instant(microseconds: low) }
                    if pair.name == "end" { to = Instant(microseconds: high) }
                case "tpo":
                    guard pair.value == "true" || pair.value == "false" else {
                        throw Rejection(400, "value", "true or false", expression: "tpo")
                    }
                    includesTPO = pair.value == "true"
                case "_format", "_pretty": break
                default: throw Rejection(400, "not-supported", "start, end and tpo", expression: pair.name)
                }
            }
            let made = try await accounting(
                of: patient, from: from, to: to, includesTPO: includesTPO, principal: request.principal,
                source: request.source)
            var writer = JSONWriter(reservingCapacity: 512 + made.entries.count * 3000)
            writer.beginBundle("collection", total: nil)
            if !made.entries.isEmpty {
                writer.key("entry")
                writer.beginArray()
                for entry in made.entries {
                    guard let resource = AuditEventResource(entry.event, place: 1, base: base, isAccounting: true)
                    else { continue }
                    writer.beginObject()
                    writer.member("fullUrl", "\(base)/AuditEvent/\(resource.id)")
                    writer.key("resource")
                    resource.write(into: &writer)
                    writer.endObject()
                }
                writer.endArray()
            }
            writer.endObject()
            return ClinicAnswer(status: 200, body: .plain(writer.bytes), receipt: made.receipt)
        }
    }
}

extension AuditEvent {
    /// What ``Gate/note(patient:recipient:decision:what:on:with:)`` kept of a disclosure, the day as `2026-11-21`.
    public var writtenDisclosure: (what: String, day: String?)? {
        guard kind == .disclosureRecorded, let query, let start = query.firstRange(of: "what=") else { return nil }
        let day = query.hasPrefix("on=") ? String(query.dropFirst(3).prefix(10)) : nil
        return (String(query[start.upperBound...]), day)
    }
}
