import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardWatch

/// One request, with what is known about who makes it.
struct Visit {
    let request: WebRequest
    let route: Route
    let now: Instant
    let people: People
    let settings: WebSettings
    let patients: PatientFinder
    let watch: WatchPost?
    let log: LogDesk
    let oversight: Oversight?
    /// Empty unless something was posted.
    let form: FormFields
    let standing: People.Standing
    /// The value of the cookie that forms here are bound to.
    let secret: String
    /// A new ticket, to be set with the answer.
    let newTicket: String?

    var sessionToken: String { cookie(.session) ?? "" }

    func cookie(_ cookie: Cookie) -> String? {
        request.cookies[cookie.rawValue].flatMap { $0.isEmpty || $0.utf8.count > 300 ? nil : $0 }
    }

    var context: SignInContext {
        SignInContext(
            source: request.source, device: deviceName(request.userAgent), deviceMark: cookie(.device))
    }

    /// What challenges before sign-in are bound to.
    var ticketDigest: Digest { sha256(Array("ward/ticket/1".utf8), Array(secret.utf8)) }

    var formToken: String { people.formToken(for: secret) }

    /// Whoever is signed in and not locked.
    var principal: Principal? {
        if case .active(let principal, _) = standing { principal } else { nil }
    }

    var session: Session? {
        switch standing {
        case .active(_, let session), .locked(_, let session): session
        case .none: nil
        }
    }

    var person: Person? {
        switch standing {
        case .active(let principal, _): people.directory.person(principal.id)
        case .locked(let person, _): person
        case .none: nil
        }
    }

    /// Whether the page is one of a signed-in person, with forms bound to the session.
    var isInside: Bool {
        if case .session = route.cookie { principal != nil } else { false }
    }

    /// Whether policy lets the visitor do something, so that links lead nobody to a refusal.
    func may(_ action: Action) -> Bool {
        principal.map { people.directory.permits(action, $0, at: now) } ?? false
    }

    var mayDeclareEmergency: Bool { principal.map { people.emergencies.mayDeclare($0, at: now) } ?? false }

    /// Where to go after this: what the form or the address says, if it is a page of the application.
    var back: BackPath {
        if request.method == .post { return BackPath(form["back"]) }
        return BackPath(FormFields(Array(request.query.utf8))?["back"])
    }
}
