import WardCore
import WardIdentity
import WardMarkup
import WardPolicy

/// Accounts, for administrators; the site has checked the role, and for changes a fresh proof.
extension Visit {
    func peoplePage(_ problems: [Problem] = []) -> WebAnswer {
        let rows = people.directory.people.map { person in
            [
                Markup.element("a", [("href", "/app/people/\(person.id)")], .text(person.loginName)),
                name(person.displayName), .text(roleNames(person.roleNames)), .text(stateWord(person)),
            ]
        }
        return page(
            "People", problems: problems, waitingRequests, waitingRecoveries, heading("Everybody"),
            table(["Sign-in name", "Name", "Roles", "State"], rows), heading("Add somebody"),
            postForm(
                "/app/people",
                [
                    field(
                        "login", "Sign-in name", .text,
                        hint: "2 to 64 letters, digits, . _ - @; never given to another",
                        problems),
                    field("shown", "Name as shown", .text, problems),
                ], button("Add")))
    }

    func roleNames(_ names: [String]) -> String {
        names.isEmpty ? "none" : names.map { RoleWords.name($0) }.joined(separator: ", ")
    }

    private func stateWord(_ person: Person) -> String {
        switch person.state {
        case .invited: "invited"
        case .active: person.isActive(at: now) ? "active" : "ended"
        case .disabled: "disabled"
        }
    }

    func shownName(_ id: String) -> Markup {
        name(people.directory.person(id)?.displayName ?? "somebody")
    }

    // MARK: What waits

    private var waitingRequests: Markup {
        let requests = people.directory.requests
        guard !requests.isEmpty else { return .all([]) }
        let rows = requests.map { request in
            let rights =
                roleNames(request.rights.roleNames) + (request.rights.mayUseEmergencyAccess ? "; emergencies" : "")
            return [
                shownName(request.person), .text(rights), name(request.reason), shownName(request.asker),
                isOwn(asker: request.asker, person: request.person)
                    ? .text("needs somebody else")
                    : postForm(
                        "/app/role-requests", [],
                        [
                            hidden("request", request.id),
                            Markup.element(
                                "button", [("type", "submit"), ("name", "decision"), ("value", "approve")],
                                .text("Approve")),
                            .text(" "),
                            Markup.element(
                                "button",
                                [("type", "submit"), ("name", "decision"), ("value", "refuse"), ("class", "danger")],
                                .text("Refuse")),
                        ]),
            ]
        }
        return .all([
            heading("Changes of roles that wait"), table(["For", "Roles from then on", "Why", "Asked by", ""], rows),
        ])
    }

    private var waitingRecoveries: Markup {
        let recoveries = people.recoveriesWaiting
        guard !recoveries.isEmpty else { return .all([]) }
        let rows = recoveries.map { recovery in
            [
                shownName(recovery.person), name(recovery.reason), shownName(recovery.asker), time(recovery.created),
                isOwn(asker: recovery.asker, person: recovery.person)
                    ? .text("needs somebody else")
                    : postForm(
                        "/app/recoveries", [hidden("recovery", recovery.id)],
                        button("I have checked who it is: make a link")),
            ]
        }
        return .all([
            heading("New ways to sign in that wait"), table(["For", "Why", "Asked by", "Since", ""], rows),
        ])
    }

    private func isOwn(asker: String, person: String) -> Bool {
        principal.map { $0.id == asker || $0.id == person } ?? true
    }

    func decideRoles() async -> WebAnswer {
        guard let principal, let id = form["request"], let decision = form["decision"],
            ["approve", "refuse"].contains(decision)
        else { return peoplePage([Problem(.unknownRequest)]) }
        do throws(IdentityFailure) {
            try await people.decide(id, approve: decision == "approve", by: principal, source: request.source, at: now)
            return .redirect(to: "/app/people")
        } catch {
            return peoplePage([Problem(error)])
        }
    }

    func approveRecovery() async -> WebAnswer {
        guard let principal, let id = form["recovery"] else { return peoplePage([Problem(.unknownRequest)]) }
        do throws(IdentityFailure) {
            let person = people.recoveriesWaiting.first { $0.id == id }.flatMap { people.directory.person($0.person) }
            let token = try await people.approveRecovery(id, by: principal, source: request.source, at: now)
            return linkPage(token, for: person)
        } catch {
            return error == .stepUpNeeded ? askStepUp() : peoplePage([Problem(error)])
        }
    }

    // MARK: One person

    func addPerson() async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            let person = try await people.directory.add(
                login: form["login"] ?? "", displayName: form["shown"] ?? "", by: principal,
                source: request.source, at: now)
            return .redirect(to: "/app/people/\(person.id)")
        } catch {
            return peoplePage([Problem(error)])
        }
    }

    func personPage(_ id: String, _ problems: [Problem] = []) -> WebAnswer {
        guard let person = people.directory.person(id) else {
            return notice("Not there", "There is no such person.", status: 404)
        }
        let path = "/app/people/\(person.id)"
        // Not in the title: patients have accounts, and titles end up in histories.
        var parts: [Markup] = [
            Markup.element("p", [], Markup.element("strong", [], name(person.displayName))),
            table(
                ["Sign-in name", "State", "Roles", "Emergencies", "Sessions"],
                [
                    [
                        .text(person.loginName), .text(stateWord(person)), .text(roleNames(person.roleNames)),
                        .text(person.mayUseEmergencyAccess ? "may declare" : "no"),
                        .text("\(people.sessions.list(person: person.id, at: now).count)"),
                    ]
                ]),
        ]
        if person.state == .invited {
            parts += [
                heading("Invitation"),
                paragraph("The link is shown once, is good for 72 hours and ends earlier ones."),
                postForm("\(path)/invite", [], button("Make a link")),
            ]
        }
        if person.state != .disabled {
            parts += [
                heading("Name"),
                postForm(
                    "\(path)/name",
                    [field("shown", "Name, as others see it", .text, value: person.displayName, problems)],
                    button("Change the name", kind: "quiet")),
                heading("Roles"), rolesForm(person, path, problems),
            ]
        }
        if person.state != .disabled, person.id != principal?.id {
            if person.state == .active {
                parts += [
                    heading("Lost every way to sign in"),
                    postForm(
                        "\(path)/recovery", [reasonField("Why; how you know that it is them", problems)],
                        button("Ask for new ones", kind: "quiet")),
                ]
            }
            parts += [
                heading("Leaving"),
                paragraph("Ends every session and every way to sign in, at once. The sign-in name stays taken."),
                postForm("\(path)/disable", [], button("End access", kind: "danger")),
            ]
        }
        parts.append(Markup.element("p", [], link("/app/people", "Back to everybody")))
        return page("Account", problems: problems, .all(parts))
    }

    private func reasonField(_ label: String, _ problems: [Problem]) -> Markup {
        Markup.element(
            "div", [("class", "field")],
            Markup.element(
                "label", [], .text(label),
                Markup.element("input", [("name", "reason"), ("type", "text"), ("maxlength", "500"), ("required", "")]))
        )
    }

    private func rolesForm(_ person: Person, _ path: String, _ problems: [Problem]) -> Markup {
        func box(_ name: String, _ value: String, _ isOn: Bool, _ label: String) -> Markup {
            let on: [WebAttribute] = isOn ? [("checked", "")] : []
            return Markup.element(
                "label", [("class", "box")],
                Markup.element(
                    "input",
                    [(name: "type", value: "checkbox"), (name: "name", value: name), (name: "value", value: value)] + on
                ),
                Markup.element("span", [], .text(label)))
        }
        let boxes = RoleWords.forPeople(people.directory.policy).map { role in
            box(
                "role", role.rawValue, person.roles.contains(role),
                "\(RoleWords.name(role)) – \(RoleWords.meaning(role))")
        }
        return postForm(
            "\(path)/roles",
            [
                Markup.element(
                    "fieldset", [], Markup.element("legend", [], .text("Roles from then on")), .all(boxes),
                    box(
                        "emergency", "listed", person.mayUseEmergencyAccess,
                        "May declare an emergency to open a record")),
                person.clearance.map { known in
                    Markup.element("p", [], .text("Cleared for work with records: "), name(known))
                }
                    ?? field(
                        "clearance", "Clearance", .text, hint: "What was checked, by whom, when; not for patients",
                        isRequired: false, problems),
                field("reason", "Why", .text, hint: "Another administrator has to approve", problems),
            ], button("Ask for this"))
    }

    func invite(_ id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            let token = try await people.invite(id, by: principal, source: request.source, at: now)
            return linkPage(token, for: people.directory.person(id))
        } catch {
            return personPage(id, [Problem(error)])
        }
    }

    /// Shown once, to whoever hands it on; the person alone chooses the factors.
    private func linkPage(_ token: String, for person: Person?) -> WebAnswer {
        page(
            "One-time link",
            Markup.element(
                "p", [], .text("For "), name(person?.displayName ?? ""),
                .text(". Give it to them yourself; whoever opens it becomes them. It is not shown again.")),
            Markup.element("p", [("class", "secret")], .text("\(settings.recordsOrigin)/enrol/\(token)")),
            Markup.element("p", [], link("/app/people", "Back to everybody")))
    }

    func askRoles(_ id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        let named = form.all("role")
        let roles = RoleWords.forPeople(people.directory.policy).filter { named.contains($0.rawValue) }
        guard roles.count == Set(named).count else { return personPage(id, [Problem(nil, "There is no such role.")]) }
        let rights = Rights(roles: roles, mayUseEmergencyAccess: form["emergency"] == "listed")
        do throws(IdentityFailure) {
            _ = try await people.directory.request(
                rights, for: id, reason: form["reason"] ?? "", clearance: form["clearance"], by: principal,
                source: request.source, at: now)
            return .redirect(to: "/app/people")
        } catch {
            return personPage(id, [Problem(error)])
        }
    }

    func askRecovery(for id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            try await people.askRecovery(
                for: id, reason: form["reason"] ?? "", by: principal, source: request.source, at: now)
            return .redirect(to: "/app/people")
        } catch {
            return error == .stepUpNeeded ? askStepUp() : personPage(id, [Problem(error)])
        }
    }

    func rename(_ id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            try await people.directory.rename(
                id, to: form["shown"] ?? "", by: principal, source: request.source, at: now)
            return .redirect(to: "/app/people/\(id)")
        } catch {
            let problem = Problem("shown", "Give a name of 1 to 80 characters that can be seen.")
            return personPage(id, [error == .badName ? problem : Problem(error)])
        }
    }

    func disable(_ id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            try await people.disable(id, by: principal, source: request.source, at: now)
            return .redirect(to: "/app/people")
        } catch {
            return personPage(id, [Problem(error)])
        }
    }
}
