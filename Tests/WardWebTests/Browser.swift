import Testing
import WardAudit
import WardCore
import WardCrypto
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardWatch
import WardWeb

/// A clinic's people with a site in front of them, and a clock.
final class WebHouse {
    static let password = "plum tractor violet anchorage"
    static let operatorActor = AuditActor(id: "operator", name: "operator", role: "operator")
    static let origin = "https://ward.lindenhof.example"

    let people: People
    private let sites: [Plane: WebSite]
    /// Of the listener that browsers come to.
    var plane = Plane.whole
    var site: WebSite { sites[plane] ?? whole }
    private let whole: WebSite
    let log: AuditLog
    var now = Instant(microseconds: 1_800_000_000_000_000)

    init(isDemo: Bool = false, passkeys: Bool = true, store: any SealedStore = MemoryStore(), log desk: LogDesk? = nil)
        throws
    {
        let keys = TestHouse.Keys()
        log = try AuditLog(store: store, keys: TestHouse.auditKeys(keys), origin: TestHouse.origin)
        people = try People(
            store: store, material: keys.tenant.derived("ward/identities/1"), log: log, clinic: "Lindenhof",
            hashing: Argon2id.Parameters(memoryKiB: 19_456, passes: 2, lanes: 1))
        let party = passkeys ? RelyingParty(id: SoftKey.rpID, origin: Self.origin) : nil
        let gate = Gate(policy: Policy(), log: log)
        let material = keys.tenant.derived("ward/test-watch/1")
        let alerts = try AlertDesk(store: store, material: material, log: log)
        let reviews = try ActivityReviews(store: store, material: material, log: log, desk: alerts)
        let usual = LogDesk(
            all: { ask, principal, source throws(LogFailure) in
                do throws(GateFailure) {
                    let grant = try await gate.authorizeLog(principal, source: source)
                    return try await gate.readLog(
                        ask.query, before: ask.before, limit: ask.limit, looking: ask.looking, asked: ask.asked,
                        as: ask.kind, with: grant
                    ).page
                } catch {
                    throw LogFailure(error)
                }
            },
            own: { patient, ask, principal, source throws(LogFailure) in
                do throws(GateFailure) {
                    let own = try await gate.authorizeOwnLog(of: patient, principal, source: source)
                    return try await gate.readLog(
                        ask.query, of: own, before: ask.before, limit: ask.limit, asked: ask.asked,
                        as: ask.kind, principal: principal, source: source
                    ).page
                } catch {
                    throw LogFailure(error)
                }
            },
            file: { ask, mostBytes, principal, source, row throws(LogFailure) in
                do throws(GateFailure) {
                    let grant = try await gate.authorizeLogExport(principal, source: source)
                    let export = try await gate.exportLog(
                        ask.query, before: ask.before, limit: ask.limit, mostBytes: mostBytes, asked: ask.asked,
                        with: grant, row: row)
                    return LogDesk.File(content: export.content, next: export.next)
                } catch {
                    throw LogFailure(error)
                }
            })
        let (people, log) = (people, log)
        let sites = Dictionary(
            uniqueKeysWithValues: Plane.allCases.map { plane in
                (
                    plane,
                    WebSite(
                        people: people,
                        settings: WebSettings(
                            clinic: "Lindenhof", party: party, isDemo: isDemo, origin: Self.origin, plane: plane,
                            officeOrigin: plane == .records ? "https://ward.lindenhof.example:9443" : nil),
                        log: desk ?? usual, oversight: Oversight(reviews: reviews, log: log, lastVerified: { nil }))
                )
            })
        self.sites = sites
        whole = try #require(sites[.whole])
    }

    func pass(_ seconds: Int64) { now = now.adding(seconds: seconds) }

    /// Somebody with rights and a link, and nothing else.
    func invited(
        _ login: String, _ roles: [Role] = [.clinician], name: String? = nil, listed: Bool = false,
        patients: [String] = []
    ) async throws -> (person: Person, link: String) {
        let person = try await people.directory.add(
            login: login, displayName: name ?? "Dr \(login)", patients: patients, byOperator: Self.operatorActor,
            source: .system,
            at: now)
        try await people.grant(
            Rights(roles: roles, mayUseEmergencyAccess: listed), to: person.id, byOperator: Self.operatorActor,
            source: .system)
        return (person, try await people.invite(person.id, byOperator: Self.operatorActor, source: .system, at: now))
    }

    /// Somebody with a password and an app, signed in at a browser of their own.
    func member(
        _ login: String, _ roles: [Role] = [.clinician], name: String? = nil, listed: Bool = false,
        patients: [String] = []
    ) async throws -> Browser {
        let (person, link) = try await invited(login, roles, name: name, listed: listed, patients: patients)
        let begun = try people.beginEnrolment(link, at: now).token
        let seed = try await people.enrol(begun, password: Password(typed: Self.password), at: now)
        let context = SignInContext(
            source: RequestSource(address: "192.0.2.1", request: "r"), device: "Firefox, Linux", deviceMark: nil)
        let step = now.microseconds / 30_000_000
        let code = try #require(OneTimeCode(typed: seed.digits(step: step, count: 6)))
        let enrolled = try await people.enrol(begun, code: code, context: context, at: now)
        pass(30)
        let browser = Browser(self)
        browser.person = person
        browser.seed = seed
        browser.codes = enrolled.recoveryCodes
        browser.cookies["__Host-ward-session"] = enrolled.signedIn.token
        browser.cookies["__Host-ward-device"] = enrolled.signedIn.deviceMark
        return browser
    }
}

extension LogFailure {
    fileprivate init(_ failure: GateFailure) {
        if case .denied = failure { self = .denied } else { self = .unavailable }
    }
}

/// A browser without script: keeps cookies, reads the form token of the page it is on.
final class Browser {
    let house: WebHouse
    var cookies: [String: String] = [:]
    var person: Person?
    var seed: TOTPSeed?
    var codes: [SavedRecoveryCode] = []
    /// Every secret it was ever given.
    var secrets: Set<String> = []
    var origin: String? = WebHouse.origin
    var site: String? = "same-origin"

    init(_ house: WebHouse) {
        self.house = house
    }

    /// Of the account; empty for a stranger.
    var id: String { person?.id ?? "" }

    var code: String {
        let step = house.now.microseconds / 30_000_000
        return seed?.digits(step: step, count: 6) ?? ""
    }

    func get(_ path: String) async throws -> WebAnswer { try await send(.get, path) }

    /// Fills in a form of the page at `page` and sends it.
    func submit(_ path: String, on page: String, _ fields: [(String, String)] = []) async throws -> WebAnswer {
        let form = try await formToken(page)
        return try await post(path, [("form", form)] + fields)
    }

    func formToken(_ page: String) async throws -> String {
        let text = try await get(page).text
        let start = try #require(text.firstRange(of: #"name="form" value=""#)?.upperBound, "no form on \(page)")
        return String(text[start...].prefix { $0 != "\"" })
    }

    func post(_ path: String, _ fields: [(String, String)]) async throws -> WebAnswer {
        let body = fields.map { "\(Self.encoded($0.0))=\(Self.encoded($0.1))" }.joined(separator: "&")
        return try await send(.post, path, Array(body.utf8), type: "application/x-www-form-urlencoded")
    }

    func send(
        _ method: WebRequest.Method, _ target: String, _ body: [UInt8] = [], type: String? = nil
    ) async throws -> WebAnswer {
        let request = request(method, target, body, type: type)
        let answer = try #require(await house.site.answer(request, at: house.now), "no page at \(target)")
        keep(answer)
        return answer
    }

    func request(
        _ method: WebRequest.Method, _ target: String, _ body: [UInt8] = [], type: String? = nil
    ) -> WebRequest {
        let parts = target.split(separator: "?", maxSplits: 1)
        let path = (parts.first ?? "").split(separator: "/").map(String.init)
        return WebRequest(
            method: method, path: path, query: parts.count > 1 ? String(parts[1]) : "", body: body, contentType: type,
            cookies: cookies, origin: method == .post ? origin : nil, secFetchSite: site,
            userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            source: RequestSource(address: "192.0.2.1", request: "r1"))
    }

    private func keep(_ answer: WebAnswer) {
        for cookie in answer.setCookies {
            let pair = cookie.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let (name, value) = (String(pair[0]), String(pair[1]))
            if cookie.contains("Max-Age=0") {
                cookies[name] = nil
            } else {
                cookies[name] = value
                secrets.insert(value)
            }
        }
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { output, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F:
                output.unicodeScalars.append(Unicode.Scalar(byte))
            case 0x20: output += "+"
            default: output += "%" + hex([byte])
            }
        }
    }
}

extension WebAnswer {
    var text: String { String(decoding: body, as: UTF8.self) }
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    var location: String? { header("Location") }
}
