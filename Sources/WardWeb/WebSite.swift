public import WardCore
import WardCrypto
public import WardIdentity
import WardPolicy
public import WardWatch

/// The pages of signing in and of accounts: HTML from the server, forms that work without script.
///
/// Every form is bound to the cookie of whoever it was made for and must come from this site (OWASP ASVS 5.0 §3.5); a
/// locked session gets the lock page and nothing else.
public struct WebSite: Sendable {
    let people: People
    let settings: WebSettings
    let patients: PatientFinder
    let watch: WatchPost?
    let log: LogDesk
    let oversight: Oversight?
    let seeds = PendingSeeds()

    /// - Parameters:
    ///   - patients: for choosing whom an app is opened for; nil where there are no records.
    ///   - watch: alerts of odd access; nil where nobody watches.
    ///   - log: for reading it; nil where it is not to be read here.
    ///   - oversight: the weekly review; nil where nothing is reviewed.
    public init(
        people: People, settings: WebSettings, patients: PatientFinder? = nil, watch: WatchPost? = nil,
        log: LogDesk? = nil, oversight: Oversight? = nil
    ) {
        self.oversight = oversight
        self.watch = watch
        self.people = people
        self.patients = patients ?? .none
        self.log = log ?? .none
        self.settings = settings
    }

    /// Answers a request; nil if the path is none of these pages.
    public func answer(_ request: WebRequest, at now: Instant = .now()) async -> WebAnswer? {
        // What lies on another plane is not here, for anybody.
        guard let route = Route(request.path), settings.plane.serves(route.side) else { return nil }
        var answer = await self.answer(request, route, now)
        answer?.template = route.template
        return answer
    }

    /// Whether a page opens so much of the log that it must not hold up an event loop.
    public static func mayTakeLong(_ path: [String]) -> Bool { Route(path)?.mayTakeLong ?? false }

    private func answer(_ request: WebRequest, _ route: Route, _ now: Instant) async -> WebAnswer? {
        if case .asset(let name) = route { return request.method == .get ? Assets.answer(name) : nil }
        let isPost = request.method == .post
        let form = isPost ? FormFields(request.body) : FormFields([])
        // What a page does by itself is nobody's activity.
        let isActivity = if case .ping = route { isPost } else { form?["keep"] == nil }
        let session = request.cookies[Cookie.session.rawValue] ?? ""
        let standing = session.isEmpty ? .none : people.standing(of: session, at: now, isActivity: isActivity)
        var request = request
        switch standing {
        case .active(let principal, _): request.source = request.source.within(principal)
        case .locked(_, let session): request.source = session.source(of: request.source)
        case .none: break
        }
        let held = route.cookie.flatMap { request.cookies[$0.rawValue] } ?? ""
        let newTicket: String? =
            if case .ticket = route.cookie, held.isEmpty, !isPost { base64URL(randomBytes(32)) } else { nil }
        let visit = Visit(
            request: request, route: route, now: now, people: people, settings: settings, patients: patients,
            watch: watch, log: log, oversight: oversight, form: form ?? FormFields.none, standing: standing,
            secret: newTicket ?? held,
            newTicket: newTicket)
        guard route.methods.has(request.method) else {
            return visit.notice("Not possible", "This address cannot be used that way.", status: 405)
                .adding("Allow", route.methods.allow)
        }
        if isPost, let refusal = refusal(visit, isForm: form != nil, isOurs: !route.isForOtherSites) { return refusal }
        // Before anything is kept for later, which would be writing too.
        if isPost, settings.isReadOnly, !route.isForReadOnly { return visit.readOnlyRefusal }
        if case .session = route.cookie, let refusal = sessionRefusal(visit) {
            return visit.isFromThisSession ? await visit.keepingForm(refusal) : refusal
        }
        if isPost, !route.isForOtherSites, !isFormTokenRight(visit) {
            return visit.isFromThisSession ? await visit.keepingForm(nil) : visit.refused("form-token")
        }
        if visit.isFromThisSession, visit.form["keep"] != nil { return await visit.keepingForm(nil) }
        return await done(visit)
    }

    /// What comes of a request whose sender is known; a form that nothing was done with is kept for them.
    private func done(_ visit: Visit) async -> WebAnswer? {
        if let action = visit.route.action, let refusal = await policyRefusal(visit, action) {
            return await visit.keepingForm(refusal)
        }
        guard let answer = await page(visit) else { return nil }
        return answer.proofPage != nil ? await visit.keepingForm(answer) : answer
    }

    /// Sends a kept form, as if it came now.
    private func send(_ visit: Visit, _ id: String) async -> WebAnswer? {
        switch await visit.takeKept(id) {
        case .refused(let answer): return answer
        case .form(let form):
            guard let next = visit.sending(form) else { return visit.refused("form-token") }
            return await done(next)
        }
    }

    // MARK: Refusals

    private func refusal(_ visit: Visit, isForm: Bool, isOurs: Bool) -> WebAnswer? {
        if isOurs, let origin = visit.request.origin, origin != settings.origin { return visit.refused("origin") }
        if isOurs, let site = visit.request.secFetchSite, site != "same-origin", site != "none" {
            return visit.refused("origin")
        }
        let type = visit.request.contentType?.split(separator: ";").first.map { $0.lowercased() }
        guard type == "application/x-www-form-urlencoded", isForm else {
            return visit.notice("Not possible", "This is not a form of this site.", status: 415)
        }
        return nil
    }

    private func sessionRefusal(_ visit: Visit) -> WebAnswer? {
        switch visit.standing {
        case .active: return nil
        case .locked:
            if visit.route.isForLocked { return nil }
            if case .consent(let id) = visit.route, let answer = visit.silentAnswer(id) { return answer }
            if visit.route.isForScript { return .json(#"{"error":"locked"}"#, status: 401) }
            return .proof("/app/locked", for: visit.pageOfForm)
        case .none:
            if case .ping = visit.route { return .json(#"{"state":"none","seconds":0}"#) }
            if visit.route.isForScript { return .json(#"{"error":"session"}"#, status: 401) }
            // A link from elsewhere comes without cookies; one step on this site, and they are there.
            if visit.request.method == .get, visit.request.secFetchSite == "cross-site" {
                return visit.continuing(at: BackPath(segments: visit.request.path).text)
            }
            // An app waits for them; everything else begins at home.
            if case .consent(let id) = visit.route {
                if let answer = visit.silentAnswer(id) { return answer }
                return .redirect(to: "/sign-in?back=\(BackPath(segments: visit.request.path).text)")
            }
            return .redirect(to: "/sign-in")
        }
    }

    /// Asked again by whatever does it; here so that nobody fills in a form for nothing.
    private func policyRefusal(_ visit: Visit, _ action: Action) async -> WebAnswer? {
        guard let principal = visit.principal else { return .redirect(to: "/sign-in") }
        do throws(IdentityFailure) {
            try await people.directory.require(
                action, of: principal, needsFreshness: visit.request.method == .post, source: visit.request.source,
                at: visit.now)
            return nil
        } catch {
            switch error {
            case .stepUpNeeded: return visit.askStepUp()
            case .auditUnavailable:
                return visit.notice("Not now", "This cannot be done at the moment. Try again shortly.", status: 503)
            default: return visit.refused("role")
            }
        }
    }

    private func isFormTokenRight(_ visit: Visit) -> Bool {
        guard !visit.secret.isEmpty, let token = visit.form["form"] else { return false }
        return people.isFormToken(token, for: visit.secret)
    }

    // MARK: Pages

    private func page(_ visit: Visit) async -> WebAnswer? {
        let isPost = visit.request.method == .post
        switch visit.route {
        case .asset: return nil
        case .signIn: return isPost ? await visit.signIn() : visit.signInPage()
        case .signInPasskeyOptions: return visit.signInPasskeyOptions()
        case .signInPasskey: return await visit.signInByPasskey()
        case .recover: return isPost ? await visit.recover() : visit.recoverPage()
        case .enrolLink(let token): return visit.openLink(token)
        case .enrol: return visit.enrolPage()
        case .enrolPasskeyOptions: return visit.enrolPasskeyOptions()
        case .enrolPasskey: return await visit.enrolByPasskey()
        case .enrolPassword: return await visit.enrolPassword()
        case .enrolCode: return isPost ? await visit.enrolCode() : visit.enrolCodePage()
        case .home: return visit.homePage()
        case .account: return visit.accountPage()
        case .passkeyCreation: return visit.passkeyCreation()
        case .passkeyAdd: return await visit.addPasskey()
        case .passkeyRemove: return await visit.removePasskey()
        case .passwordPage: return isPost ? await visit.setPassword(seeds) : visit.passwordPage(seeds)
        case .passwordRemove: return await visit.removePassword()
        case .recoveryCodes: return await visit.renewRecoveryCodes()
        case .sessions: return visit.sessionsPage()
        case .sessionEnd: return await visit.endSession()
        case .sessionsEndOthers: return await visit.endOtherSessions()
        case .lock: return visit.lock()
        case .locked: return visit.lockedPage()
        case .unlock: return isPost ? await visit.prove(.unlocking) : visit.lockedPage()
        case .stepUp: return isPost ? await visit.prove(.steppingUp) : visit.stepUpPage()
        case .passkeyRequest: return visit.passkeyRequest()
        case .ping: return visit.ping()
        case .signOut: return await visit.signOut()
        case .people: return isPost ? await visit.addPerson() : visit.peoplePage()
        case .person(let id): return visit.personPage(id)
        case .invite(let id): return await visit.invite(id)
        case .askRoles(let id): return await visit.askRoles(id)
        case .disable(let id): return await visit.disable(id)
        case .rename(let id): return await visit.rename(id)
        case .activity: return visit.activityPage()
        case .activityWeek(let week): return await visit.activityWeekPage(week)
        case .activitySign(let week): return await visit.signActivity(week)
        case .askRecovery(let id): return await visit.askRecovery(for: id)
        case .roleRequest: return await visit.decideRoles()
        case .recovery: return await visit.approveRecovery()
        case .authorize: return visit.authorize()
        case .consent(let id): return isPost ? await visit.decideConsent(id) : await visit.consentPage(id)
        case .apps: return isPost ? await visit.openApp() : await visit.appsPage()
        case .clients: return isPost ? await visit.decideClient() : visit.clientsPage()
        case .emergency: return isPost ? await visit.declareEmergency() : visit.emergencyPage()
        case .emergencyEnd: return await visit.endOwnEmergency()
        case .emergencies: return visit.emergenciesPage()
        case .emergencyPage(let id): return await visit.emergencyReviewPage(id)
        case .emergencyReview(let id): return await visit.reviewEmergency(id)
        case .emergencyStop(let id): return await visit.stopEmergency(id)
        case .alerts: return visit.alertsPage()
        case .alertPage(let id): return await visit.alertPage(id)
        case .alertAnswer(let id): return await visit.answerAlert(id)
        case .allSessions: return await visit.allSessionsPage()
        case .allSessionsEnd: return await visit.endAnySession()
        case .log: return await visit.logPage()
        case .logCSV: return await visit.logFile(.csv)
        case .logNDJSON: return await visit.logFile(.ndjson)
        case .logEvent(let index): return await visit.logEventPage(index)
        case .logPatient(let id): return await visit.patientLogPage(id)
        case .ownRecord: return await visit.ownRecordPage()
        case .logPatientPrint(let id): return await visit.printPatientLog(id)
        case .logPatientFile(let id): return await visit.patientLogFile(id)
        case .ownRecordPrint: return await visit.printOwnRecord()
        case .ownRecordFile: return await visit.ownRecordFile()
        case .accessReview: return visit.accessReviewPage()
        case .kept(let id): return isPost ? await send(visit, id) : visit.keptPage(id)
        case .keptDrop(let id): return await visit.dropKept(id)
        case .accessOf(let id): return isPost ? await visit.reviewAccess(id) : await visit.accessPage(id)
        }
    }
}
