import WardIdentity
import WardMarkup

extension Visit {
    func signInPage(_ problems: [Problem] = []) -> WebAnswer {
        // Whoever comes from an app goes on to it.
        let way = back.text == BackPath.home.text ? [] : [hidden("back", back.text)]
        return page(
            "Sign in", problems: problems,
            passkeyForm(
                "/sign-in/passkey", options: "/sign-in/passkey/options", creates: false, "Sign in with a passkey",
                way),
            postForm("/sign-in", way + proofFields(withLogin: true, problems), button("Sign in")),
            Markup.element("p", [], link("/recover", "I have lost my passkey, password or authenticator app")))
    }

    /// Password and code together, so that no answer tells about one of them.
    func proofFields(withLogin: Bool, _ problems: [Problem]) -> [Markup] {
        let typed = form["login"].flatMap(Person.canonicalLoginName)
        let login = withLogin ? [field("login", "Sign-in name", .loginName, value: typed, problems)] : []
        return login + [
            field("password", "Password", .currentPassword, problems),
            field("code", "Code from your authenticator app", .code, hint: "Six digits", problems),
        ]
    }

    /// A password and a code as typed, or what is wrong with their form.
    func proof() throws(BadFields) -> (password: Password, code: OneTimeCode) {
        var problems: [Problem] = []
        var password: Password?
        do throws(PasswordFailure) { password = try Password(typed: form["password"] ?? "") } catch {
            problems.append(Problem("password", "Check the password: it has characters that no password has."))
        }
        let code = OneTimeCode(typed: form["code"] ?? "")
        if code == nil { problems.append(Problem("code", "Enter the six digits that the app shows.")) }
        guard let password, let code, problems.isEmpty else { throw BadFields(problems: problems) }
        return (password, code)
    }

    struct BadFields: Error {
        let problems: [Problem]
    }

    func signIn() async -> WebAnswer {
        let shown: (password: Password, code: OneTimeCode)
        do throws(BadFields) { shown = try proof() } catch { return signInPage(error.problems) }
        do throws(IdentityFailure) {
            let signedIn = try await people.signIn(
                login: form["login"] ?? "", shown.password, code: shown.code, context: context, at: now)
            return await welcome(signedIn)
        } catch {
            return signInPage([Problem(error, field: "login")])
        }
    }

    func signInPasskeyOptions() -> WebAnswer {
        guard let party = settings.party else { return .json(#"{"error":"passkeys"}"#, status: 404) }
        return .json(people.passkeyRequest(ticket: ticketDigest, party: party, at: now))
    }

    func signInByPasskey() async -> WebAnswer {
        guard let party = settings.party, let assertion = assertion() else {
            return signInPage([Problem(.notRecognised)])
        }
        do throws(IdentityFailure) {
            return await welcome(
                try await people.signIn(assertion, ticket: ticketDigest, party: party, context: context, at: now))
        } catch {
            return signInPage([Problem(error)])
        }
    }

    func assertion() -> PasskeyAssertion? {
        form["credential"].flatMap { try? PasskeyAssertion(json: Array($0.utf8)) }
    }

    func registration() -> PasskeyRegistration? {
        form["credential"].flatMap { try? PasskeyRegistration(json: Array($0.utf8)) }
    }

    /// Ends what this browser was signed in to before, and lets somebody with a role go on.
    private func welcome(_ signedIn: SignedIn) async -> WebAnswer {
        if session != nil {
            try? await people.endOwnSession(
                sessionToken: sessionToken, because: .signedOut, source: request.source, at: now)
        }
        guard !signedIn.person.roles.isEmpty else {
            // Known, and may nothing: a session would be of no use to anybody.
            try? await people.endOtherSessions(sessionToken: signedIn.token, source: request.source, at: now)
            try? await people.endOwnSession(
                sessionToken: signedIn.token, because: .signedOut, source: request.source, at: now)
            return notice(
                "No role yet", "You are known here, but have no role yet. Ask an administrator of the clinic.",
                status: 403)
        }
        return WebAnswer.redirect(to: back.text).settingSession(signedIn).setting(Cookie.ticket.removal)
    }

    func signOut() async -> WebAnswer {
        if session != nil {
            do throws(IdentityFailure) {
                try await people.endOwnSession(
                    sessionToken: sessionToken, because: .signedOut, source: request.source, at: now)
            } catch {
                // In memory it has ended; what is on disk is locked and of no use without the cookie.
            }
        }
        return WebAnswer.redirect(to: "/sign-in").setting(Cookie.session.removal)
            .adding("Clear-Site-Data", "\"cache\", \"storage\"")
    }

    // MARK: Recovery

    func recoverPage(_ problems: [Problem] = []) -> WebAnswer {
        page(
            "New ways to sign in", problems: problems,
            paragraph(
                "Enter one of the recovery codes that you printed. Somebody at the clinic then checks that it is you "
                    + "and gives you a link. Without a code, go to an administrator in person."),
            postForm(
                "/recover",
                [
                    field("login", "Sign-in name", .loginName, problems),
                    field("recovery", "Recovery code", .text, hint: "Seven groups of four letters", problems),
                ], button("Ask for new ways to sign in")),
            Markup.element("p", [], link("/sign-in", "Back to signing in")))
    }

    func recover() async -> WebAnswer {
        do throws(IdentityFailure) {
            try await people.askRecovery(
                login: form["login"] ?? "", code: SavedRecoveryCode(typed: form["recovery"] ?? ""), context: context,
                at: now)
        } catch {
            return recoverPage([Problem(error)])
        }
        return page(
            "Asked",
            paragraph(
                "If name and code belong together, somebody at the clinic now sees it. Contact them for your link."
            ),
            Markup.element("p", [], link("/sign-in", "Back to signing in")))
    }
}

extension WebAnswer {
    func settingSession(_ signedIn: SignedIn) -> WebAnswer {
        setting(Cookie.session.set(signedIn.token), Cookie.device.set(signedIn.deviceMark))
    }
}
