import Synchronization
public import WardAudit
public import WardCore
import WardCrypto
public import WardFHIR
import WardPolicy

/// Why an authorization did not begin: said to the app, or to the person where the app is not known to be the app.
public enum AuthorizationRefusal: Error, Sendable {
    case page(OAuthFailure)
    /// The app's redirect, with the error in it.
    case redirect(String)
}

extension OAuth {
    /// Takes an authorization request (OAuth 2.1 §4.1.1) and keeps it until a person decides; gives its id.
    public func begin(
        _ parameters: [SearchPair], base: String, issuer: String, source: RequestSource, at now: Instant = .now()
    ) throws(AuthorizationRefusal) -> String {
        var values: [String: String] = [:]
        for pair in parameters where values.updateValue(pair.value, forKey: pair.name) != nil {
            // Which of two values counts must not depend on who reads.
            throw .page(.parameterRepeated)
        }
        guard let id = values["client_id"], let app = apps.app(id), app.kind != .resource else {
            throw .page(.appUnknown)
        }
        guard app.state == .approved else { throw .page(.appNotApproved) }
        guard let redirect = values["redirect_uri"], app.redirects.contains(redirect) else {
            throw .page(.redirectUnknown)
        }
        do throws(OAuthFailure) {
            let pending = try pending(values, app, redirect, base: base, source: source, at: now)
            keep(pending, at: now)
            return pending.id
        } catch {
            let state = values["state"].flatMap { $0.utf8.count <= 512 ? $0 : nil }
            throw .redirect(Self.answer(error, to: redirect, state: state, issuer: issuer))
        }
    }

    private func pending(
        _ values: [String: String], _ app: App, _ redirect: String, base: String, source: RequestSource,
        at now: Instant
    ) throws(OAuthFailure) -> Pending {
        guard values["response_type"] == "code" else { throw .responseTypeUnknown }
        guard values["request"] == nil, values["request_uri"] == nil,
            values["response_mode"] ?? "query" == "query"
        else { throw .requestMalformed }
        let (proof, isSilent) = try prompt(values)
        guard let state = values["state"], (1...512).contains(state.utf8.count) else { throw .stateMissing }
        guard let challenge = values["code_challenge"], challenge.utf8.count == 43,
            base64URLDecoded(challenge)?.count == 32
        else { throw .challengeMissing }
        // Without a method it would be plain (RFC 7636 §4.3).
        guard values["code_challenge_method"] == "S256" else { throw .challengePlain }
        guard let audience = values["aud"], audience == base || audience == base + "/" else { throw .audienceWrong }
        guard (values["nonce"] ?? "").utf8.count <= 512, (values["scope"] ?? "").utf8.count <= 8192 else {
            throw .requestMalformed
        }
        if let key = values["dpop_jkt"], base64URLDecoded(key)?.count != 32 { throw .requestMalformed }
        let asked = AskedScopes(values["scope"] ?? "", within: app.scopes)
        guard !asked.texts.isEmpty else { throw .scopeInvalid }
        guard asked.contains("launch") == (values["launch"] != nil) else { throw .launchInvalid }
        if let launch = values["launch"] {
            guard let known = launchContext(launch, at: now), known.app == app.id else { throw .launchInvalid }
        }
        return Pending(
            id: base64URL(randomBytes(16)), app: app, asked: asked, redirect: redirect, state: state,
            challenge: challenge, nonce: values["nonce"], key: values["dpop_jkt"], launch: values["launch"],
            network: AddressGroup.of(source.address), proof: proof, isSilent: isSilent, created: now,
            expires: now.adding(seconds: Pending.lifetime))
    }

    /// What the app says of asking the person (OpenID Connect Core §3.1.2.1).
    private func prompt(
        _ values: [String: String]
    ) throws(OAuthFailure) -> (proof: ProofWanted, isSilent: Bool) {
        let words = Set((values["prompt"] ?? "").split(separator: " "))
        // Everybody is asked each time, so that `consent` says nothing new.
        guard words.isSubset(of: ["consent", "login", "none"]), !words.contains("none") || words.count == 1 else {
            throw .promptUnknown
        }
        var proof = words.contains("login") ? ProofWanted.forThis : .any
        if let text = values["max_age"] {
            guard let seconds = Int64(text), (0...1_000_000_000).contains(seconds), String(seconds) == text else {
                throw .requestMalformed
            }
            if case .any = proof { proof = .within(seconds: seconds) }
        }
        return (proof, words.contains("none"))
    }

    /// Keeps a question. One too many drops the oldest of whoever has most: a flood evicts itself.
    private func keep(_ pending: Pending, at now: Instant) {
        state.withLock { state in
            if state.pending.count(where: { $0.value.network == pending.network }) >= Pending.mostFromOne {
                state.dropOldestPending { $0.network == pending.network }
            }
            if state.pending.count >= Pending.capacity {
                state.pending = state.pending.filter { $0.value.expires > now }
            }
            if state.pending.count >= Pending.capacity {
                let counts = state.pending.values.reduce(into: [:]) { $0[$1.network, default: 0] += 1 }
                let largest = counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key
                state.dropOldestPending { $0.network == largest }
            }
            state.pending[pending.id] = pending
        }
    }

    // MARK: Deciding

    /// Whether a question is still there to be decided on; for tests of what is dropped.
    package func isWaiting(_ id: String, at now: Instant = .now()) -> Bool {
        state.withLock { $0.pending[id].map { $0.expires > now } ?? false }
    }

    /// What a person is asked, and the patient that a launch from here has chosen.
    public func pending(
        _ id: String, for principal: Principal, at now: Instant = .now()
    ) throws(OAuthFailure) -> (pending: Pending, patient: String?) {
        // Only people decide: an app that acts for one allows no other.
        guard principal.app == nil, let pending = state.withLock({ $0.pending[id] }), pending.expires > now,
            !pending.isSilent, apps.approved(pending.app.id) != nil
        else { throw .notThere }
        guard pending.isSatisfied(by: principal, at: now) else { throw .freshProofNeeded }
        look(at: id, by: principal)
        guard let text = pending.launch else { return (pending, nil) }
        // For whoever chose the patient, in the session they did it in.
        guard let launch = launchContext(text, at: now), launch.person == principal.id,
            launch.session == principal.session
        else { throw .launchInvalid }
        return (pending, launch.patient)
    }

    private func look(at id: String, by principal: Principal) {
        state.withLock { state in
            guard state.pending[id] != nil, state.pending[id]?.person != principal.id else { return }
            if state.pending.count(where: { $0.value.person == principal.id }) >= Pending.mostOfPerson {
                state.dropOldestPending { $0.person == principal.id }
            }
            state.pending[id]?.person = principal.id
        }
    }

    /// The answer where an app asked for one without anybody being shown anything; nil for every other question.
    ///
    /// It is never a code: nothing is remembered, so that each time somebody has to decide.
    ///
    /// - Parameter principal: who is signed in and not locked; nil for nobody.
    public func silentAnswer(
        _ id: String, for principal: Principal?, issuer: String, at now: Instant = .now()
    ) -> String? {
        let found: Pending? = state.withLock { state in
            guard state.pending[id]?.isSilent == true else { return nil }
            return state.pending.removeValue(forKey: id)
        }
        guard let pending = found, pending.expires > now, apps.approved(pending.app.id) != nil else { return nil }
        let failure: OAuthFailure =
            if let principal, pending.isSatisfied(by: principal, at: now) {
                pending.asked.needsPatient && pending.launch == nil ? .interactionNeeded : .consentNeeded
            } else {
                .loginNeeded
            }
        return Self.answer(failure, to: pending.redirect, state: pending.state, issuer: issuer)
    }

    /// Allows what was ticked; gives the app's redirect with a code in it.
    ///
    /// - Parameter patient: who it is about; the caller has made sure that the person may see this patient.
    public func allow(
        _ id: String, ticked: [String], patient chosen: String?, by principal: Principal, issuer: String,
        source: RequestSource, at now: Instant = .now()
    ) async throws(OAuthFailure) -> String {
        let (pending, launched) = try pending(id, for: principal, at: now)
        guard let person = directory.person(principal.id), let session = principal.session else { throw .notThere }
        let granted = pending.asked.narrowed(to: ticked)
        guard !granted.texts.isEmpty else { throw .scopeInvalid }
        // What goes on after the person has left is allowed by somebody who has just shown who they are.
        guard !granted.contains("offline_access") || principal.isFresh(at: now) else { throw .freshProofNeeded }
        let patient = granted.needsPatient ? launched ?? chosen : nil
        guard !granted.needsPatient || patient != nil else { throw .patientMissing }
        if let patient, Self.isOutside(person), !person.patients.contains(patient) { throw .patientMissing }
        // Taken once: of two answers to one question the first counts.
        let isFirst = state.withLock { state in
            if let launch = pending.launch { state.launches[Self.digest(launch)] = nil }
            return state.pending.removeValue(forKey: id) != nil
        }
        guard isFirst else { throw .notThere }
        let grant = AppGrant(
            id: base64URL(randomBytes(16)), app: pending.app.id, person: person.id,
            roles: person.roles.map(\.rawValue), session: session, scopes: granted.texts, patient: patient,
            authenticated: principal.authenticated, created: now, key: nil, refresh: nil)
        try await record(
            event(.appAuthorized, grant, source: source, at: now, decision: granted.texts.joined(separator: " ")))
        let code = Self.secret()
        state.withLock { state in
            state.codes[Self.digest(code)] = Code(
                grant: grant, redirect: pending.redirect, challenge: pending.challenge, nonce: pending.nonce,
                key: pending.key, expires: now.adding(seconds: Code.lifetime))
        }
        return RedirectURI.adding(
            [("code", code), ("state", pending.state), ("iss", issuer)], to: pending.redirect)
    }

    /// Refuses; gives the app's redirect that says so.
    public func deny(
        _ id: String, by principal: Principal, issuer: String, source: RequestSource, at now: Instant = .now()
    ) async throws(OAuthFailure) -> String {
        guard principal.app == nil, let pending = state.withLock({ $0.pending.removeValue(forKey: id) }),
            pending.expires > now
        else { throw .notThere }
        var event = AuditEvent(
            kind: .appAuthorized, time: now, outcome: .denied, actor: principal.actor, purpose: nil, source: source,
            decision: "refused by the person")
        event.subject = "app/\(pending.app.id)"
        event.session = principal.session
        try await record(event)
        return Self.answer(.accessDenied, to: pending.redirect, state: pending.state, issuer: issuer)
    }

    static func answer(_ failure: OAuthFailure, to redirect: String, state: String?, issuer: String) -> String {
        RedirectURI.adding(
            [("error", failure.error), ("error_description", failure.text)]
                + (state.map { [("state", $0)] } ?? []) + [("iss", issuer)],
            to: redirect)
    }

    func record(_ event: AuditEvent) async throws(OAuthFailure) {
        do throws(AuditFailure) { _ = try await log.append(event) } catch { throw .auditUnavailable }
    }

    // MARK: Launching from here

    /// Makes a launch for one patient (single use, five minutes); gives the app's address to go to.
    public func launch(
        _ id: String, patient: String, by principal: Principal, base: String, source: RequestSource,
        at now: Instant = .now()
    ) async throws(OAuthFailure) -> String {
        guard principal.app == nil, let app = apps.approved(id), let address = app.launch,
            let session = principal.session
        else { throw .appUnknown }
        var event = AuditEvent(
            kind: .appLaunched, time: now, outcome: .success, actor: principal.actor, purpose: principal.purpose,
            source: source, decision: "chosen", patients: [patient])
        event.subject = "app/\(app.id)"
        event.session = session
        try await record(event)
        let text = Self.secret()
        state.withLock { state in
            state.launches[Self.digest(text)] = Launch(
                app: app.id, person: principal.id, session: session, patient: patient,
                expires: now.adding(seconds: Launch.lifetime))
        }
        return RedirectURI.adding([("iss", base), ("launch", text)], to: address)
    }

    private func launchContext(_ text: String, at now: Instant) -> Launch? {
        state.withLock { $0.launches[Self.digest(text)] }.flatMap { $0.expires > now ? $0 : nil }
    }
}
