import WardIdentity
import WardMarkup

extension WebAnswer {
    /// Nothing from elsewhere, nothing inline, framed by nobody (CSP Level 3; OWASP ASVS 5.0 §3.4).
    static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

    private static func plain(_ status: Int, _ type: String, _ body: [UInt8]) -> WebAnswer {
        WebAnswer(
            status: status,
            headers: [
                ("Content-Type", type), ("Cache-Control", "no-store"), ("Content-Security-Policy", policy),
                ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
                // Forms must be able to say where they come from, so not `no-referrer`.
                ("Referrer-Policy", "same-origin"), ("Cross-Origin-Opener-Policy", "same-origin"),
                ("Cross-Origin-Resource-Policy", "same-origin"),
                (
                    "Permissions-Policy",
                    "camera=(), microphone=(), geolocation=(), "
                        + "publickey-credentials-get=(self), publickey-credentials-create=(self)"
                ),
            ], body: body)
    }

    /// Something to keep; browsers do not open it.
    static func file(_ bytes: [UInt8], type: String, name: String) -> WebAnswer {
        plain(200, type, bytes).adding("Content-Disposition", "attachment; filename=\"\(name)\"")
    }

    static func html(_ markup: Markup, status: Int) -> WebAnswer {
        plain(status, "text/html; charset=utf-8", markup.bytes)
    }

    static func json(_ text: String, status: Int = 200) -> WebAnswer { json(Array(text.utf8), status: status) }

    static func json(_ bytes: [UInt8], status: Int = 200) -> WebAnswer { plain(status, "application/json", bytes) }

    /// To a path of this site.
    static func redirect(to path: String) -> WebAnswer { plain(303, "text/plain", []).adding("Location", path) }

    /// To a page that asks who somebody is, and from there to `back`.
    static func proof(_ page: String, for back: String) -> WebAnswer {
        var answer = redirect(to: "\(page)?back=\(back)")
        answer.proofPage = page
        return answer
    }

    func adding(_ name: String, _ value: String) -> WebAnswer {
        var copy = self
        copy.headers.append((name, value))
        return copy
    }

    func replacing(_ name: String, _ value: String) -> WebAnswer {
        var copy = self
        copy.headers.removeAll { $0.name == name }
        return copy.adding(name, value)
    }

    func setting(_ cookies: String...) -> WebAnswer {
        var copy = self
        copy.setCookies += cookies
        return copy
    }
}

extension Visit {
    /// A page: one heading, what went wrong at the top, then the content.
    func page(
        _ title: String, problems: [Problem] = [], status: Int = 200, continuesAt next: String? = nil,
        _ content: Markup...
    ) -> WebAnswer {
        var head: [Markup] = [
            Markup.element("meta", [("charset", "utf-8")]),
            Markup.element("meta", [("name", "viewport"), ("content", "width=device-width, initial-scale=1")]),
            Markup.element("meta", [("name", "color-scheme"), ("content", "light dark")]),
            Markup.element("title", [], .text("\(problems.isEmpty ? "" : "Error: ")\(title) – \(settings.clinic)")),
            Markup.element("link", [("rel", "stylesheet"), ("href", Assets.stylesheet.path)]),
            Markup.element("script", [("src", Assets.script.path), ("defer", "")]),
        ]
        if let next { head.append(Markup.element("meta", [("http-equiv", "refresh"), ("content", "0; url=\(next)")])) }
        let main = Markup.element(
            "main", [("id", "main"), ("tabindex", "-1")], Markup.element("h1", [], .text(title)), summary(problems),
            .all(content))
        var body: [Markup] = [Markup.element("a", [("class", "skip"), ("href", "#main")], .text("Skip to content"))]
        if settings.isDemo {
            body.append(
                Markup.element(
                    "p", [("class", "demo")], .text("Demo – not for real patients. Everybody here is invented.")))
        }
        if settings.isReadOnly {
            body.append(Markup.element("p", [("class", "demo"), ("role", "status")], .text(Self.readOnlyBanner)))
        }
        body += [top, main]
        if isInside { body.append(idleDialog) }
        let shown = problems.first?.status ?? status
        var answer = WebAnswer.html(.page(language: "en", .all(head), .all(body)), status: shown)
        if let seconds = problems.compactMap(\.retryAfter).max() { answer = answer.adding("Retry-After", "\(seconds)") }
        return newTicket.map { answer.setting(Cookie.ticket.set($0)) } ?? answer
    }

    private static let readOnlyBanner =
        "Read-only emergency mode: a copy without its primary. It may be behind, and nothing can be changed or entered."

    /// 503: what the form asks for would change something.
    var readOnlyRefusal: WebAnswer {
        if route.isForScript { return .json(#"{"error":"read-only"}"#, status: 503) }
        return notice(
            "Read-only emergency mode",
            "Nothing was changed. While this copy stands in for its primary it is only read; keep what is to be entered on paper, and enter it when the primary is back or this copy was promoted.",
            status: 503)
    }

    /// A page that says one thing.
    func notice(_ title: String, _ text: String, status: Int) -> WebAnswer {
        page(
            title, status: status, Markup.element("p", [], .text(text)),
            Markup.element(
                "p", [], Markup.element("a", [("href", principal == nil ? "/sign-in" : "/app")], .text("Go on"))))
    }

    /// 403; the reason is the program's word, not a value.
    func refused(_ reason: StaticString) -> WebAnswer {
        if route.isForScript { return .json(#"{"error":"refused"}"#, status: 403) }
        let text =
            switch "\(reason)" {
            case "role": "Your roles do not include this."
            default: "This form is not from this site, or it is too old. Open the page again."
            }
        return notice("Refused", text, status: 403)
    }

    func askStepUp() -> WebAnswer { .proof("/app/step-up", for: pageOfForm) }

    /// A page that goes on by itself, with a link for browsers that do not.
    func continuing(at path: String) -> WebAnswer {
        page(
            "One moment", continuesAt: path,
            Markup.element("p", [], Markup.element("a", [("href", path), ("class", "button")], .text("Continue"))))
    }

    private func summary(_ problems: [Problem]) -> Markup {
        guard !problems.isEmpty else { return .all([]) }
        let items = problems.map { problem in
            let text = Markup.text(problem.text)
            return Markup.element(
                "li", [], problem.field.map { Markup.element("a", [("href", "#\($0)")], text) } ?? text)
        }
        return Markup.element(
            "div", [("class", "errors"), ("role", "alert"), ("tabindex", "-1"), ("id", "errors")],
            Markup.element("h2", [], .text("This did not work")), Markup.element("ul", [], .all(items)))
    }

    private var top: Markup {
        let clinic = Markup.element("p", [("class", "clinic")], .text(settings.clinic))
        guard isInside, let person else { return Markup.element("header", [], clinic) }
        var places = [("/app", "Home"), ("/app/account", "Account"), ("/app/sessions", "Sessions")]
        if !people.oauth.apps.apps.isEmpty, settings.serves("/app/apps") { places.append(("/app/apps", "Apps")) }
        places += placesHere.map { ($0.path, $0.short) }
        let here = "/" + request.path.joined(separator: "/")
        let links = places.map { place in
            let current: [WebAttribute] = place.0 == here ? [(name: "aria-current", value: "page")] : []
            return Markup.element(
                "li", [], Markup.element("a", [(name: "href", value: place.0)] + current, .text(place.1)))
        }
        return Markup.element(
            "header", [], clinic,
            Markup.element("nav", [("aria-label", "Main")], Markup.element("ul", [], .all(links))),
            Markup.element("p", [("class", "who")], Markup.element("bdi", [], .text(person.displayName))),
            postForm("/app/lock", [hidden("back", here)], button("Lock", kind: "quiet")),
            postForm("/sign-out", [], button("Sign out", kind: "quiet")), emergencyBar(person))
    }

    /// Opened by the script two minutes before the session locks.
    private var idleDialog: Markup {
        Markup.element(
            "dialog", [("id", "idle"), ("aria-labelledby", "idle-title"), ("data-form", formToken)],
            Markup.element("h2", [("id", "idle-title")], .text("Still there?")),
            Markup.element(
                "p", [("role", "status")], .text("This session locks in "),
                Markup.element("span", [("id", "idle-seconds")], .text("120")), .text(" seconds.")),
            Markup.element("button", [("type", "button"), ("id", "idle-stay")], .text("Stay signed in")),
            Markup.element("button", [("type", "button"), ("id", "idle-lock"), ("class", "quiet")], .text("Lock now")))
    }
}
