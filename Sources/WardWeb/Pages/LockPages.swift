import WardCore
import WardIdentity
import WardMarkup

/// Why two factors are shown again.
enum ProofReason {
    case unlocking, steppingUp
}

extension Visit {
    func lock() -> WebAnswer {
        people.sessions.lock(sessionToken)
        return .redirect(to: "/app/locked?back=\(back.text)")
    }

    /// Names the person and nothing else of what was on the screen.
    func lockedPage(_ problems: [Problem] = []) -> WebAnswer {
        guard principal == nil, let person else { return .redirect(to: back.text) }
        return page(
            "Locked", problems: problems,
            Markup.element(
                "p", [], .text("This session of "), name(person.displayName),
                .text(" is locked. Show who you are to go on where you were.")), keptNote,
            proofForms("/app/unlock", "Unlock", problems),
            postForm("/sign-out", [], button("Sign out", kind: "quiet")))
    }

    func stepUpPage(_ problems: [Problem] = []) -> WebAnswer {
        page(
            "Confirm that it is you", problems: problems,
            paragraph("What you are about to do needs a proof that is less than five minutes old."), keptNote,
            proofForms("/app/step-up", "Confirm", problems), Markup.element("p", [], link(back.text, "Not now")))
    }

    /// A passkey, or password and code; both come back to the same page.
    func proofForms(_ action: String, _ label: String, _ problems: [Problem]) -> Markup {
        .all([
            passkeyForm(
                action, options: "/app/passkey/options", creates: false, "\(label) with a passkey",
                [hidden("back", back.text)]),
            postForm(
                action, [hidden("back", back.text)] + proofFields(withLogin: false, problems), button(label)),
        ])
    }

    func prove(_ reason: ProofReason) async -> WebAnswer {
        let proof: Proof
        if let assertion = assertion(), let party = settings.party {
            proof = .passkey(assertion, ticket: people.ticket(ofSession: sessionToken), party: party)
        } else if form["credential"] != nil {
            return proofPage(reason, [Problem(.notRecognised)])
        } else {
            do throws(BadFields) {
                let shown = try self.proof()
                proof = .password(shown.password, code: shown.code)
            } catch {
                return proofPage(reason, error.problems)
            }
        }
        do throws(IdentityFailure) {
            let signedIn = try await people.prove(proof, sessionToken: sessionToken, context: context, at: now)
            return WebAnswer.redirect(to: back.text).settingSession(signedIn)
        } catch {
            if error == .sessionEnded { return WebAnswer.redirect(to: "/sign-in").setting(Cookie.session.removal) }
            return proofPage(reason, [Problem(error, field: "password")])
        }
    }

    private func proofPage(_ reason: ProofReason, _ problems: [Problem]) -> WebAnswer {
        switch reason {
        case .unlocking: lockedPage(problems)
        case .steppingUp: stepUpPage(problems)
        }
    }

    func passkeyRequest() -> WebAnswer {
        guard let party = settings.party else { return .json(#"{"error":"passkeys"}"#, status: 404) }
        do throws(IdentityFailure) {
            return .json(try people.passkeyRequest(sessionToken: sessionToken, party: party, at: now))
        } catch {
            return .json(#"{"error":"session"}"#, status: 401)
        }
    }

    /// The server's clock for the script; asking is not activity, posting is.
    func ping() -> WebAnswer {
        guard principal != nil, let session else { return .json(#"{"state":"locked","seconds":0}"#) }
        let left = (min(session.locks, session.ends).microseconds - now.microseconds) / 1_000_000
        return .json(#"{"state":"active","seconds":\#(max(0, left))}"#)
    }
}
