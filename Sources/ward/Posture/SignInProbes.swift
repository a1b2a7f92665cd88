import WardPolicy
import WardServer
import Foundation
import WardCore
import WardCrypto
import WardIdentity

/// Who gets in, and how.
extension PostureScene {
    static let signIn = PostureGroup(
        name: "signing in",
        probes: [
            PostureProbe(
                id: "no-token", checks: "requests for records come without a token, and with forged ones",
                covers: [.weakSignIn, .uniqueUsers], clause: "164.312(d)",
                limits: "that no token was stolen from its owner", look: { try await $0.withoutToken() }),
            PostureProbe(
                id: "password-alone", checks: "the sign-in page is sent a name and a password without a second factor",
                covers: [.weakSignIn, .secondFactor], clause: "164.312(d)",
                limits: "a right password of a real account: nobody's is known here; the program's tests try that",
                look: { try await $0.passwordAlone() }),
            PostureProbe(
                id: "second-factor", checks: "whoever can sign in has two factors on file",
                covers: [.weakSignIn, .secondFactor, .uniqueUsers], clause: "164.312(d)",
                limits: "that nobody lends out their passkey", look: { $0.factors() }),
            PostureProbe(
                id: "cookies", checks: "attributes of the cookies of the real sign-in page",
                covers: [.poorSessions], clause: "164.312(d)", limits: "what a browser does with them",
                look: { try await $0.cookies() }),
            PostureProbe(
                id: "browser-storage", checks: "what is served to browsers neither holds secrets nor stores tokens",
                covers: [.secretsInCode, .poorSessions], clause: "164.312(a)(1)",
                limits: "browser extensions, and pages of apps that were allowed in",
                look: { try await $0.browserStorage() }),
            PostureProbe(
                id: "session-limits", checks: "idle and absolute limits in force; a made-up session is tried",
                covers: [.weakSignIn, .poorSessions, .sessionTimeout], clause: "164.312(a)(2)(iii)",
                limits: "that a session in use now will end: that takes 15 minutes to see; the program's tests do",
                look: { try await $0.sessionLimits() }),
        ])

    private func withoutToken() async throws -> PostureFinding {
        let part = base64URL(randomBytes(24))
        let unsigned = "\(base64URL(Array(#"{"alg":"none","typ":"JWT"}"#.utf8))).\(part)."
        // Few, because each is a failure that counts: many from one address are an alert.
        let tries = [
            ("GET", "/fhir/Patient", ""), ("GET", "/fhir/Patient/1", "Bearer \(part)"),
            ("POST", "/fhir", "Bearer \(unsigned)"),
        ]
        for (method, path, token) in tries {
            let answer = try await request(method, path, token.isEmpty ? [] : [("Authorization", token)])
            guard answer.status == 401 else {
                return .broken("\(method) \(path) was answered with \(answer.status) instead of 401")
            }
        }
        return .holds("refused without a token, with a random and with an unsigned one")
    }

    private func passwordAlone() async throws -> PostureFinding {
        let page = try await request("GET", "/sign-in")
        guard let ticket = page.values("set-cookie").first(where: { $0.hasPrefix("__Host-ward-ticket=") }),
            let mark = page.body.range(of: #"name="form" value=""#),
            let end = page.body[mark.upperBound...].firstIndex(of: "\"")
        else { return .notChecked("the sign-in page is not as expected") }
        let form = page.body[mark.upperBound..<end]
        let server = try server()
        for code in ["", "&code="] {
            let answer = try await request(
                "POST", "/sign-in",
                [
                    ("Content-Type", "application/x-www-form-urlencoded"), ("Origin", server.settings.origin),
                    ("Sec-Fetch-Site", "same-origin"), ("Cookie", String(ticket.prefix { $0 != ";" })),
                ], body: "form=\(form)&login=posture-probe&password=\(hex(randomBytes(12)))\(code)")
            guard !answer.values("set-cookie").contains(where: { $0.hasPrefix("__Host-ward-session=") }) else {
                return .broken("a session began without a code")
            }
            guard answer.status < 500, answer.body.contains("six digits") else {
                return .notChecked("the form was not taken as one of a browser: status \(answer.status)")
            }
        }
        return .holds("refused: the code is asked for")
    }

    private func factors() -> PostureFinding {
        let people = house.people.directory.people.filter { $0.isActive(at: .now()) }
        let lacking = house.people.withoutSecondFactor(at: .now())
        return lacking == 0
            ? .holds("\(people.count) active accounts, each with a passkey, or with password and code")
            : .broken("\(lacking) of \(people.count) active accounts lack a second factor")
    }

    private func cookies() async throws -> PostureFinding {
        let cookies = try await request("GET", "/sign-in").values("set-cookie")
        guard !cookies.isEmpty else { return .notChecked("the sign-in page set no cookie") }
        for cookie in cookies {
            let name = cookie.prefix { $0 != "=" }
            let attributes = Set(cookie.split(separator: ";").dropFirst().map { $0.drop { $0 == " " }.lowercased() })
            guard name.hasPrefix("__Host-"),
                attributes.isSuperset(of: ["secure", "httponly", "samesite=strict", "path=/"]),
                !attributes.contains(where: { $0.hasPrefix("domain") })
            else { return .broken("cookie \(name) lacks __Host-, Secure, HttpOnly, SameSite=Strict or Path=/") }
        }
        return .holds("__Host-, Secure, HttpOnly, SameSite=Strict")
    }

    private func browserStorage() async throws -> PostureFinding {
        let page = try await request("GET", "/sign-in").body
        var served = [page]
        for part in page.components(of: "src=\"").dropFirst() + page.components(of: "href=\"/").dropFirst() {
            let path = String(part.prefix { $0 != "\"" })
            let whole = path.hasPrefix("/") ? path : "/" + path
            if whole.hasSuffix(".js") || whole.hasSuffix(".css") { served.append(try await request("GET", whole).body) }
        }
        for word in [
            "localStorage", "sessionStorage", "indexedDB", "BEGIN PRIVATE KEY", "BEGIN EC PRIVATE KEY", "client_secret",
            "api_key", "apiKey",
        ] where served.contains(where: { $0.contains(word) }) {
            return .broken("what browsers get contains \(word)")
        }
        return .holds("\(served.count) pages, scripts and styles without secrets and without use of browser storage")
    }

    private func sessionLimits() async throws -> PostureFinding {
        guard Session.idleLimit <= 900, Session.absoluteLimit <= 43_200 else {
            return .broken("idle limit \(Session.idleLimit) s, absolute limit \(Session.absoluteLimit) s")
        }
        let cookie = "__Host-ward-session=\(base64URL(randomBytes(32)))"
        let answer = try await request("GET", "/app", [("Cookie", cookie)])
        guard answer.status == 303 || answer.status == 302 || answer.status == 401 || answer.status == 403 else {
            return .broken("a made-up session was answered with \(answer.status)")
        }
        return .holds(
            "locked after \(Session.idleLimit / 60) min, ended after \(Session.absoluteLimit / 3600) h; a made-up session is nobody"
        )
    }
}

extension String {
    /// The parts between occurrences of `mark`.
    fileprivate func components(of mark: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let found = rest.range(of: mark) {
            parts.append(rest[..<found.lowerBound])
            rest = rest[found.upperBound...]
        }
        return parts + [rest]
    }
}
