import WardIdentity
import WardMarkup

/// Apps: opening one for a patient, and what administrators decide on them.
extension Visit {
    func appsPage(_ problems: [Problem] = []) async -> WebAnswer {
        let apps = people.oauth.apps.apps.filter { $0.state == .approved && $0.launch != nil }
        guard !apps.isEmpty else {
            return page(
                "Apps", problems: problems, allowedApps, paragraph("No app can be opened from here yet."))
        }
        let choices = apps.map { app in
            let id = "app-\(app.id)"
            var attributes: [WebAttribute] = [("type", "radio"), ("id", id), ("name", "app"), ("value", app.id)]
            if apps.count == 1 || form["app"] == app.id { attributes.append(("checked", "")) }
            return Markup.element(
                "label", [("class", "box"), ("for", id)], Markup.element("input", attributes), name(app.name))
        }
        let picker = await patientFields(problems)
        return page(
            "Apps", problems: problems, allowedApps, heading("Open an app for one patient"),
            postForm(
                "/app/apps", [],
                [
                    Markup.element(
                        "fieldset", [("id", "app")], Markup.element("legend", [], .text("Which app?")), .all(choices)),
                    picker, decision("open", "Open", kind: "main"),
                ]))
    }

    private var allowedApps: Markup {
        let allowed = principal.map { people.oauth.allowed(by: $0.id, at: now) } ?? []
        guard !allowed.isEmpty else { return .all([]) }
        let rows = allowed.map { app in
            [
                name(app.name), .text(app.scopes.map(ConsentWords.text).joined(separator: "; ")), time(app.since),
                postForm(
                    "/app/apps", [], [hidden("allowed", app.id), decision("end", "End", kind: "danger")]),
            ]
        }
        return .all([heading("Apps that act for you"), table(["App", "It may", "Since", ""], rows)])
    }

    func openApp() async -> WebAnswer {
        if form["decision"] == "end" { return await endAllowed() }
        guard let principal, form["decision"] == "open" else { return await appsPage() }
        guard let app = form["app"] else { return await appsPage([Problem("app", "Choose the app first.")]) }
        guard let patient = await chosenPatient() else {
            return await appsPage([Problem("patient", "Choose the patient first.")])
        }
        do throws(OAuthFailure) {
            return leaving(
                to: try await people.oauth.launch(
                    app, patient: patient, by: principal, base: base, source: request.source, at: now))
        } catch {
            return await appsPage([Problem(nil, "This app cannot be opened: \(error.text).", status: error.status)])
        }
    }

    private func endAllowed() async -> WebAnswer {
        guard let principal, let id = form["allowed"] else { return await appsPage([Problem(.unknownRequest)]) }
        do throws(OAuthFailure) {
            try await people.oauth.end(id, by: principal, source: request.source, at: now)
            return .redirect(to: "/app/apps")
        } catch {
            return await appsPage([Problem(nil, "This did not work: \(error.text).", status: error.status)])
        }
    }

    // MARK: Administrators

    func clientsPage(_ problems: [Problem] = []) -> WebAnswer {
        let apps = people.oauth.apps.apps
        let (waiting, approved) = (
            apps.filter { $0.state == .awaitingApproval }, apps.filter { $0.state == .approved }
        )
        return page(
            "Apps of this clinic", problems: problems,
            paragraph("Anybody can register an app. It can ask nobody for anything until you approve it."),
            heading("Waiting for approval"),
            waiting.isEmpty ? paragraph("None.") : table(Self.columns, waiting.map { row($0, canApprove: true) }),
            heading("Approved"),
            approved.isEmpty ? paragraph("None.") : table(Self.columns, approved.map { row($0, canApprove: false) }))
    }

    private static let columns = ["Name", "Sends people to", "May ask for", "Registered", ""]

    private func row(_ app: App, canApprove: Bool) -> [Markup] {
        let kind =
            switch app.kind {
            case .confidential: "server with a key"
            case .public: "browser or device"
            case .resource: "checks tokens, sees nothing"
            }
        let buttons =
            (canApprove ? [decision("approve", "Approve", kind: "main"), .text(" ")] : [])
            + [decision("remove", canApprove ? "Refuse" : "Remove", kind: "danger")]
        return [
            .all([
                name(app.name), Markup.element("span", [("class", "hint")], .text(" (\(kind), \(app.id))")),
            ]),
            places(app),
            .text(app.scopes.isEmpty ? "anything" : app.scopes.joined(separator: " ")), time(app.registered),
            postForm("/app/clients", [], [hidden("app", app.id)] + buttons),
        ]
    }

    /// Hosts first, since they are what somebody can judge.
    private func places(_ app: App) -> Markup {
        var parts = [
            Markup.element("strong", [], .text(app.redirectHosts.joined(separator: " "))),
            Markup.element("span", [("class", "hint")], .text(" \(app.redirects.joined(separator: " "))")),
        ]
        if let launch = app.launch {
            parts.append(Markup.element("span", [("class", "hint")], .text(" opened at \(launch)")))
        }
        return .all(parts)
    }

    func decideClient() async -> WebAnswer {
        guard let principal, let id = form["app"] else { return clientsPage([Problem(.unknownRequest)]) }
        do throws(IdentityFailure) {
            switch form["decision"] {
            case "approve":
                try await people.oauth.approve(id, by: principal, source: request.source, at: now)
            case "remove": try await people.oauth.remove(id, by: principal, source: request.source, at: now)
            default: throw .unknownRequest
            }
            return .redirect(to: "/app/clients")
        } catch {
            if error == .stepUpNeeded { return askStepUp() }
            return clientsPage([Problem(error == .unknownClient ? .unknownRequest : error)])
        }
    }
}
