import WardCore
import WardIdentity
import WardMarkup

extension Visit {
    /// Opened from a message, so without cookies: sets one and goes on at an address without the secret.
    func openLink(_ token: String) -> WebAnswer {
        do throws(IdentityFailure) {
            let begun = try people.beginEnrolment(token, at: now)
            return continuing(at: "/enrol").setting(Cookie.enrolment.set(begun.token))
                .replacing("Referrer-Policy", "no-referrer")
        } catch {
            return noLink(error)
        }
    }

    private func noLink(_ failure: IdentityFailure) -> WebAnswer {
        let problem = Problem(failure)
        return page("This link does not work", problems: [problem]).setting(Cookie.enrolment.removal)
    }

    func enrolPage(_ problems: [Problem] = []) -> WebAnswer {
        do throws(IdentityFailure) {
            let person = try people.enrolling(secret, at: now)
            let passkey = passkeyForm(
                "/enrol/passkey", options: "/enrol/passkey/options", creates: true, "Make a passkey",
                [field("name", "Name of this passkey", .text, hint: "For example: work laptop", isRequired: false)])
            return page(
                "Set up your sign-in", problems: problems,
                Markup.element(
                    "p", [], .text("This is for "), name(person.displayName), .text(", sign-in name "),
                    Markup.element("strong", [], .text(person.loginName)),
                    .text(". If that is not you, close this page.")),
                settings.party == nil ? .all([]) : heading("With a passkey"),
                settings.party == nil
                    ? .all([]) : paragraph("Simplest and safest: your device asks for a fingerprint, a face or a PIN."),
                passkey, heading("With a password and an authenticator app"),
                postForm(
                    "/enrol/password",
                    [
                        Markup.element(
                            "input",
                            [("type", "hidden"), ("autocomplete", "username"), ("value", person.loginName)])
                    ] + newPasswordFields(problems), button("Go on to the app")))
        } catch {
            return noLink(error)
        }
    }

    func newPasswordFields(_ problems: [Problem]) -> [Markup] {
        [
            field(
                "password", "New password", .newPassword,
                hint: "At least \(Passwords.minimumLength) characters; four unusual words are good", problems),
            field("again", "The same again", .newPassword, problems),
        ]
    }

    /// The new password, typed twice alike.
    func newPassword() throws(BadFields) -> Password {
        let typed = form["password"] ?? ""
        guard typed == form["again"] else {
            throw BadFields(problems: [Problem("again", "The two passwords differ.")])
        }
        do throws(PasswordFailure) { return try Password(typed: typed) } catch {
            throw BadFields(problems: [Problem("password", error.text)])
        }
    }

    func enrolPasskeyOptions() -> WebAnswer {
        guard let party = settings.party else { return .json(#"{"error":"passkeys"}"#, status: 404) }
        do throws(IdentityFailure) {
            return .json(try people.enrolmentOptions(secret, party: party, at: now))
        } catch {
            return .json(#"{"error":"link"}"#, status: Problem(error).status)
        }
    }

    func enrolByPasskey() async -> WebAnswer {
        guard let party = settings.party, let registration = registration() else {
            return enrolPage([Problem(.badPasskey)])
        }
        do throws(IdentityFailure) {
            return enrolled(
                try await people.enrol(
                    secret, passkey: registration, name: passkeyName, party: party, context: context, at: now))
        } catch {
            return error == .unknownLink ? noLink(error) : enrolPage([Problem(error)])
        }
    }

    var passkeyName: String {
        let typed = (form["name"] ?? "").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return typed.isEmpty || typed.hasHiddenCharacters ? deviceName(request.userAgent) : String(typed.prefix(60))
    }

    func enrolPassword() async -> WebAnswer {
        let password: Password
        do throws(BadFields) { password = try newPassword() } catch { return enrolPage(error.problems) }
        do throws(IdentityFailure) {
            _ = try await people.enrol(secret, password: password, at: now)
            return .redirect(to: "/enrol/code")
        } catch {
            return error == .unknownLink ? noLink(error) : enrolPage([Problem(error)])
        }
    }

    func enrolCodePage(_ problems: [Problem] = []) -> WebAnswer {
        do throws(IdentityFailure) {
            let person = try people.enrolling(secret, at: now)
            guard let seed = try people.enrollingSeed(secret, at: now) else { return .redirect(to: "/enrol") }
            return page(
                "Set up your authenticator app", problems: problems, secretOfApp(seed, person),
                postForm(
                    "/enrol/code",
                    [field("code", "Code that the app shows now", .code, hint: "Six digits", problems)],
                    button("Finish")))
        } catch {
            return noLink(error)
        }
    }

    /// The seed for typing and as a link that opens an app on the same device; no picture made by anybody else.
    func secretOfApp(_ seed: TOTPSeed, _ person: Person) -> Markup {
        let uri = seed.exposedURI(issuer: settings.clinic, account: person.loginName)
        return .all([
            paragraph("Add an account in your authenticator app and type this key, for codes by time:"),
            Markup.element("p", [("class", "secret")], .text(seed.exposedText())),
            Markup.element("p", [], link(uri, "Open in an app on this device")),
        ])
    }

    func enrolCode() async -> WebAnswer {
        guard let code = OneTimeCode(typed: form["code"] ?? "") else {
            return enrolCodePage([Problem("code", "Enter the six digits that the app shows.")])
        }
        do throws(IdentityFailure) {
            return enrolled(try await people.enrol(secret, code: code, context: context, at: now))
        } catch {
            return error == .unknownLink ? noLink(error) : enrolCodePage([Problem(error, field: "code")])
        }
    }

    private func enrolled(_ enrolled: Enrolled) -> WebAnswer {
        codesPage(enrolled.recoveryCodes, next: "/app").settingSession(enrolled.signedIn)
            .setting(Cookie.enrolment.removal)
    }

    /// Shown once.
    func codesPage(_ codes: [SavedRecoveryCode], next: String) -> WebAnswer {
        page(
            "Your recovery codes",
            paragraph(
                "Print this page now, or write the codes down, and keep them with other important papers. Each "
                    + "is good once, if you lose your other ways to sign in. They are not shown again."),
            Markup.element(
                "ol", [("class", "codes")], .all(codes.map { Markup.element("li", [], .text($0.exposedText())) })),
            Markup.element(
                "p", [], Markup.element("a", [("href", next), ("class", "button")], .text("I have kept them"))))
    }
}
