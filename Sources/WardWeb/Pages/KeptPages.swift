import WardCore
import WardIdentity
import WardMarkup

/// What became of a kept form that was asked for.
enum TakenForm {
    case form(ParkedForm)
    case refused(WebAnswer)
}

/// Locking loses no work: a form that came too late waits here until its person sends it again, or drops it.
extension Visit {
    /// Whether a form is from a page of the visitor's own session, maybe from before it was unlocked.
    var isFromThisSession: Bool {
        guard request.method == .post, case .session = route.cookie, let session, let token = form["form"] else {
            return false
        }
        return people.isFormToken(token, for: secret) || people.isEarlierFormToken(token, of: session)
    }

    /// Where the form of this request stands; for anything else, the page itself.
    var pageOfForm: String {
        guard request.method == .post else { return BackPath(segments: request.path).text }
        let page =
            switch route {
            case .roleRequest, .recovery: ["app", "people"]
            case .invite, .askRoles, .disable, .askRecovery, .emergencyReview, .emergencyStop, .accessOf, .consent,
                .alertAnswer, .kept, .keptDrop:
                Array(request.path.prefix(3))
            default: Array(request.path.prefix(2))
            }
        return BackPath(segments: page).text
    }

    /// Keeps a form that nothing was done with, and leads to it.
    ///
    /// - Parameter answer: what it was refused with; nil where nothing but the person's own word is missing.
    func keepingForm(_ answer: WebAnswer?) async -> WebAnswer {
        guard request.method == .post, let keeping = route.keeping, let session, let person,
            answer == nil || answer?.proofPage != nil
        else {
            return answer ?? (form["keep"] == nil ? refused("form-token") : .redirect(to: pageOfForm))
        }
        let fields = keeping.fields.flatMap { field in
            form.all(field.name).map { ParkedForm.Field(name: "\(field.name)", value: PHI($0)) }
        }
        do throws(IdentityFailure) {
            let kept = try await people.parked.park(
                "/" + request.path.joined(separator: "/"), fields, template: route.template, session: session,
                person: person, source: request.source, at: now)
            let place = "/app/continue/\(kept.id)"
            return answer?.proofPage.map { .proof($0, for: place) } ?? .redirect(to: place)
        } catch {
            return page(
                "Not kept", problems: [Problem(error)],
                paragraph("What you sent was not done, and could not be kept. Go back in your browser to see it."))
        }
    }

    /// Shows a kept form and sends it by one button: never by itself.
    func keptPage(_ id: String) -> WebAnswer {
        guard let session, let form = people.parked.form(id, in: session, at: now),
            let keeping = keeping(of: form)
        else { return notKept }
        let place = "/app/continue/\(form.id)"
        let rows = keeping.fields.flatMap { field in
            form.fields.filter { $0.name == "\(field.name)" }.compactMap { sent in
                field.label.map { label in [Markup.text(label), sent.value.exposed { name($0) }] }
            }
        }
        return page(
            "Continue what you were doing",
            Markup.element(
                "p", [], Markup.element("strong", [], .text(keeping.title)), .text(", sent "), time(form.created),
                .text(". Nothing was done yet: you were not there, or had to show again who you are.")),
            subject(of: form), rows.isEmpty ? .all([]) : table(["", ""], rows),
            postForm(place, [], sendButtons(form, keeping)),
            postForm("\(place)/drop", [], button("Drop it", kind: "danger")))
    }

    /// The page itself sends what was typed when the session locks, without the button that nobody pressed: where the
    /// form asks for a decision, it is made here.
    private func sendButtons(_ form: ParkedForm, _ keeping: Keeping) -> Markup {
        guard keeping.lacksDecision(form) else { return button("Send it now") }
        return .all(keeping.decisions.flatMap { [decision($0.value, $0.text, kind: $0.kind), .text(" ")] })
    }

    /// Whom a form is about, where its address says so and the visitor may know.
    private func subject(of form: ParkedForm) -> Markup {
        guard let route = Route(form.segments) else { return .all([]) }
        if case .consent(let id) = route, let principal {
            guard let asked = try? people.oauth.pending(id, for: principal, at: now) else { return .all([]) }
            return Markup.element("p", [], .text("The app: "), name(asked.pending.app.name))
        }
        guard let action = route.action, may(action) else { return .all([]) }
        switch route {
        case .invite(let id), .askRoles(let id), .disable(let id), .askRecovery(let id), .accessOf(let id):
            guard let person = people.directory.person(id) else { return .all([]) }
            return Markup.element("p", [], .text("About: "), name(person.displayName))
        case .emergencyReview(let id), .emergencyStop(let id):
            return Markup.element("p", [], link("/app/emergencies/\(id)", "The emergency it is about"))
        default: return .all([])
        }
    }

    /// How a form is kept; nil if its page is not there any more, or lies on another plane than this one.
    private func keeping(of form: ParkedForm) -> Keeping? {
        guard let route = Route(form.segments), settings.plane.serves(route.side) else { return nil }
        return route.keeping
    }

    private var notKept: WebAnswer {
        notice("Not there", "This was sent or dropped already, or it waited too long.", status: 404)
    }

    /// Takes a kept form out: it is sent once, whatever comes of it.
    func takeKept(_ id: String) async -> TakenForm {
        guard let session, let person else { return .refused(.redirect(to: "/sign-in")) }
        if let kept = people.parked.form(id, in: session, at: now) {
            // Of another plane: it waits there.
            guard let keeping = keeping(of: kept) else { return .refused(notKept) }
            if keeping.lacksDecision(kept), !keeping.decisions.contains(where: { $0.value == form["decision"] }) {
                return .refused(.redirect(to: "/app/continue/\(kept.id)"))
            }
        }
        do throws(IdentityFailure) {
            return .form(
                try await people.parked.take(
                    id, in: session, by: person, sending: true, source: request.source, at: now))
        } catch {
            return .refused(error == .unknownRequest ? notKept : page("Not now", problems: [Problem(error)]))
        }
    }

    func dropKept(_ id: String) async -> WebAnswer {
        guard let session, let person else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            _ = try await people.parked.take(
                id, in: session, by: person, sending: false, source: request.source, at: now)
            return .redirect(to: "/app")
        } catch {
            return error == .unknownRequest ? notKept : page("Not now", problems: [Problem(error)])
        }
    }

    /// This visit, as if the kept form had come now; nil if its page is not there any more.
    func sending(_ kept: ParkedForm) -> Visit? {
        guard let route = Route(kept.segments), let keeping = keeping(of: kept) else { return nil }
        let names = keeping.fields.map { "\($0.name)" }
        var fields = kept.fields.filter { names.contains($0.name) }.map { field in
            (name: field.name, value: field.value.exposed { $0 })
        }
        if keeping.lacksDecision(kept), let decision = form["decision"] {
            fields.append((name: "decision", value: decision))
        }
        return Visit(
            request: request.posting(to: kept.segments), route: route, now: now, people: people, settings: settings,
            patients: patients, watch: watch, log: log, oversight: oversight, form: FormFields(fields),
            standing: standing, secret: secret, newTicket: nil)
    }

    /// What waits to be sent, on the home page.
    var keptForms: Markup {
        let forms = session.map { people.parked.forms(of: $0, at: now) } ?? []
        let links = forms.compactMap { form in
            keeping(of: form).map { keeping in
                Markup.element(
                    "li", [], link("/app/continue/\(form.id)", keeping.title), .text(", "), time(form.created))
            }
        }
        return links.isEmpty
            ? .all([]) : .all([heading("Not sent yet"), Markup.element("ul", [], .all(links))])
    }

    /// Says on the pages that ask who somebody is that their work waits.
    var keptNote: Markup {
        back.text.hasPrefix("/app/continue/")
            ? paragraph("What you sent was not done yet. It is kept, and shown to you before it is sent.") : .all([])
    }
}

extension Keeping {
    /// Whether a form has buttons that decide, and came without one pressed.
    fileprivate func lacksDecision(_ form: ParkedForm) -> Bool {
        !decisions.isEmpty && !form.fields.contains { $0.name == "decision" }
    }
}

extension ParkedForm {
    var segments: [String] { path.split(separator: "/").map(String.init) }
}
