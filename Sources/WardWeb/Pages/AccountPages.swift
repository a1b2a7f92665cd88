import WardCore
import WardCrypto
import WardIdentity
import WardMarkup

extension Visit {
    func homePage() -> WebAnswer {
        guard let person, let principal else { return .redirect(to: "/sign-in") }
        let roles = principal.roles.map { role in
            Markup.element(
                "li", [], Markup.element("strong", [], .text(RoleWords.name(role))),
                .text(" – \(RoleWords.meaning(role))"))
        }
        var places = [link("/app/account", "How you sign in"), link("/app/sessions", "Where you are signed in")]
        places += placesHere.map { link($0.path, $0.long) }
        return page(
            "Home",
            Markup.element(
                "p", [], .text("Signed in as "), name(person.displayName), .text(" ("),
                Markup.element("strong", [], .text(person.loginName)), .text(").")),
            signInHistory(of: person), keptForms,
            heading("Your roles"), Markup.element("ul", [], .all(roles)),
            person.mayUseEmergencyAccess
                ? paragraph("You may declare an emergency to open a record; each one is reviewed.") : .all([]),
            heading("Go to"), Markup.element("ul", [], .all(places.map { Markup.element("li", [], $0) })),
            placesElsewhere)
    }

    /// Failed attempts in words: past a limit they are not counted further.
    func atLeast(_ failures: Int) -> String {
        failures < People.failuresLookedAt ? "\(failures)" : "\(People.failuresLookedAt) or more"
    }

    /// Whoever was signed in as, or guessed at, sees it (45 CFR 164.308(a)(5)(ii)(C)).
    private func signInHistory(of person: Person) -> Markup {
        guard let session else { return .all([]) }
        let history = people.signInHistory(of: person.id, but: session)
        guard let other = history.other else { return .all([]) }
        let isLater = other.time > session.created
        let failed =
            history.failures == 0
            ? "Nobody failed to sign in as you since."
            : "Since \(isLater ? "you signed in" : "then") \(atLeast(history.failures)) "
                + "\(history.failures == 1 ? "attempt" : "attempts") to sign in as you failed."
        let warning = isLater || history.failures > 0 ? " If that was not you, tell your security officer." : ""
        return Markup.element(
            "p", warning.isEmpty ? [] : [("class", "error")],
            .text(isLater ? "Somebody signed in as you after you did, on " : "You signed in before this on "),
            time(other.time), .text(" from \(other.address). \(failed)\(warning)"))
    }

    func accountPage(_ problems: [Problem] = []) -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        guard principal.isFresh(at: now) else {
            return page(
                "How you sign in", problems: problems, factorList(principal, canChange: false),
                heading("Confirm that it is you to change these"),
                .all([
                    passkeyForm(
                        "/app/step-up", options: "/app/passkey/options", creates: false, "Confirm with a passkey",
                        [hidden("back", "/app/account")]),
                    postForm(
                        "/app/step-up", [hidden("back", "/app/account")] + proofFields(withLogin: false, problems),
                        button("Confirm")),
                ]))
        }
        return page(
            "How you sign in", problems: problems, factorList(principal, canChange: true),
            passkeyForm(
                "/app/account/passkeys", options: "/app/account/passkeys/options", creates: true, "Add a passkey",
                [
                    field(
                        "name", "Name of the new passkey", .text, hint: "For example: work laptop", isRequired: false,
                        problems)
                ]))
    }

    private func factorList(_ principal: Principal, canChange: Bool) -> Markup {
        let factors = people.factors(of: principal)
        let rows = factors.passkeys.map { passkey in
            [
                name(passkey.name), time(passkey.added), passkey.lastUsed.map { time($0) } ?? .text("never"),
                canChange
                    ? postForm(
                        "/app/account/passkeys/remove", [hidden("passkey", hex(passkey.id))],
                        button("Remove", kind: "danger")) : .all([]),
            ]
        }
        let app = factors.authenticatorAdded.map { added in
            Markup.element("p", [], .text("Set up "), time(added), .text("."))
        }
        var password: [Markup] = [app ?? paragraph("Not set up.")]
        if canChange {
            password.append(
                Markup.element(
                    "p", [],
                    link("/app/account/password", app == nil ? "Set up both" : "Replace both")))
            if app != nil {
                password.append(postForm("/app/account/password/remove", [], button("Remove both", kind: "danger")))
            }
        }
        return .all([
            heading("Passkeys"),
            rows.isEmpty ? paragraph("None.") : table(["Name", "Added", "Last used", ""], rows),
            heading("Password and authenticator app"), .all(password), heading("Recovery codes"),
            paragraph("\(factors.recoveryCodesLeft) are left."),
            canChange
                ? postForm("/app/account/codes", [], button("Make new codes", kind: "quiet")) : .all([]),
        ])
    }

    // MARK: Changes

    func passkeyCreation() -> WebAnswer {
        guard let party = settings.party, let principal else {
            return .json(#"{"error":"passkeys"}"#, status: 404)
        }
        do throws(IdentityFailure) {
            return .json(
                try people.passkeyCreation(principal, sessionToken: sessionToken, party: party, at: now))
        } catch {
            return .json(#"{"error":"step-up"}"#, status: 403)
        }
    }

    func addPasskey() async -> WebAnswer {
        await changeFactors { principal throws(IdentityFailure) in
            guard let party = settings.party, let registration = registration() else { throw .badPasskey }
            try await people.addPasskey(
                registration, name: passkeyName, principal, sessionToken: sessionToken, party: party,
                source: request.source, at: now)
        }
    }

    func removePasskey() async -> WebAnswer {
        await changeFactors { principal throws(IdentityFailure) in
            let wanted = form["passkey"]
            guard let passkey = people.factors(of: principal).passkeys.first(where: { hex($0.id) == wanted })
            else { throw .badPasskey }
            try await people.removePasskey(passkey.id, principal, source: request.source, at: now)
        }
    }

    func removePassword() async -> WebAnswer {
        await changeFactors { principal throws(IdentityFailure) in
            try await people.removePassword(principal, source: request.source, at: now)
        }
    }

    private func changeFactors(
        _ body: (Principal) async throws(IdentityFailure) -> Void
    ) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            try await body(principal)
            return .redirect(to: "/app/account")
        } catch {
            return error == .stepUpNeeded ? askStepUp() : accountPage([Problem(error)])
        }
    }

    func renewRecoveryCodes() async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            let codes = try await people.renewRecoveryCodes(principal, source: request.source, at: now)
            return codesPage(codes, next: "/app/account")
        } catch {
            return error == .stepUpNeeded ? askStepUp() : accountPage([Problem(error)])
        }
    }

    // MARK: Password and app

    func passwordPage(_ seeds: PendingSeeds, _ problems: [Problem] = []) -> WebAnswer {
        guard let principal, let person else { return .redirect(to: "/sign-in") }
        guard principal.isFresh(at: now) else { return .redirect(to: "/app/step-up?back=/app/account/password") }
        let seed = seeds.seed(for: people.ticket(ofSession: sessionToken), at: now)
        return page(
            "Password and authenticator app", problems: problems,
            paragraph("Both are set together and take the place of earlier ones."),
            secretOfApp(seed, person),
            postForm(
                "/app/account/password",
                [
                    Markup.element(
                        "input", [("type", "hidden"), ("autocomplete", "username"), ("value", person.loginName)])
                ] + newPasswordFields(problems) + [
                    field("code", "Code that the app shows now", .code, hint: "Six digits", problems)
                ], button("Set both")),
            Markup.element("p", [], link("/app/account", "Not now")))
    }

    func setPassword(_ seeds: PendingSeeds) async -> WebAnswer {
        guard let principal else { return .redirect(to: "/sign-in") }
        let ticket = people.ticket(ofSession: sessionToken)
        let password: Password
        do throws(BadFields) { password = try newPassword() } catch { return passwordPage(seeds, error.problems) }
        guard let code = OneTimeCode(typed: form["code"] ?? "") else {
            return passwordPage(seeds, [Problem("code", "Enter the six digits that the app shows.")])
        }
        do throws(IdentityFailure) {
            try await people.setPassword(
                password, seed: seeds.seed(for: ticket, at: now), code: code, principal, source: request.source,
                at: now)
            seeds.forget(ticket)
            return .redirect(to: "/app/account")
        } catch {
            guard error != .stepUpNeeded else { return askStepUp() }
            return passwordPage(seeds, [Problem(error, field: "code")])
        }
    }
}
