import WardCore
import WardIdentity
import WardMarkup

/// Sessions of everybody, for whoever may end them.
extension Visit {
    func allSessionsPage(_ problems: [Problem] = []) async -> WebAnswer {
        guard let principal, let own = session else { return .redirect(to: "/sign-in") }
        let sessions: [Session]
        do throws(IdentityFailure) {
            sessions = try await people.allSessions(by: principal, source: request.source, at: now)
        } catch {
            return refused("role")
        }
        let rows = sessions.map { listed in
            let isThis = listed.number == own.number
            return [
                shownName(listed.person), Markup.text(listed.device), .text(listed.address), time(listed.created),
                time(listed.lastActive),
                .text(isThis ? "this one" : listed.isLocked || listed.locks <= now ? "locked" : "open"),
                isThis
                    ? .all([])
                    : postForm(
                        "/app/all-sessions/end",
                        [hidden("person", listed.person), hidden("session", listed.number)],
                        button("End", kind: "danger")),
            ]
        }
        return page(
            "Who is signed in where", problems: problems,
            paragraph("A session that is ended is refused from its next request on; the person can sign in again."),
            table(["Who", "Device", "Address", "Since", "Last used", "State", ""], rows))
    }

    func endAnySession() async -> WebAnswer {
        guard let principal, let person = form["person"], let number = form["session"] else {
            return await allSessionsPage([Problem(.unknownRequest)])
        }
        do throws(IdentityFailure) {
            try await people.endSessions(
                of: person, number: number, by: principal, source: request.source, at: now)
            return .redirect(to: "/app/all-sessions")
        } catch {
            return await allSessionsPage([error == .sessionEnded ? Problem(.unknownRequest) : Problem(error)])
        }
    }
}

/// The quarterly review of who has which access.
extension Visit {
    func accessReviewPage() -> WebAnswer {
        let rows = people.accessReviews.people(at: now).map { person in
            let due = people.accessReviews.due(person)
            let reviewed = people.accessReviews.newest(of: person.id)?.time
            return [
                name(person.displayName), Markup.text(roleNames(person.roleNames)),
                people.accessReviews.lastSignIn(of: person.id).map { day($0) } ?? .text("never"),
                .text(atLeast(people.signInFailures(of: person.id, since: now.adding(seconds: -30 * 86_400)))),
                reviewed.map { day($0) } ?? .text("never"),
                due <= now
                    ? Markup.element("strong", [], .text("overdue since "), day(due)) : .all([.text("by "), day(due)]),
                link("/app/access-review/\(person.id)", person.id == principal?.id ? "Look" : "Review"),
            ]
        }
        return page(
            "Access review",
            paragraph("Once a quarter somebody looks at each account: does the person still need what they have?"),
            table(["Who", "Roles", "Last sign-in", "Failed, 30 days", "Reviewed", "Next review", ""], rows))
    }

    func accessPage(_ id: String, _ problems: [Problem] = []) async -> WebAnswer {
        guard let principal, let person = people.directory.person(id), person.isActive(at: now) else {
            return notice("Not there", "There is nobody active with this id.", status: 404)
        }
        let use: AccessUse
        do throws(IdentityFailure) {
            use = try await people.accessReviews.use(of: id, by: principal, source: request.source, at: now)
        } catch {
            return notice("Not now", "The log cannot be read or written at the moment.", status: 503)
        }
        let rows = use.rights.map { entry in
            [Markup.text(RightWords.text(entry.right)), used(entry.use)]
        }
        return page(
            "Access of one person", problems: problems,
            Markup.element("p", [], Markup.element("strong", [], name(person.displayName))),
            paragraph("Roles: \(roleNames(person.roleNames))."),
            heading("What the roles give, and when it was used"),
            rows.isEmpty ? paragraph("Nothing.") : table(["Right", "Last used"], rows), decision(person, problems),
            Markup.element("p", [], link("/app/access-review", "Back to everybody")))
    }

    private func used(_ use: AccessUse.Use) -> Markup {
        switch use {
        case .last(let instant): day(instant)
        case .never: Markup.element("strong", [], .text("not within \(AccessUse.days) days"))
        case .unknown: .text("the log does not tell")
        }
    }

    private func decision(_ person: Person, _ problems: [Problem]) -> Markup {
        let path = "/app/access-review/\(person.id)"
        guard person.id != principal?.id else { return paragraph("Somebody else has to review your own access.") }
        guard isFresh else { return proofFirst(path, "Confirm that it is you to decide") }
        var boxes = person.roleNames.map { box("remove", $0, "\(RoleWords.name($0)) is not needed any more") }
        if person.mayUseEmergencyAccess {
            boxes.append(box("unlist", "unlist", "Declaring emergencies is not needed any more"))
        }
        return .all([
            heading("Everything is still needed"),
            postForm(path, [hidden("decision", "confirm")], button("Confirm what they have")),
            heading("Something is not needed"),
            postForm(
                path,
                [
                    hidden("decision", "remove"),
                    Markup.element(
                        "fieldset", [], Markup.element("legend", [], .text("What to take away")), .all(boxes)),
                    field(
                        "reason", "Why", .text, hint: "An administrator decides on it; until then nothing changes",
                        value: form["reason"], problems),
                ], button("Ask to take it away", kind: "danger")),
        ])
    }

    private func box(_ name: String, _ value: String, _ label: String) -> Markup {
        Markup.element(
            "label", [("class", "box")],
            Markup.element("input", [("type", "checkbox"), ("name", name), ("value", value)]),
            Markup.element("span", [], .text(label)))
    }

    func reviewAccess(_ id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        let (removing, unlisting) = (Set(form.all("remove")), form["unlist"] == "unlist")
        let asks: Bool
        switch form["decision"] {
        case "confirm": asks = false
        case "remove": asks = true
        default: return await accessPage(id, [Problem(.unknownRequest)])
        }
        guard asks == (!removing.isEmpty || unlisting) else {
            return await accessPage(id, [Problem(nil, "Tick what is not needed any more.")])
        }
        do throws(IdentityFailure) {
            try await people.accessReviews.review(
                id, removing: removing, unlisting: unlisting, reason: form["reason"] ?? "", by: principal,
                source: request.source, at: now)
            return .redirect(to: "/app/access-review")
        } catch {
            return await accessPage(id, [Problem(error)])
        }
    }
}
