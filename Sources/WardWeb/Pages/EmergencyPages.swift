import WardCore
import WardIdentity
import WardMarkup

/// Emergency access for whoever may declare one: the form, what is open now, how to end it.
extension Visit {
    func emergencyPage(_ problems: [Problem] = []) -> WebAnswer {
        guard mayDeclareEmergency else { return refused("role") }
        let ask: Markup =
            isFresh
            ? declareForm(problems)
            : .all([
                proofFirst("/app/emergency", "First confirm that it is you"),
                paragraph("Then you have five minutes to say which record you need and why."),
            ])
        return page(
            "Open a record in an emergency", problems: problems, openNow,
            paragraph(
                "This opens the record of one patient to you for 60 minutes. A privacy officer is told at once, and "
                    + "reviews afterwards what you opened."),
            ask)
    }

    private func declareForm(_ problems: [Problem]) -> Markup {
        let isAnother = !people.emergencies.running(of: principal?.id ?? "", at: now).isEmpty
        let form = postForm(
            "/app/emergency",
            [
                field(
                    "patient", "Patient’s record number", .text,
                    hint: "The id of the Patient record: letters, digits, hyphens and dots",
                    value: self.form["patient"],
                    problems),
                radios(
                    "reason", "Why it cannot wait",
                    Emergency.Reason.allCases.map { ($0.rawValue, EmergencyWords.text($0)) },
                    chosen: self.form["reason"],
                    problems),
                textArea(
                    "text", "What is happening",
                    hint: "At least \(Emergency.shortestText) letters. Only those who review it read this.",
                    value: self.form["text"] ?? "", problems),
            ], button("Open the record for 60 minutes"))
        return .all([isAnother ? heading("Open another record") : .all([]), form])
    }

    /// What the visitor has open, with the time that is left.
    private var openNow: Markup {
        let running = people.emergencies.running(of: principal?.id ?? "", at: now)
        guard !running.isEmpty else { return .all([]) }
        let rows = running.map { emergency in
            [
                Markup.text(emergency.patient), .text(EmergencyWords.text(emergency.reason)), timeLeft(emergency),
                postForm("/app/emergency/end", [hidden("emergency", emergency.id)], button("End now", kind: "danger")),
            ]
        }
        return .all([heading("Open now"), table(["Patient", "Why", "Time left", ""], rows)])
    }

    private func timeLeft(_ emergency: Emergency) -> Markup {
        .all([.text("\(minutesLeft(emergency)), until "), clockTime(emergency.ends)])
    }

    private func minutesLeft(_ emergency: Emergency) -> String {
        let minutes = (emergency.ends.microseconds - now.microseconds + 59_999_999) / 60_000_000
        return minutes == 1 ? "1 minute" : "\(minutes) minutes"
    }

    /// On every page of whoever has a record open: no patient's name or number, only that it is so.
    func emergencyBar(_ person: Person) -> Markup {
        let running = people.emergencies.running(of: person.id, at: now)
        guard let next = running.last else { return .all([]) }
        let records = running.count == 1 ? "1 record is" : "\(running.count) records are"
        return Markup.element(
            "p", [("class", "emergency")],
            Markup.element("strong", [], .text("Emergency: ")),
            .text("\(records) open to you, \(minutesLeft(next)) left. Everything you open is reviewed. "),
            link("/app/emergency", "See or end it"))
    }

    func declareEmergency() async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        let patient = (form["patient"] ?? "").filter { !$0.isWhitespace }
        guard let reason = form["reason"].flatMap(Emergency.Reason.init(rawValue:)) else {
            return emergencyPage([Problem("reason", "Choose why it cannot wait.")])
        }
        do throws(IdentityFailure) {
            try await people.emergencies.declare(
                for: patient, reason: reason, text: PHI(form["text"] ?? ""), by: principal, source: request.source,
                at: now)
            return .redirect(to: "/app/emergency")
        } catch {
            switch error {
            case .notPermitted: return refused("role")
            case .stepUpNeeded: return askStepUp()
            case .badName:
                return emergencyPage([Problem("patient", "This cannot be a record number. Look at it again.")])
            case .reasonNeeded:
                return emergencyPage([
                    Problem("text", "Say in \(Emergency.shortestText) letters or more what is happening.")
                ])
            default: return emergencyPage([Problem(error)])
            }
        }
    }

    func endOwnEmergency() async -> WebAnswer {
        guard let principal, let id = form["emergency"],
            people.emergencies.emergency(id)?.person == principal.id
        else { return refused("role") }
        do throws(IdentityFailure) {
            try await people.emergencies.end(id, by: principal, source: request.source, at: now)
            return .redirect(to: mayDeclareEmergency ? "/app/emergency" : "/app")
        } catch {
            return emergencyPage([Problem(error)])
        }
    }
}
