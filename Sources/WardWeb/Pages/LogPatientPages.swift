import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardMarkup

/// Who opened one record, in plain words: for officers, and for the patient.
extension Visit {
    /// Events that one page tells of.
    private static let most = 500

    func patientLogPage(_ patient: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        let found = await log.all(ask(patient), principal, request.source)
        guard let found else { return logUnavailable() }
        let path = "/app/log/patient/\(patient)"
        return page(
            "Who opened this record",
            onScreenOnly(
                paragraph("Patient \(visibleText(patient))"), sentences(found, patient, isOwn: false),
                further(found, path)), takingAway(path),
            Markup.element(
                "p", [], link("/app/log?patient=\(percentEncoded(patient))", "The same in the log, event by event")))
    }

    func ownRecordPage() async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard let patient = ownPatient(principal, FormFields(Array(request.query.utf8))?["patient"]) else {
            return notYours(principal)
        }
        guard let found = await log.own(patient, ask(patient), principal, request.source) else {
            return refused("role")
        }
        let others = principal.patients.filter { $0 != patient }
        return page(
            "Who opened my record",
            onScreenOnly(
                paragraph(Self.explained), sentences(found, patient, isOwn: true),
                further(found, "/app/my-record", "patient=\(percentEncoded(patient))")),
            takingAway("/app/my-record", [hidden("patient", patient)], "?patient=\(percentEncoded(patient))"),
            .all(
                others.map {
                    Markup.element(
                        "p", [], link("/app/my-record?patient=\(percentEncoded($0))", "The record \(visibleText($0))"))
                }))
    }

    private static let explained =
        "Everybody who looked at the record, wrote to it or gave something of it away. Names are those of staff; "
        + "times are UTC."

    /// The record of theirs that somebody asks for, or their first; nil for none of theirs.
    private func ownPatient(_ principal: Principal, _ asked: String?) -> String? {
        guard let asked else { return principal.patients.first }
        return principal.patients.contains(asked) ? asked : nil
    }

    private func notYours(_ principal: Principal) -> WebAnswer {
        notice(
            "Not there", principal.patients.isEmpty ? "No record is yours here." : "This is not a record of yours.",
            status: 404)
    }

    // MARK: On paper and as a file

    func printPatientLog(_ patient: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard let found = await log.all(ask(patient, as: .print), principal, request.source) else {
            return logUnavailable()
        }
        return printed("Who opened this record", found, patient, "Patient \(visibleText(patient))", [])
    }

    func printOwnRecord() async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard let patient = ownPatient(principal, form["patient"]) else { return notYours(principal) }
        guard let found = await log.own(patient, ask(patient, as: .print), principal, request.source) else {
            return refused("role")
        }
        return printed("Who opened my record", found, patient, Self.explained, [link("/app/my-record", "Back")])
    }

    func patientLogFile(_ patient: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard let found = await log.all(ask(patient, as: .download), principal, request.source) else {
            return logUnavailable()
        }
        return file(found, patient)
    }

    func ownRecordFile() async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard let patient = ownPatient(principal, FormFields(Array(request.query.utf8))?["patient"]) else {
            return notYours(principal)
        }
        guard let found = await log.own(patient, ask(patient, as: .download), principal, request.source) else {
            return refused("role")
        }
        return file(found, patient)
    }

    /// What the page shows, for a browser that prints it: that it was asked for is in the log by then.
    private func printed(
        _ title: String, _ found: AuditPage, _ patient: String, _ text: String, _ more: [Markup]
    ) -> WebAnswer {
        page(
            title,
            Markup.element(
                "div", [("data-print", "")], paragraph(text), paragraph("Printed \(now.text)"),
                sentences(found, patient, isOwn: true), cut(found)),
            Markup.element("p", [("class", "hint screen")], .text("Print this page with your browser.")), .all(more))
    }

    private func file(_ found: AuditPage, _ patient: String) -> WebAnswer {
        var content = "what,times,newest\r\n"
        for line in AccessReport(found.events, about: patient).lines {
            let cells = [line.sentence, String(line.count), line.newest.event.time.text].map(LogRow.cell)
            content += cells.joined(separator: ",") + "\r\n"
        }
        if found.next != nil { content += "\(LogRow.cell("there are older events"))\r\n" }
        return .file(Array(content.utf8), type: LogFileForm.csv.type, name: "who-opened-the-record.csv")
    }

    private func cut(_ found: AuditPage) -> Markup {
        found.next == nil ? .all([]) : paragraph("There are older events that are not told here.")
    }

    /// A browser's own command prints none of it: the button does, and is in the log.
    private func onScreenOnly(_ content: Markup...) -> Markup {
        .all([
            Markup.element("div", [("class", "screen")], .all(content)),
            Markup.element("p", [("class", "paper")], .text("Use the button Print on this page; it is in the log.")),
        ])
    }

    private func takingAway(_ path: String, _ fields: [Markup] = [], _ query: String = "") -> Markup {
        .all([
            postForm("\(path)/print", fields, button("Print", kind: "quiet")),
            Markup.element(
                "p", [], link("\(path)/csv\(query)", "As a file (CSV)"),
                .text(" That you print it or take it away is in the log.")),
        ])
    }

    private func ask(_ patient: String, as kind: AuditEventKind = .auditRead) -> LogDesk.Ask {
        var query = AuditQuery(facets: [.patient(patient)])
        query.filter.also = { $0.event.kind.concernsRecords || $0.event.kind == .emergencyOpened }
        let before = FormFields(Array(request.query.utf8))?["before"].flatMap { Int64($0) } ?? .max
        return LogDesk.Ask(
            query: query, before: max(before, 0), limit: kind == .auditRead ? Self.most : Self.mostOfFile,
            asked: "patient=\(patient)", kind: kind)
    }

    private func sentences(_ found: AuditPage, _ patient: String, isOwn: Bool) -> Markup {
        let lines = AccessReport(found.events, about: patient).lines
        guard !lines.isEmpty else {
            return paragraph(found.next == nil ? "Nobody did." : "Nobody did among the events looked through so far.")
        }
        let items = lines.map { line in
            let count = line.count > 1 ? " (\(line.count) times)" : ""
            let event: Markup =
                isOwn
                ? .all([])
                : .all([.text(" "), link("/app/log/event/\(line.newest.index)", "event \(line.newest.index)")])
            return Markup.element("li", [], Markup.element("bdi", [], .text(line.sentence)), .text(count), event)
        }
        return .all([
            Markup.element("ul", [], .all(items)),
            found.pruned > 0
                ? paragraph("\(found.pruned) events in between are past their retention.") : .all([]),
        ])
    }

    private func further(_ found: AuditPage, _ path: String, _ query: String? = nil) -> Markup {
        guard let next = found.next else { return .all([]) }
        let pairs = [query, "before=\(next)"].compactMap { $0 }.joined(separator: "&")
        return Markup.element("p", [], link("\(path)?\(pairs)", "Earlier"))
    }
}
