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
        guard isRecordID(patient) else { return noSuchRecord() }
        let found: AuditPage
        do throws(LogFailure) {
            found = try await log.all(ask(patient), principal, request.source)
        } catch {
            return logRefused(error)
        }
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
        guard !principal.patients.isEmpty else { return noneYours() }
        let patient = ownPatient(principal, FormFields(Array(request.query.utf8))?["patient"])
        guard isRecordID(patient) else { return noSuchRecord() }
        let found: AuditPage
        do throws(LogFailure) {
            found = try await log.own(patient, ask(patient), principal, request.source)
        } catch {
            return ownRefused(error)
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

    /// The record that somebody asks for, or their first; whether it is theirs is decided when it is read.
    private func ownPatient(_ principal: Principal, _ asked: String?) -> String {
        asked ?? principal.patients.first ?? ""
    }

    private func noneYours() -> WebAnswer { notice("Not there", "No record is yours here.", status: 404) }

    private func ownRefused(_ failure: LogFailure) -> WebAnswer {
        failure == .denied ? notice("Refused", "This is not a record of yours.", status: 403) : logRefused(failure)
    }

    // MARK: On paper and as a file

    func printPatientLog(_ patient: String) async -> WebAnswer {
        await handedOut(patient, as: .print) {
            printed("Who opened this record", $0, patient, "Patient \(visibleText(patient))", [])
        }
    }

    func printOwnRecord() async -> WebAnswer {
        await ownHandedOut(form["patient"], as: .print) { found, patient in
            printed("Who opened my record", found, patient, Self.explained, [link("/app/my-record", "Back")])
        }
    }

    func patientLogFile(_ patient: String) async -> WebAnswer {
        await handedOut(patient, as: .download) { file($0, patient) }
    }

    func ownRecordFile() async -> WebAnswer {
        await ownHandedOut(FormFields(Array(request.query.utf8))?["patient"], as: .download, file)
    }

    private func handedOut(
        _ patient: String, as kind: AuditEventKind, _ answer: (AuditPage) -> WebAnswer
    ) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard isRecordID(patient) else { return noSuchRecord() }
        do throws(LogFailure) {
            return answer(try await log.all(ask(patient, as: kind), principal, request.source))
        } catch {
            return logRefused(error)
        }
    }

    private func ownHandedOut(
        _ asked: String?, as kind: AuditEventKind, _ answer: (AuditPage, String) -> WebAnswer
    ) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard !principal.patients.isEmpty else { return noneYours() }
        let patient = ownPatient(principal, asked)
        guard isRecordID(patient) else { return noSuchRecord() }
        do throws(LogFailure) {
            return answer(try await log.own(patient, ask(patient, as: kind), principal, request.source), patient)
        } catch {
            return ownRefused(error)
        }
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

    private func noSuchRecord() -> WebAnswer {
        page("Not there", problems: [Self.badRecordID(nil)])
    }

    /// What is no id (FHIR R4 datatypes.html#id): it would be asked for nowhere, and is no part of an address.
    static func badRecordID(_ field: StaticString?) -> Problem {
        Problem(field, "An id has up to 64 letters and digits, - and .", status: field == nil ? 404 : 422)
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
