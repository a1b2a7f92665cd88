import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardMarkup

/// Emergencies for officers: what runs, what waits, what is late; none can be put away without a review.
extension Visit {
    func emergenciesPage(_ problems: [Problem] = []) -> WebAnswer {
        let all = people.emergencies.list(at: now)
        let overdue = all.filter { $0.isOverdue(at: now) }
        let waiting = all.filter { !$0.isReviewed && !$0.isOverdue(at: now) }
        let decided = all.filter(\.isReviewed).prefix(100)
        var parts: [Markup] = []
        if all.isEmpty { parts.append(paragraph("Nobody has declared an emergency.")) }
        if !overdue.isEmpty {
            parts.append(
                Markup.element(
                    "section", [("class", "errors")],
                    heading(overdue.count == 1 ? "1 review is overdue" : "\(overdue.count) reviews are overdue"),
                    list(overdue)))
        }
        if !waiting.isEmpty { parts += [heading("To review"), list(waiting)] }
        if !decided.isEmpty { parts += [heading("Reviewed"), list(Array(decided))] }
        parts.append(
            Markup.element(
                "p", [("class", "hint")],
                .text(
                    "A review is due two business days after the start: 48 hours, Saturdays and Sundays (UTC) left "
                        + "out. Holidays are not known here.")))
        return page("Emergencies", problems: problems, .all(parts))
    }

    private func list(_ emergencies: [Emergency]) -> Markup {
        table(
            ["Began", "Who", "Why", "State", ""],
            emergencies.map { emergency in
                [
                    time(emergency.begun), shownName(emergency.person), .text(EmergencyWords.text(emergency.reason)),
                    state(emergency),
                    link(
                        "/app/emergencies/\(emergency.id)",
                        emergency.isReviewed || isOwn(emergency) ? "Look" : "Review"),
                ]
            })
    }

    private func isOwn(_ emergency: Emergency) -> Bool { emergency.person == principal?.id }

    private func state(_ emergency: Emergency) -> Markup {
        if emergency.isOverdue(at: now) {
            return Markup.element("strong", [], .text("overdue since "), time(emergency.due))
        }
        if emergency.isRunning(at: now) { return .all([.text("running until "), time(emergency.ends)]) }
        guard let last = emergency.reviews.last else { return .all([.text("review by "), time(emergency.due)]) }
        return .text(EmergencyWords.short(last.outcome).lowercased())
    }

    // MARK: One

    func emergencyReviewPage(_ id: String, _ problems: [Problem] = []) async -> WebAnswer {
        guard let principal, let emergency = people.emergencies.emergency(id) else {
            return notice("Not there", "There is no such emergency.", status: 404)
        }
        let activity: (events: [LoggedEvent], isCutOff: Bool)
        do throws(IdentityFailure) {
            activity = try await people.emergencies.activity(in: id, by: principal, source: request.source, at: now)
        } catch {
            return notice("Not now", "The log cannot be read or written at the moment.", status: 503)
        }
        return page(
            "Emergency", problems: problems, facts(emergency), opened(activity.events, activity.isCutOff),
            earlierReviews(emergency), decision(emergency, problems),
            Markup.element("p", [], link("/app/emergencies", "Back to all emergencies")))
    }

    private func facts(_ emergency: Emergency) -> Markup {
        var rows: [[Markup]] = [
            [.text("Who"), shownName(emergency.person)], [.text("Patient"), .text(emergency.patient)],
            [.text("Why"), .text(EmergencyWords.text(emergency.reason))],
            [.text("In their words"), emergency.text.exposed { name($0) }],
            [.text("Began"), time(emergency.begun)],
        ]
        if let ended = emergency.ended {
            let who = emergency.endedBy.map { Markup.all([.text("by "), named($0)]) } ?? .text("its time was over")
            rows.append([.text("Ended"), .all([time(ended), .text(", "), who])])
        } else {
            rows.append([.text(emergency.isRunning(at: now) ? "Runs until" : "Ended"), time(emergency.ends)])
        }
        rows.append([.text("Review"), state(emergency)])
        return Markup.element(
            "table", [("class", "facts")],
            Markup.element(
                "tbody", [],
                .all(
                    rows.map { row in
                        Markup.element(
                            "tr", [], Markup.element("th", [("scope", "row")], row[0]), Markup.element("td", [], row[1])
                        )
                    })))
    }

    /// Somebody as the log names them.
    private func named(_ actor: String) -> Markup {
        actor.hasPrefix("person/") ? shownName(String(actor.dropFirst(7))) : .text("the operator at the machine")
    }

    private func opened(_ events: [LoggedEvent], _ isCutOff: Bool) -> Markup {
        let rows = events.filter { $0.event.kind != .emergencyOpened && $0.event.kind != .emergencyEnded }.map {
            let event = $0.event
            let records = event.records.prefix(20).map { "\($0.type.name)/\($0.id)" }.joined(separator: ", ")
            let more = event.records.count > 20 ? " and \(event.records.count - 20) more" : ""
            return [
                time(event.time),
                Markup.text(EmergencyWords.text(event.kind) + (event.outcome == .denied ? ", refused" : "")),
                .text(records.isEmpty ? event.type?.name ?? "" : records + more),
            ]
        }
        return .all([
            heading("What was opened"),
            rows.isEmpty
                ? paragraph("The log has nothing that was opened of this patient while it ran.")
                : table(["When", "What", "Records"], rows),
            isCutOff ? paragraph("There is more; search the log for all of it.") : .all([]),
        ])
    }

    private func earlierReviews(_ emergency: Emergency) -> Markup {
        guard !emergency.reviews.isEmpty else { return .all([]) }
        return .all([
            heading("Reviews"),
            table(
                ["When", "Who", "Found", "Note"],
                emergency.reviews.map { review in
                    [
                        time(review.time), named(review.reviewer), .text(EmergencyWords.short(review.outcome)),
                        review.note.exposed { name($0) },
                    ]
                }),
        ])
    }

    private func decision(_ emergency: Emergency, _ problems: [Problem]) -> Markup {
        let path = "/app/emergencies/\(emergency.id)"
        if emergency.isReviewed { return .all([]) }
        if isOwn(emergency) {
            return .all([heading("Review"), paragraph("This is your own: somebody else has to review it.")])
        }
        guard isFresh else { return proofFirst(path, "Confirm that it is you to decide") }
        if emergency.isRunning(at: now) {
            return .all([
                heading("Review"), paragraph("It can be reviewed when it is over."),
                postForm("\(path)/end", [], button("End it now", kind: "danger")),
            ])
        }
        return .all([
            heading("Review"),
            postForm(
                "\(path)/review",
                [
                    radios(
                        "outcome", "What you find",
                        Emergency.Outcome.allCases.map { ($0.rawValue, EmergencyWords.text($0)) },
                        chosen: form["outcome"], problems),
                    textArea(
                        "note", "Note", hint: "What you looked at, whom you asked, what follows.",
                        value: form["note"] ?? "", problems),
                ], button("Record the review")),
        ])
    }

    func reviewEmergency(_ id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard let outcome = form["outcome"].flatMap(Emergency.Outcome.init(rawValue:)) else {
            return await emergencyReviewPage(id, [Problem("outcome", "Choose what you find.")])
        }
        do throws(IdentityFailure) {
            try await people.emergencies.review(
                id, outcome: outcome, note: PHI(form["note"] ?? ""), by: principal, source: request.source, at: now)
            return .redirect(to: "/app/emergencies")
        } catch {
            let problem = error == .reasonNeeded ? Problem("note", "Write a note, up to 2000 letters.") : Problem(error)
            return await emergencyReviewPage(id, [problem])
        }
    }

    func stopEmergency(_ id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            try await people.emergencies.end(id, by: principal, source: request.source, at: now)
            return .redirect(to: "/app/emergencies/\(id)")
        } catch {
            return await emergencyReviewPage(id, [Problem(error)])
        }
    }
}
