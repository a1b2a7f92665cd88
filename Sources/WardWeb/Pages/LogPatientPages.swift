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
        return page(
            "Who opened this record", paragraph("Patient \(visibleText(patient))"),
            sentences(found, patient, isOwn: false),
            further(found, "/app/log/patient/\(patient)"),
            Markup.element(
                "p", [], link("/app/log?patient=\(percentEncoded(patient))", "The same in the log, event by event")))
    }

    func ownRecordPage() async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard !principal.patients.isEmpty else { return notice("Not there", "No record is yours here.", status: 404) }
        let asked = FormFields(Array(request.query.utf8))?["patient"]
        let patient = asked ?? principal.patients[0]
        guard isRecordID(patient) else { return noSuchRecord() }
        let found: AuditPage
        do throws(LogFailure) {
            found = try await log.own(patient, ask(patient), principal, request.source)
        } catch {
            return error == .denied
                ? notice("Refused", "This is not a record of yours.", status: 403) : logRefused(error)
        }
        let others = principal.patients.filter { $0 != patient }
        return page(
            "Who opened my record",
            paragraph(
                "Everybody who looked at the record, wrote to it or gave something of it away. Names are those of staff; "
                    + "times are UTC."), sentences(found, patient, isOwn: true),
            further(found, "/app/my-record", "patient=\(percentEncoded(patient))"),
            .all(
                others.map {
                    Markup.element(
                        "p", [], link("/app/my-record?patient=\(percentEncoded($0))", "The record \(visibleText($0))"))
                }))
    }

    private func noSuchRecord() -> WebAnswer {
        page("Not there", problems: [Self.badRecordID(nil)])
    }

    /// What is no id (FHIR R4 datatypes.html#id): it would be asked for nowhere, and is no part of an address.
    static func badRecordID(_ field: StaticString?) -> Problem {
        Problem(field, "An id has up to 64 letters and digits, - and .", status: field == nil ? 404 : 422)
    }

    private func ask(_ patient: String) -> LogDesk.Ask {
        var query = AuditQuery(facets: [.patient(patient)])
        query.filter.also = { $0.event.kind.concernsRecords || $0.event.kind == .emergencyOpened }
        let before = FormFields(Array(request.query.utf8))?["before"].flatMap { Int64($0) } ?? .max
        return LogDesk.Ask(query: query, before: max(before, 0), limit: Self.most, asked: "patient=\(patient)")
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
