import WardFHIR
import WardIdentity
import WardMarkup

/// Where an app's request begins, and where a person decides on it.
extension Visit {
    var base: String { "\(settings.origin)/fhir" }

    /// `/oauth/authorize`: nobody is known yet, since cookies do not come along from other sites.
    ///
    /// A form may hold the request as well (SMART App Launch 2.2, `authorize-post`); a query beside it is refused.
    func authorize() -> WebAnswer {
        guard let query = FormFields(Array(request.query.utf8)), request.method == .get || query.pairs.isEmpty else {
            return refusedApp(.requestMalformed)
        }
        do throws(AuthorizationRefusal) {
            let id = try people.oauth.begin(
                request.method == .get ? query.pairs : form.pairs, base: base, issuer: settings.origin,
                source: request.source, at: now)
            return continuing(at: "/app/authorize/\(id)")
        } catch {
            switch error {
            case .page(let failure): return refusedApp(failure)
            case .redirect(let address): return .redirect(to: address)
            }
        }
    }

    func refusedApp(_ failure: OAuthFailure) -> WebAnswer {
        page(
            "This app cannot go on", status: failure.status,
            paragraph("It asked for something that is not possible here: \(failure.text)."),
            paragraph("Nothing was sent to the app. You can close this page, or tell whoever runs the app."))
    }

    func consentPage(_ id: String, _ problems: [Problem] = []) async -> WebAnswer {
        guard let principal, let person else { return .redirect(to: "/sign-in") }
        if let answer = silentAnswer(id) { return answer }
        let pending: Pending
        let patient: String?
        do throws(OAuthFailure) {
            (pending, patient) = try people.oauth.pending(id, for: principal, at: now)
        } catch {
            return error == .freshProofNeeded ? askStepUp() : refusedApp(error)
        }
        var fields: [Markup] = []
        if pending.asked.needsPatient {
            if let patient {
                fields.append(await launchedPatient(patient, principal))
            } else {
                fields.append(await patientFields(problems))
            }
        }
        let isFirst = request.method == .get
        let boxes = pending.asked.texts.enumerated().map { place, text in
            box(place, text, isTicked: isFirst || form.all("scope").contains(text))
        }
        fields.append(
            Markup.element(
                "fieldset", [("id", "scope")], Markup.element("legend", [], .text("It may")), .all(boxes)))
        return page(
            "Allow an app?", problems: problems,
            Markup.element(
                "p", [], Markup.element("strong", [], name(pending.app.name)), .text(" asks to act for you, "),
                name(person.displayName), .text(". It can never do more than you can.")),
            Markup.element(
                "p", [], .text("It gets its answer at "), Markup.element("strong", [], name(pending.host)), .text(".")),
            paragraph("Take out what you do not want it to have. You will be asked again next time."),
            postForm(
                "/app/authorize/\(id)", [],
                fields + [
                    decision("allow", "Allow", kind: "main"), .text(" "),
                    decision("deny", "Do not allow", kind: "quiet"),
                ]))
    }

    /// The way back to an app that asked for an answer without a question; nil for every other app.
    func silentAnswer(_ id: String) -> WebAnswer? {
        people.oauth.silentAnswer(id, for: principal, issuer: settings.origin, at: now).map(leaving(to:))
    }

    func decideConsent(_ id: String) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(OAuthFailure) {
            switch form["decision"] {
            case "allow":
                let (pending, launched) = try people.oauth.pending(id, for: principal, at: now)
                var patient = launched
                if patient == nil, pending.asked.needsPatient { patient = await chosenPatient() }
                return leaving(
                    to: try await people.oauth.allow(
                        id, ticked: form.all("scope"), patient: patient, by: principal, issuer: settings.origin,
                        source: request.source, at: now))
            case "deny":
                return leaving(
                    to: try await people.oauth.deny(
                        id, by: principal, issuer: settings.origin, source: request.source, at: now))
            default: return await consentPage(id)
            }
        } catch {
            switch error {
            case .patientMissing: return await consentPage(id, [Problem("patient", "Choose the patient first.")])
            case .freshProofNeeded: return askStepUp()
            case .scopeInvalid: return await consentPage(id, [Problem("scope", "Leave at least one thing ticked.")])
            default: return refusedApp(error)
            }
        }
    }

    /// A form may not be answered by a redirect to another site (CSP `form-action`): the page goes there itself.
    func leaving(to address: String) -> WebAnswer { continuing(at: address) }

    func decision(_ value: String, _ text: String, kind: String) -> Markup {
        Markup.element(
            "button", [("type", "submit"), ("name", "decision"), ("value", value), ("class", kind)], .text(text))
    }

    private func launchedPatient(_ id: String, _ principal: Principal) async -> Markup {
        let line = await patients.known(id, principal, request.source)
        return Markup.element("p", [], .text("About: "), name(line?.text ?? "the patient you chose"))
    }

    private func box(_ place: Int, _ text: String, isTicked: Bool) -> Markup {
        let id = "scope-\(place)"
        var attributes: [WebAttribute] = [("type", "checkbox"), ("id", id), ("name", "scope"), ("value", text)]
        if isTicked { attributes.append(("checked", "")) }
        return Markup.element(
            "label", [("class", "box"), ("for", id)], Markup.element("input", attributes),
            Markup.element(
                "span", [], .text(ConsentWords.text(of: text)), .text(" "),
                Markup.element("span", [("class", "hint")], .text("(\(text))"))))
    }
}
