import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardMarkup
import WardPolicy

/// The audit log for whoever may read it: filter, list, one event. It names patients by id and shows nothing clinical.
extension Visit {
    /// Events of one page.
    private static let pageSize = 50

    func logFilter() -> LogFilter {
        let form = FormFields(Array(request.query.utf8)) ?? .none
        return LogFilter(form) { people.directory.person(named: $0)?.id }
    }

    func logPage() async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        let filter = logFilter()
        guard filter.problems.isEmpty else { return page("Audit log", problems: filter.problems, filterForm(filter)) }
        let isByTime = filter.sort == .newest
        let found: AuditPage
        do throws(LogFailure) {
            found = try await log.all(
                LogDesk.Ask(
                    query: filter.query, before: filter.before, limit: isByTime ? Self.pageSize : LogSort.most,
                    asked: filter.text()), principal, request.source)
        } catch {
            return logRefused(error)
        }
        let events = filter.sort.sorted(found.events)
        return page(
            "Audit log",
            Markup.element(
                "p", [("class", "hint")],
                .text("Patients are named by id. That you looked, and for what, is in the log as well.")),
            filterForm(filter), summary(found, filter), list(events, filter), further(found, filter))
    }

    /// What somebody is told who does not get to see the log.
    func logRefused(_ failure: LogFailure) -> WebAnswer {
        switch failure {
        case .denied: refused("role")
        case .unavailable: notice("Not now", "The log cannot be read or written at the moment.", status: 503)
        case .busy:
            notice("Not now", "Another file is being made. Try again shortly.", status: 503)
                .adding("Retry-After", "10")
        }
    }

    // MARK: Form

    private func filterForm(_ filter: LogFilter) -> Markup {
        let policy = people.directory.policy
        let kinds: [(value: String, label: String)] = AuditEventKind.allCases.map { ($0.rawValue, $0.rawValue) }
            .sorted { $0.value < $1.value }
        let rows: [Markup] = [
            logField("person", "Who", "Login name, client or person/ID", filter),
            logField("patient", "Patient", "Id", filter),
            choice("kind", "Kind", kinds, filter),
            choice("outcome", "Outcome", AuditOutcome.allCases.map { ($0.rawValue, $0.rawValue) }, filter),
            logField("from", "From day (UTC)", "2026-11-21", filter, type: "date"),
            logField("to", "To day", "2026-11-21", filter, type: "date"),
        ]
        let more: [Markup] = [
            logField("record", "Record", "Type/id", filter), logField("type", "Type", "Observation", filter),
            choice("purpose", "Purpose", PurposeOfUse.allCases.map { ($0.rawValue, $0.rawValue) }, filter),
            choice("role", "Role", policy.roles.map { ($0.rawValue, $0.rawValue) }, filter),
            logField("about", "Done to", "Login name or person/ID", filter),
            logField("app", "App", "Its name and id, as in an event", filter),
            logField("address", "Address", "192.0.2.7", filter), logField("session", "Session", "Its number", filter),
            logField("device", "Device", "Its id", filter),
            logField("emergency", "Emergency", "Its id, or any", filter),
            choice("new-device", "From a new device", [("yes", "only those")], filter),
            choice("sort", "Order", LogSort.allCases.map { ($0.rawValue, $0.rawValue) }, filter),
        ]
        let first: Set<String> = ["person", "patient", "kind", "outcome", "from", "to"]
        let isOpen = filter.typed.contains { !first.contains($0.name) }
        let open: [WebAttribute] = isOpen ? [("open", "")] : []
        return Markup.element(
            "form", [("method", "get"), ("action", "/app/log"), ("class", "filter"), ("role", "search")],
            Markup.element("div", [("class", "grid")], .all(rows)),
            Markup.element(
                "details", open, Markup.element("summary", [], .text("More fields")),
                Markup.element("div", [("class", "grid")], .all(more))),
            Markup.element("p", [], button("Show"), .text(" "), link("/app/log", "Clear")))
    }

    private func logField(
        _ name: StaticString, _ label: String, _ hint: String, _ filter: LogFilter, type: String = "text"
    ) -> Markup {
        let id = "\(name)"
        var attributes: [WebAttribute] = [
            ("id", id), ("name", id), ("type", type), ("autocomplete", "off"), ("maxlength", "200"),
            ("placeholder", hint), ("value", filter[name].map(visibleText) ?? ""),
        ]
        if let problem = filter.problems.first(where: { $0.field.map { "\($0)" == id } ?? false }) {
            attributes += [("aria-invalid", "true"), ("title", problem.text)]
        }
        return Markup.element(
            "div", [("class", "field")], Markup.element("label", [("for", id)], .text(label)),
            Markup.element("input", attributes))
    }

    private func choice(
        _ name: StaticString, _ label: String, _ options: [(value: String, label: String)], _ filter: LogFilter
    ) -> Markup {
        let id = "\(name)"
        let all = [(value: "", label: "any")] + options
        let items = all.map { option in
            let chosen: [WebAttribute] = option.value == filter[name] ?? "" ? [("selected", "")] : []
            return Markup.element("option", [(name: "value", value: option.value)] + chosen, .text(option.label))
        }
        return Markup.element(
            "div", [("class", "field")], Markup.element("label", [("for", id)], .text(label)),
            Markup.element("select", [("id", id), ("name", id)], .all(items)))
    }

    // MARK: List

    private func summary(_ found: AuditPage, _ filter: LogFilter) -> Markup {
        var words: [String] = []
        if filter.sort != .newest {
            let isFull = found.events.count == LogSort.most
            words.append(
                isFull
                    ? "In this order stand the newest \(LogSort.most) events that match\(found.next == nil ? "" : "; earlier ones follow")."
                    : found.next == nil
                        ? "In this order stand all events that match."
                        : "In this order stand those that match among the \(LogDesk.mostOpened) events looked through.")
        }
        if found.pruned > 0 {
            words.append("\(found.pruned) events in between are past their retention; only their proofs are left.")
        }
        if found.events.isEmpty {
            words.append(found.next == nil ? "No events." : "None among the events looked through so far.")
        }
        let text = filter.text()
        let file = text.isEmpty ? "" : "?\(text)"
        return .all([
            words.isEmpty ? .all([]) : paragraph(words.joined(separator: " ")),
            Markup.element(
                "p", [], .text("As a file: "), link("/app/log/csv\(file)", "CSV"), .text(" "),
                link("/app/log/ndjson\(file)", "NDJSON")),
        ])
    }

    private func list(_ events: [LoggedEvent], _ filter: LogFilter) -> Markup {
        guard !events.isEmpty else { return .all([]) }
        let table = table(
            ["When", "What", "Who", "Patient", "Records", "Why", "From"],
            events.map { logged in
                let event = logged.event
                return [
                    Markup.element(
                        "a", [("href", "/app/log/event/\(logged.index)")], time(event.time)),
                    .all([
                        .text(event.kind.rawValue),
                        event.outcome == .success
                            ? .all([]) : Markup.element("strong", [], .text(" \(event.outcome.rawValue)")),
                        event.count > 1 ? .text(" ×\(event.count)") : .all([]),
                        event.emergency == nil ? .all([]) : .text(" emergency"),
                    ]),
                    event.actor.map { actor in
                        .all([logName(actor), .text(" (\(visibleText(actor.role)))")])
                    } ?? .text("system"),
                    patients(event), .text(records(event, limit: 2)), .text(event.purpose?.rawValue ?? ""),
                    .text(visibleText(event.source.address)),
                ]
            })
        return Markup.element("div", [("class", "wide")], table)
    }

    /// The name of who acted; patients by their account.
    private func logName(_ actor: AuditActor) -> Markup {
        name(visibleText(actor.name.isEmpty ? actor.id : actor.name))
    }

    private func patients(_ event: AuditEvent) -> Markup {
        let shown = event.patients.prefix(2).map(patientLink)
        let more = event.patients.count > 2 ? [Markup.text(" and \(event.patients.count - 2) more")] : []
        return .all(Array(shown.flatMap { [$0, .text(" ")] }) + more)
    }

    /// Only an id of FHIR's is an address here.
    private func patientLink(_ id: String) -> Markup {
        isRecordID(id) ? link("/app/log/patient/\(percentEncoded(id))", visibleText(id)) : .text(visibleText(id))
    }

    private func records(_ event: AuditEvent, limit: Int) -> String {
        let shown = event.records.prefix(limit).map { "\($0.type.name)/\($0.id)" }.joined(separator: ", ")
        let more = event.records.count > limit ? " and \(event.records.count - limit) more" : ""
        return event.records.isEmpty ? event.type?.name ?? "" : shown + more
    }

    private func further(_ found: AuditPage, _ filter: LogFilter) -> Markup {
        guard let next = found.next else { return .all([]) }
        return Markup.element("p", [], link("/app/log?\(filter.text(before: next))", "Earlier events"))
    }

    // MARK: One event

    func logEventPage(_ text: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard let index = Int64(text), index >= 0, index < .max else { return noSuchEvent() }
        var query = AuditQuery()
        query.filter.also = { $0.index == index }
        let found: AuditPage
        do throws(LogFailure) {
            found = try await log.all(
                LogDesk.Ask(query: query, before: index + 1, limit: 1, looking: 1, asked: "event=\(index)"), principal,
                request.source)
        } catch {
            return logRefused(error)
        }
        guard let logged = found.events.first else {
            // Beyond the end of the log it is the newest leaf that was looked at.
            if found.pruned > 0, (found.next ?? 0) == index {
                return notice(
                    "Event \(index)",
                    "Its content is past its retention and gone; its place in the log is proven still.",
                    status: 410)
            }
            return noSuchEvent()
        }
        return page(
            "Event \(index)", facts(logged), recordList(logged.event),
            Markup.element("p", [], link("/app/log", "Back to the log")))
    }

    private func noSuchEvent() -> WebAnswer { notice("Not there", "There is no such event.", status: 404) }

    private func facts(_ logged: LoggedEvent) -> Markup {
        let event = logged.event
        var rows: [(String, Markup)] = [
            ("When", .text(event.time.text)), ("What", .text(event.kind.rawValue)),
            ("Outcome", .text(event.outcome.rawValue)), ("Decided by", .text(visibleText(event.decision))),
        ]
        func add(_ label: String, _ value: String?, filter: String? = nil) {
            guard let value, !value.isEmpty else { return }
            let shown = visibleText(value)
            guard let filter else { return rows.append((label, .text(shown))) }
            rows.append((label, link("/app/log?\(filter)=\(percentEncoded(value))", shown)))
        }
        if let actor = event.actor {
            rows.append(("Who", logName(actor)))
            add("Account", actor.id, filter: "person")
            add("Roles", actor.role)
            add("App", actor.app, filter: "app")
        } else {
            add("Who", "the system, or nobody known")
        }
        add("Done to", event.subject, filter: "about")
        add("Why", event.purpose?.rawValue)
        add("Type", event.type?.name)
        add("Question", event.query)
        add("Went to", event.recipient)
        add("From", event.source.address, filter: "address")
        add("Request", event.source.request)
        add("Session", event.session, filter: "session")
        add("Device", event.device, filter: "device")
        if event.isNewDevice { add("New device", "the account was never used from it before") }
        add("Emergency", event.emergency, filter: "emergency")
        if event.count > 1 { add("Stands for", "\(event.count) such events") }
        if event.candidates > 0 { add("Opened and not shown", "\(event.candidates)") }
        for patient in event.patients.prefix(50) {
            rows.append(("Patient", patientLink(patient)))
        }
        if event.patients.count > 50 { add("Patients", "and \(event.patients.count - 50) more") }
        if let hash = logged.leafHash {
            rows.append(
                ("Receipt", Markup.element("span", [("class", "codes")], .text("\(logged.index):\(hex(hash.bytes))"))))
        }
        return Markup.element(
            "table", [("class", "facts")],
            Markup.element(
                "tbody", [],
                .all(
                    rows.map { row in
                        Markup.element(
                            "tr", [], Markup.element("th", [("scope", "row")], .text(row.0)),
                            Markup.element("td", [], row.1))
                    })))
    }

    private func recordList(_ event: AuditEvent) -> Markup {
        guard !event.records.isEmpty else { return .all([]) }
        return .all([
            heading("Records"),
            table(
                ["Record", "Version", "Done", "Hash"],
                event.records.prefix(500).map { record in
                    [
                        link(
                            "/app/log?record=\(percentEncoded("\(record.type.name)/\(record.id)"))",
                            "\(record.type.name)/\(visibleText(record.id))"),
                        .text(record.version > 0 ? "\(record.version)" : ""),
                        .text(record.interaction?.rawValue ?? ""), .text(record.hash ?? ""),
                    ]
                }),
        ])
    }
}
