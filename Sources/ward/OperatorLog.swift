import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardIdentity

/// Reading the log at the machine: search, who opened a record, accounting of disclosures.
extension OperatorService {
    func searchLog(_ request: OperatorRequest, _ reply: Reply) async throws {
        let principal = try await principal(request)
        let query = try logQuery(request)
        let asked = request.options.filter { !["assertion", "json", "limit", "before"].contains($0.key) }
            .sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "&")
        let isJSON = request.options["json"] != nil
        var left = request.options["limit"].flatMap { Int($0) } ?? 50
        var before = request.options["before"].flatMap { Int64($0) } ?? .max
        var (found, pruned) = (0, Int64(0))
        // One reading looks at so many events and no more; the next goes on where it stopped.
        while left > 0, before > 0 {
            let page: AuditPage
            do throws(GateFailure) {
                page = try await house.clinic.readLog(
                    query, before: before, limit: left, asked: asked, principal: principal, source: Self.source
                ).page
            } catch {
                throw CommandFailure(ClinicAnswer(error).sentence)
            }
            for logged in page.events { reply(.output(isJSON ? visibleJSON(logged.json) : visibleText(logged.line))) }
            found += page.events.count
            left -= page.events.count
            pruned += Int64(page.pruned)
            before = page.next ?? 0
        }
        if isJSON { return found == 0 ? reply(.output("")) : () }
        if found == 0 { reply(.output("no events")) }
        if pruned > 0 { reply(.output("\(pruned) events in between are past their retention")) }
        if before > 0 { reply(.output("there may be more: --before \(before)")) }
    }

    private func logQuery(_ request: OperatorRequest) throws -> AuditQuery {
        var query = AuditQuery()
        if let patient = request.options["patient"] { query.facets.append(.patient(patient)) }
        if let actor = request.options["actor"] {
            query.facets.append(.actor(actor.contains("/") ? actor : "client/\(actor)"))
        }
        if let login = request.options["about"] {
            guard let person = house.people.directory.person(named: login) else {
                throw CommandFailure("nobody has this login name")
            }
            query.facets.append(.subject(person.actor.id))
        }
        if let kind = request.options["kind"] {
            guard let kind = AuditEventKind(rawValue: kind) else {
                let names = AuditEventKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw CommandFailure("kinds of events are: \(names)")
            }
            query.facets.append(.kind(kind))
        }
        if let record = request.options["record"] {
            let parts = record.split(separator: "/")
            guard parts.count == 2, let type = ResourceType(parts[0]) else {
                throw CommandFailure("--record is Type/id")
            }
            query.facets.append(.record(type: type, id: String(parts[1])))
        }
        if let outcome = request.options["outcome"] {
            switch AuditOutcome(rawValue: outcome) {
            case .success: query.filter.isSuccess = true
            case let other?: query.facets.append(.outcome(other))
            case nil: throw CommandFailure("--outcome is success, denied or failed")
            }
        }
        if let emergency = request.options["emergency"] { query.facets.append(.emergency(emergency)) }
        if let session = request.options["session"] { query.facets.append(.session(session)) }
        if let address = request.options["address"] { query.facets.append(.address(address)) }
        if let app = request.options["app"] { query.facets.append(.app(app)) }
        query.filter.device = request.options["device"]
        if let day = request.options["day"] {
            let parts = day.split(separator: "-").compactMap { Int64($0) }
            guard parts.count == 3 else { throw CommandFailure("--day is YYYY-MM-DD") }
            query.facets.append(.day(CalendarDay(year: parts[0], month: parts[1], day: parts[2])))
        }
        return query
    }

    // MARK: One patient

    /// Who opened a record, in plain words.
    func reportAccesses(_ request: OperatorRequest, _ reply: Reply) async throws {
        let principal = try await principal(request)
        guard let patient = request.options["patient"] else { throw CommandFailure("--patient is needed") }
        var query = AuditQuery(facets: [.patient(patient)])
        query.filter.also = { $0.event.kind.concernsRecords || $0.event.kind == .emergencyOpened }
        query.filter.from = try day(request, "from")?.low
        query.filter.to = try day(request, "to")?.high
        let page: AuditPage
        do throws(GateFailure) {
            page = try await house.clinic.readLog(
                query, limit: 10_000, asked: "report patient=\(patient)", principal: principal, source: Self.source
            ).page
        } catch {
            throw CommandFailure(ClinicAnswer(error).sentence)
        }
        let lines = AccessReport(page.events, about: patient).lines
        for line in lines {
            reply(.output("\(line.sentence)\(line.count > 1 ? " (\(line.count) times)" : "")  [\(line.newest.index)]"))
        }
        if lines.isEmpty { reply(.output("nobody did")) }
        if page.pruned > 0 { reply(.output("\(page.pruned) events in between are past their retention")) }
        if page.next != nil { reply(.output("only the newest 10000 events are told; narrow with --from and --to")) }
    }

    /// Accounting of disclosures (45 CFR 164.528), and what is written down for it.
    func accountDisclosures(_ request: OperatorRequest, _ reply: Reply) async throws {
        let principal = try await principal(request)
        guard let patient = request.options["patient"], Clinic.isID(patient) else {
            throw CommandFailure("--patient is a logical id")
        }
        do {
            if let until = request.options["suspend-until"] {
                guard let recipient = request.options["recipient"], let reason = request.options["what"],
                    until.utf8.count == 10, FHIRDate.interval(until) != nil
                else { throw CommandFailure("--suspend-until YYYY-MM-DD goes with --recipient and --what") }
                let receipt = try await house.clinic.suspendAccounting(
                    of: patient, to: recipient, until: until, reason: reason, principal: principal,
                    source: Self.source)
                return reply(
                    .output("disclosures to \(visibleText(recipient)) are not told until \(until)  [\(receipt.index)]"))
            }
            if let on = try day(request, "record") {
                guard let recipient = request.options["recipient"], let what = request.options["what"],
                    let purpose = request.options["why"]
                else { throw CommandFailure("--record DAY goes with --recipient, --what and --why") }
                let receipt = try await house.clinic.recordDisclosure(
                    of: patient, to: recipient, what: what, purpose: purpose, on: on.low, principal: principal,
                    source: Self.source)
                return reply(.output("written down  [\(receipt.index)]"))
            }
            let made = try await house.clinic.accounting(
                of: patient, from: try day(request, "from")?.low, to: try day(request, "to")?.high,
                includesTPO: request.options["tpo"] != nil, principal: principal, source: Self.source)
            tell(made, isJSON: request.options["json"] != nil, reply)
        } catch let failure as GateFailure {
            throw CommandFailure(ClinicAnswer(failure).sentence)
        }
    }

    private func tell(_ made: DisclosureAccounting, isJSON: Bool, _ reply: Reply) {
        for entry in made.entries {
            reply(.output(isJSON ? visibleJSON(entry.json) : visibleText(entry.line)))
        }
        guard !isJSON else { return }
        reply(
            .output(
                "from \(made.from.text.prefix(10)) to \(made.to.text.prefix(10)): \(made.entries.count) disclosures"))
        if made.leftOut > 0 {
            reply(
                .output(
                    "\(made.leftOut) for treatment, payment or operations are left out (45 CFR 164.528(a)(1)); --tpo tells them"
                ))
        }
        for suspension in made.suspended {
            reply(
                .output(
                    "held back until \(suspension.until.text.prefix(10)) at an agency's request: \(visibleText(suspension.recipient))"
                ))
        }
        if made.pruned > 0 { reply(.output("\(made.pruned) events are past their retention")) }
    }

    /// The bounds of a day among the options.
    private func day(_ request: OperatorRequest, _ name: String) throws -> (low: Instant, high: Instant)? {
        guard let text = request.options[name] else { return nil }
        guard let (low, high) = FHIRDate.interval(text) else { throw CommandFailure("--\(name) is YYYY-MM-DD") }
        return (Instant(microseconds: low), Instant(microseconds: high + 1))
    }
}

extension DisclosureAccounting.Entry {
    /// Date, recipient, what, purpose: what 45 CFR 164.528(b)(2) asks for.
    var line: String {
        let told = event.event
        let types = what.map { "\($0.count) \($0.type)" }.joined(separator: ", ")
        let records = types.isEmpty ? told.writtenDisclosure?.what ?? "records of several patients" : types
        let why = told.kind == .disclosureRecorded ? told.decision : told.purpose?.rawValue ?? ""
        return
            "\(time.text.prefix(10))  to \(recipient)  \(records)  \(why)\(isTPO ? " (TPO)" : "")  [\(event.index)]"
    }

    var json: String {
        let told = event.event
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("index", event.index)
        writer.member("time", time.text)
        writer.member("recipient", recipient)
        writer.key("what")
        writer.beginObject()
        for (type, count) in what { writer.member(type, count) }
        writer.endObject()
        if let text = told.writtenDisclosure?.what { writer.member("written", text) }
        writer.member("purpose", told.kind == .disclosureRecorded ? told.decision : told.purpose?.rawValue ?? "")
        writer.key("tpo")
        writer.bool(isTPO)
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
