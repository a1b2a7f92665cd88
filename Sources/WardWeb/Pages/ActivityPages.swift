import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardMarkup
import WardPolicy
import WardWatch

/// The weekly review of system activity: weeks, what happened in one, and the signature (45 CFR 164.308(a)(1)(ii)(D)).
extension Visit {
    func activityPage(_ problems: [Problem] = []) -> WebAnswer {
        guard let oversight else { return notice("Not there", "Nothing is reviewed here.", status: 404) }
        guard let weeks = try? oversight.reviews.weeks(at: now) else { return logRefused(.unavailable) }
        let open = weeks.filter { !$0.isComplete }
        let late = open.filter { $0.week.due <= now }
        var parts: [Markup] = [posture(oversight)]
        if weeks.isEmpty { parts += [heading("Weeks"), paragraph("No week is over yet.")] }
        if !late.isEmpty {
            parts.append(
                Markup.element(
                    "section", [("class", "errors")],
                    heading(late.count == 1 ? "1 week is overdue" : "\(late.count) weeks are overdue"), list(late)))
        }
        let waiting = open.filter { $0.week.due > now }
        if !waiting.isEmpty { parts += [heading("To sign"), list(waiting)] }
        let signed = weeks.filter(\.isComplete).prefix(104)
        if !signed.isEmpty { parts += [heading("Signed"), list(Array(signed))] }
        parts.append(
            Markup.element(
                "p", [("class", "hint")],
                .text(
                    "A week is Monday to Sunday in UTC and is to be signed within seven days after it. One in which "
                        + "nothing was logged needs nobody.")))
        return page("Weekly review", problems: problems, .all(parts))
    }

    /// What stands behind the log: "unwitnessed" stands here as it does at the machine.
    private func posture(_ oversight: Oversight) -> Markup {
        let standing = oversight.log.witnessStanding
        let verified = oversight.lastVerified()
        let stale = verified.map { $0.adding(seconds: 2 * 86_400) < now } ?? true
        func line(_ text: String, isGood: Bool) -> Markup {
            Markup.element("li", isGood ? [] : [("class", "error")], .text(text))
        }
        return .all([
            heading("The log itself"),
            Markup.element(
                "ul", [],
                line("The log is \(visibleText(standing.text)).", isGood: standing.isWitnessed),
                line(
                    verified.map { "Everything stored was held against the log on \($0.text)." }
                        ?? "Not everything stored was held against the log yet.", isGood: !stale)),
        ])
    }

    private func list(_ reviews: [ActivityReview]) -> Markup {
        table(
            ["Week from", "State", "Signed by", ""],
            reviews.map { review in
                [
                    day(review.week.start), state(review),
                    .all(review.signatures.map { Markup.element("div", [], signer($0), .text(" "), time($0.time)) }),
                    link("/app/activity/\(review.week.text)", review.isComplete ? "Look" : "Review"),
                ]
            })
    }

    private func signer(_ signature: ActivityReview.Signature) -> Markup {
        signature.who.hasPrefix("person/")
            ? shownName(String(signature.who.dropFirst(7))) : .text(visibleText(signature.who))
    }

    private func state(_ review: ActivityReview) -> Markup {
        if review.isAlone { return .text("signed by whom it is about; there was nobody else") }
        if review.isComplete { return .text("signed") }
        let more = review.signatures.isEmpty ? "" : "; somebody else has to sign as well"
        return review.week.due <= now
            ? Markup.element("strong", [], .text("overdue since "), day(review.week.due), .text(more))
            : .all([.text("sign by "), day(review.week.due), .text(more)])
    }

    // MARK: One week

    func activityWeekPage(_ text: String, _ problems: [Problem] = []) async -> WebAnswer {
        guard let principal, let oversight, let week = ActivityWeek(text) else { return noSuchWeek() }
        let activity: WeekActivity
        do throws(ActivityFailure) {
            activity = try await oversight.reviews.activity(
                of: week, by: principal.actor, source: request.source, at: now)
        } catch {
            switch error {
            case .notOver: return noSuchWeek()
            case .busy: return busyWithWeek()
            default: return logRefused(.unavailable)
            }
        }
        let review = oversight.reviews.review(week)
        let rows = activity.lines.map { line in
            [
                Markup.text(ActivityWords.text(line.category)), .text("\(line.count)"),
                .all(
                    line.newest.flatMap { logged in
                        [link("/app/log/event/\(logged.index)", ActivityWords.short(logged)), Markup.text(" ")]
                    }
                        + (line.events > line.newest.count
                            ? [.text("and \(line.events - line.newest.count) more, in the log")] : [])),
            ]
        }
        let alerts = activity.alerts.map { record in
            [
                time(record.alert.time), Markup.text(AlertWords.text(record.alert.rule)), .text(record.state.rawValue),
                link("/app/alerts/\(record.alert.id)", "Look"),
            ]
        }
        return page(
            "Week from \(week.text)", problems: problems, Markup.element("p", [], state(review)),
            table(["What", "How often", "Events"], rows), heading("Alerts"),
            alerts.isEmpty ? paragraph("None.") : table(["When", "What", "State", ""], alerts),
            heading("Signature"), signatures(review), signing(review, activity),
            Markup.element("p", [], link("/app/activity", "Back to all weeks")))
    }

    private func noSuchWeek() -> WebAnswer {
        notice("Not there", "There is no such week, or it is not over.", status: 404)
    }

    private func busyWithWeek() -> WebAnswer {
        notice("Try again", "Somebody else is looking at a week at this moment. Nothing was signed.", status: 503)
    }

    private func signatures(_ review: ActivityReview) -> Markup {
        guard !review.signatures.isEmpty else { return .all([]) }
        return table(
            ["Who", "When", "What was found"],
            review.signatures.map { signature in
                [signer(signature), time(signature.time), .text(signature.note.exposed { visibleText($0) })]
            })
    }

    private func signing(_ review: ActivityReview, _ activity: WeekActivity) -> Markup {
        guard let principal, !review.isComplete else { return .all([]) }
        guard !review.signatures.contains(where: { people.areOneHuman(named: $0.who, principal.actor.id) }) else {
            return paragraph(
                "You have signed. Something of the week is yours or about you: somebody else signs as well.")
        }
        return postForm(
            "/app/activity/\(activity.week.text)/sign",
            [
                hidden("hash", activity.hash),
                field(
                    "note", "What you found", .text, hint: "Up to 2000 letters; may be empty.", value: form["note"],
                    isRequired: false),
                Markup.element("p", [("class", "codes")], .text(activity.hash)),
            ], button("I have looked at this week and sign for it"))
    }

    func signActivity(_ text: String) async -> WebAnswer {
        guard let principal, let oversight, let week = ActivityWeek(text) else { return noSuchWeek() }
        let people = people
        do throws(ActivityFailure) {
            try await oversight.reviews.sign(
                week, hash: form["hash"] ?? "", note: PHI(form["note"] ?? ""), by: principal.actor,
                isAlone: !people.isAnybodyElse(than: principal.actor.id, for: .reviewAccess, at: now),
                source: request.source, at: now, areOneHuman: { people.areOneHuman(named: $0, $1) })
            return .redirect(to: "/app/activity")
        } catch {
            switch error {
            case .auditUnavailable, .storage: return logRefused(.unavailable)
            case .notOver, .unknown: return noSuchWeek()
            case .busy: return busyWithWeek()
            default: return await activityWeekPage(text, [ActivityWords.problem(error)])
            }
        }
    }
}

/// What is said of a week on pages.
enum ActivityWords {
    static func text(_ category: ActivityCategory) -> String {
        switch category {
        case .failedSignIns: "Failed sign-ins"
        case .refusals: "Refusals"
        case .emergencies: "Emergencies"
        case .exports: "Exports, files, print"
        case .people: "People, roles, ways to sign in"
        case .system: "Starts, configuration, policy, apps, retention, keys"
        case .trouble: "Clock, log and store trouble"
        case .disclosures: "Accounting of disclosures"
        }
    }

    static func short(_ logged: LoggedEvent) -> String {
        let times = logged.event.count > 1 ? " ×\(logged.event.count)" : ""
        return "\(logged.event.kind.rawValue)\(times) \(logged.event.time.text.prefix(10))"
    }

    static func problem(_ failure: ActivityFailure) -> Problem {
        switch failure {
        case .changed:
            Problem(nil, "Something of the week is different by now. Look again, and sign what you see.", status: 409)
        case .noteTooLong: Problem("note", "Up to 2000 letters.")
        case .secondPersonNeeded: Problem(nil, "You have signed; somebody else has to as well.", status: 403)
        case .signed: Problem(nil, "It is signed already.", status: 409)
        case .auditUnavailable, .busy, .notOver, .storage, .unknown:
            Problem(nil, "This cannot be done at the moment.", status: 503)
        }
    }
}
