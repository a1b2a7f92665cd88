import WardIdentity
import WardMarkup

extension Visit {
    func sessionsPage(_ problems: [Problem] = []) -> WebAnswer {
        guard let person, let session else { return .redirect(to: "/sign-in") }
        let rows = people.sessions.list(person: person.id, at: now).map { listed in
            let isThis = listed.number == session.number
            return [
                Markup.text(listed.device), .text(listed.address), time(listed.created), time(listed.lastActive),
                .text(isThis ? "this one" : listed.isLocked || listed.locks <= now ? "locked" : "open"),
                isThis
                    ? .all([])
                    : postForm(
                        "/app/sessions/end", [hidden("session", listed.number)], button("End", kind: "danger")),
            ]
        }
        return page(
            "Where you are signed in", problems: problems,
            table(["Device", "Address", "Since", "Last used", "State", ""], rows),
            rows.count > 1
                ? postForm("/app/sessions/end-others", [], button("End all others", kind: "danger")) : .all([]),
            paragraph("If you do not know one of these, end it and tell an administrator."))
    }

    func endSession() async -> WebAnswer {
        guard let session, let number = form["session"] else {
            return sessionsPage([Problem(.unknownRequest)])
        }
        do throws(IdentityFailure) {
            try await people.endOwnSession(
                number, sessionToken: sessionToken, because: .byPerson, source: request.source, at: now)
            guard number == session.number else { return .redirect(to: "/app/sessions") }
            return WebAnswer.redirect(to: "/sign-in").setting(Cookie.session.removal)
        } catch {
            return sessionsPage([error == .sessionEnded ? Problem(.unknownRequest) : Problem(error)])
        }
    }

    func endOtherSessions() async -> WebAnswer {
        do throws(IdentityFailure) {
            try await people.endOtherSessions(sessionToken: sessionToken, source: request.source, at: now)
            return .redirect(to: "/app/sessions")
        } catch {
            return sessionsPage([Problem(error)])
        }
    }
}
