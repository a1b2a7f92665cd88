import WardAudit
import WardIdentity
import WardMarkup
import WardPolicy
import WardWatch

/// A place of the application that not everybody has.
struct OfficePlace {
    let path: String
    /// In the row at the top of every page.
    let short: String
    /// In the list of the home page.
    let long: String
}

extension Visit {
    /// Where the visitor's rights lead to beside their own account.
    var officePlaces: [OfficePlace] {
        var places: [OfficePlace] = []
        if may(.managePeople) {
            places.append(OfficePlace(path: "/app/people", short: "People", long: "People and their roles"))
        }
        if may(.administer) {
            places.append(OfficePlace(path: "/app/clients", short: "App approvals", long: "Apps that may ask people"))
        }
        if mayDeclareEmergency {
            places.append(
                OfficePlace(path: "/app/emergency", short: "Emergency", long: "Open a record in an emergency"))
        }
        if may(.reviewEmergency) {
            let count = people.emergencies.unreviewed
            let waiting = count > 0 ? " (\(count))" : ""
            places.append(
                OfficePlace(
                    path: "/app/emergencies", short: "Emergencies\(waiting)",
                    long: "Emergencies to review\(waiting)"))
        }
        if let watch, may(.readAlerts) {
            let count = watch.desk.waiting
            let waiting = count > 0 ? " (\(count))" : ""
            places.append(
                OfficePlace(
                    path: "/app/alerts", short: "Alerts\(waiting)", long: "Alerts of odd access\(waiting)"))
        }
        if let oversight, may(.reviewAccess) {
            let count = (try? oversight.reviews.overdue(at: now).count) ?? 0
            let overdue = count > 0 ? " (\(count) overdue)" : ""
            places.append(
                OfficePlace(
                    path: "/app/activity", short: "Weekly review\(overdue)",
                    long: "What happened each week, to sign for\(overdue)"))
        }
        if may(.reviewAccess) {
            let count = people.accessReviews.overdue(at: now)
            let overdue = count > 0 ? " (\(count) overdue)" : ""
            places.append(
                OfficePlace(
                    path: "/app/access-review", short: "Access review\(overdue)",
                    long: "Review who has which access\(overdue)"))
        }
        if may(.readAudit) {
            places.append(OfficePlace(path: "/app/log", short: "Log", long: "The audit log"))
        }
        if let principal, !principal.patients.isEmpty, principal.actor.isPatient {
            places.append(OfficePlace(path: "/app/my-record", short: "My record", long: "Who opened my record"))
        }
        if may(.manageSessions) {
            places.append(
                OfficePlace(path: "/app/all-sessions", short: "All sessions", long: "Who is signed in where"))
        }
        return places
    }

    /// Those of them that are here.
    var placesHere: [OfficePlace] { officePlaces.filter { settings.serves($0.path) } }

    /// Says where the rest is, to whoever has any of it.
    var placesElsewhere: Markup {
        guard let elsewhere = settings.officeOrigin, officePlaces.contains(where: { !settings.serves($0.path) }) else {
            return .all([])
        }
        return Markup.element(
            "p", [], .text("Accounts, alerts, reviews and the log have an address of their own: "),
            link("\(elsewhere)/sign-in", elsewhere))
    }

    /// Whether the visitor could change anything at this moment; a form that leads to a refusal is not shown.
    var isFresh: Bool { principal?.isFresh(at: now) ?? false }

    /// Asks for a proof of two factors before a form is shown, so that nothing typed is lost to it.
    func proofFirst(_ path: String, _ title: String) -> Markup {
        .all([
            heading(title),
            passkeyForm(
                "/app/step-up", options: "/app/passkey/options", creates: false, "Confirm with a passkey",
                [hidden("back", path)]),
            postForm("/app/step-up", [hidden("back", path)] + proofFields(withLogin: false, []), button("Confirm")),
        ])
    }

    /// A text of several lines; what is wrong with it stands beside it and is announced with it.
    func textArea(
        _ name: StaticString, _ label: String, hint: String, value: String = "", _ problems: [Problem] = []
    ) -> Markup {
        let id = "\(name)"
        let problem = problems.first { $0.field.map { "\($0)" == id } ?? false }
        var attributes: [WebAttribute] = [
            ("id", id), ("name", id), ("rows", "4"), ("maxlength", "2000"), ("required", ""), ("autocomplete", "off"),
            ("aria-describedby", problem == nil ? "\(id)-hint" : "\(id)-hint \(id)-error"),
        ]
        if problem != nil { attributes.append(("aria-invalid", "true")) }
        return Markup.element(
            "div", [("class", "field")], Markup.element("label", [("for", id)], .text(label)),
            Markup.element("p", [("class", "hint"), ("id", "\(id)-hint")], .text(hint)),
            problem.map {
                Markup.element("p", [("class", "error"), ("id", "\(id)-error")], .text($0.text))
            } ?? .all([]),
            Markup.element("textarea", attributes, .text(value)))
    }

    /// One of several, none chosen beforehand.
    func radios(
        _ name: StaticString, _ legend: String, _ choices: [(value: String, label: String)], chosen: String?,
        _ problems: [Problem] = []
    ) -> Markup {
        let id = "\(name)"
        let problem = problems.first { $0.field.map { "\($0)" == id } ?? false }
        let boxes = choices.enumerated().map { number, choice in
            var attributes: [WebAttribute] = [
                ("type", "radio"), ("name", id), ("value", choice.value), ("required", ""),
            ]
            // What the summary of problems leads to.
            if number == 0 { attributes.append(("id", id)) }
            if choice.value == chosen { attributes.append(("checked", "")) }
            return Markup.element(
                "label", [("class", "box")], Markup.element("input", attributes),
                Markup.element("span", [], .text(choice.label)))
        }
        return Markup.element(
            "fieldset", [], Markup.element("legend", [], .text(legend)),
            problem.map { Markup.element("p", [("class", "error")], .text($0.text)) } ?? .all([]), .all(boxes))
    }
}
