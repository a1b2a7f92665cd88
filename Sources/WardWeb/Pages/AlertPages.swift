import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardMarkup
import WardPolicy
import WardWatch

/// Alerts of odd access: what was found, compared with what, which events show it, and what became of it.
extension Visit {
    func alertsPage(_ problems: [Problem] = []) -> WebAnswer {
        guard let watch else { return notice("Not there", "Nobody watches here.", status: 404) }
        let all = watch.desk.list
        let waiting = all.filter { !$0.isDecided }
        let decided = all.filter(\.isDecided).prefix(100)
        var parts: [Markup] = []
        if all.isEmpty { parts.append(paragraph("Nothing odd was found.")) }
        if !waiting.isEmpty { parts += [heading("To answer"), list(waiting)] }
        if !decided.isEmpty { parts += [heading("Answered"), list(Array(decided))] }
        let days = Int64(watch.daysKnown)
        let needed = Int64(WatchSettings().learningDays)
        if days < needed {
            parts.append(
                paragraph("Not enough history: \(days) of \(needed) days. Rules that compare with usual work wait."))
        }
        parts += [heading("What was learnt"), lessons(watch)]
        return page("Alerts", problems: problems, .all(parts))
    }

    private func list(_ records: [AlertRecord]) -> Markup {
        table(
            ["When", "How urgent", "What", "Who", "State", ""],
            records.map { record in
                [
                    time(record.alert.time), .text(record.alert.severity.rawValue),
                    .text(AlertWords.text(record.alert.rule)), account(record.alert.actor),
                    .text(record.state.rawValue),
                    link("/app/alerts/\(record.alert.id)", record.isDecided || isAboutSelf(record) ? "Look" : "Answer"),
                ]
            })
    }

    private func lessons(_ watch: WatchPost) -> Markup {
        let learnt = watch.lessons
        guard !learnt.isEmpty else {
            return paragraph("Nothing yet. A dismissal as expected makes a rule ask for more, by one bounded step.")
        }
        return table(
            ["What", "Of whom", "Steps", "One step means"],
            learnt.map { lesson in
                [
                    .text(AlertWords.text(lesson.rule)), account(lesson.subject),
                    .text("\(lesson.steps) of \(WatchLesson.most)"), .text(lesson.rule.step),
                ]
            })
    }

    private func account(_ id: String?) -> Markup {
        guard let id else { return .text("nobody known") }
        return id.hasPrefix("person/") ? shownName(String(id.dropFirst(7))) : .text(id)
    }

    private func isAboutSelf(_ record: AlertRecord) -> Bool {
        guard let about = record.alert.actor, let principal else { return false }
        return people.directory.areOneHuman(actor: about, principal.actor.id)
    }

    // MARK: One

    func alertPage(_ id: String, _ problems: [Problem] = []) async -> WebAnswer {
        guard let principal, let watch, let record = watch.desk.record(id) else {
            return notice("Not there", "There is no such alert.", status: 404)
        }
        let events: [LoggedEvent]
        do throws(AlertFailure) {
            events = try await watch.events(of: record, by: principal.actor, source: request.source, at: now)
        } catch {
            return notice("Not now", "The log cannot be read or written at the moment.", status: 503)
        }
        let alert = record.alert
        let reasons = alert.explanation.map { finding in
            let weight = finding.weight.map { " (\(WatchFinding.number($0)) bits)" } ?? ""
            return Markup.element("li", [], .text(finding.text + weight))
        }
        let rows = events.map { logged in
            let records = logged.event.records.prefix(10).map { "\($0.type.name)/\($0.id)" }
            return [
                Markup.text("\(logged.index)"), time(logged.event.time), .text(logged.event.kind.rawValue),
                .text(logged.event.outcome.rawValue), .text(logged.event.source.address),
                .text(records.joined(separator: ", ")),
            ]
        }
        return page(
            "Alert", problems: problems,
            Markup.element("p", [], Markup.element("strong", [], .text(AlertWords.text(alert.rule)))),
            table(
                ["When", "How urgent", "Who", "Patient", "State"],
                [
                    [
                        time(alert.time), .text(alert.severity.rawValue), account(alert.actor),
                        .text(alert.patient ?? ""), .text(record.state.rawValue),
                    ]
                ]),
            heading("Why"), Markup.element("ul", [], .all(reasons)),
            heading("Events"), table(["Place", "When", "What", "Outcome", "From", "Records"], rows),
            timeline(record), answers(record, problems),
            Markup.element("p", [], link("/app/alerts", "Back to all alerts")))
    }

    private func timeline(_ record: AlertRecord) -> Markup {
        guard !record.answers.isEmpty else { return .all([]) }
        return .all([
            heading("What became of it"),
            table(
                ["When", "Who", "What", "Why", "In their words"],
                record.answers.map { answer in
                    [
                        time(answer.time), account(answer.who), .text(answer.act.rawValue),
                        .text(answer.reason?.rawValue ?? ""), answer.text.exposed { name($0) },
                    ]
                }),
        ])
    }

    private func answers(_ record: AlertRecord, _ problems: [Problem]) -> Markup {
        let path = "/app/alerts/\(record.alert.id)"
        if isAboutSelf(record) { return paragraph("This is about you: somebody else has to answer it.") }
        guard isFresh else { return proofFirst(path, "Confirm that it is you to answer") }
        var forms: [Markup] = [heading("Answer")]
        if record.state == .open {
            forms.append(postForm("\(path)/answer", [hidden("act", "acknowledge")], button("I look at it")))
        }
        if !record.isDecided {
            forms.append(
                postForm(
                    "\(path)/answer",
                    [
                        hidden("act", "dismiss"),
                        radios(
                            "reason", "Why it is none",
                            AlertRecord.Reason.allCases.map { ($0.rawValue, AlertWords.text($0)) },
                            chosen: form["reason"], problems),
                        textArea(
                            "text", "What you found", hint: "Up to 2000 letters.", value: form["text"] ?? "", problems),
                    ], button("Dismiss")))
            forms.append(
                postForm(
                    "\(path)/answer", [hidden("act", "incident")], button("It is an incident", kind: "danger")))
        }
        if may(.manageSessions), record.alert.actor?.hasPrefix("person/") ?? false {
            forms.append(
                postForm(
                    "\(path)/answer", [hidden("act", "suspend")],
                    button("End the person's sessions and apps now", kind: "danger")))
        }
        return .all(forms)
    }

    func answerAlert(_ id: String) async -> WebAnswer {
        guard let principal, let watch, let record = watch.desk.record(id) else {
            return notice("Not there", "There is no such alert.", status: 404)
        }
        guard let act = form["act"].flatMap(AlertRecord.Act.init(rawValue:)), !isAboutSelf(record) else {
            return await alertPage(id, [Problem(.unknownRequest)])
        }
        if act == .suspend {
            guard let actor = record.alert.actor, actor.hasPrefix("person/") else {
                return await alertPage(id, [Problem(.unknownRequest)])
            }
            do throws(IdentityFailure) {
                try await people.endSessions(
                    of: String(actor.dropFirst(7)), by: principal, source: request.source, at: now)
            } catch {
                return await alertPage(id, [Problem(error)])
            }
        }
        do throws(AlertFailure) {
            try await watch.answer(
                id, act, reason: form["reason"].flatMap(AlertRecord.Reason.init(rawValue:)),
                text: PHI(form["text"] ?? ""), by: principal.actor, source: request.source, at: now)
            return .redirect(to: "/app/alerts/\(id)")
        } catch {
            return await alertPage(id, [AlertWords.problem(error)])
        }
    }
}

/// What alerts are called on pages.
enum AlertWords {
    static func text(_ rule: WatchRule) -> String {
        switch rule {
        case .backupTrouble: "Trouble with a backup"
        case .burst: "Far more patients than usual"
        case .colleagueRecord: "A colleague's record"
        case .decoy: "A planted record was opened"
        case .dormantAccount: "An account used after a long silence"
        case .emergency: "Emergency access"
        case .failedSignIns: "Failed sign-ins"
        case .familyRecord: "A record from the person's own household"
        case .sameSurname: "A patient of the same family name"
        case .logTrouble: "Trouble with the log, the store or the clock"
        case .massExport: "Many records left at once"
        case .neighbourRecord: "A record from the person's own street"
        case .newDevice: "A new device or network"
        case .noRelationship: "A record without any part in the care"
        case .oddHours: "Work at an odd hour"
        case .reviewOverdue: "A week of activity that nobody signed for"
        case .ownRecord: "The person's own record"
        case .postureRed: "A safeguard that does not hold any more"
        case .terminatedAccount: "An account whose access had ended"
        case .twoNetworks: "Two networks at once"
        case .unexplainedLook: "A look that nothing explains"
        case .vip: "A record that draws the curious"
        case .wandering: "Wandering through records"
        }
    }

    static func text(_ reason: AlertRecord.Reason) -> String {
        switch reason {
        case .expected: "Expected: part of the work (the rule asks for more from then on)"
        case .training: "Training or a test"
        case .mistake: "A mistake, spoken about"
        case .other: "Something else"
        }
    }

    static func problem(_ failure: AlertFailure) -> Problem {
        switch failure {
        case .reasonNeeded: Problem("reason", "Choose why, and say what you found in up to 2000 letters.")
        case .decided: Problem(nil, "It is decided already.", status: 409)
        case .ownAlert: Problem(nil, "Somebody else has to answer an alert about you.", status: 403)
        case .unknown: Problem(.unknownRequest)
        case .auditUnavailable, .storage:
            Problem(nil, "This cannot be done at the moment. Try again shortly.", status: 503)
        }
    }
}
