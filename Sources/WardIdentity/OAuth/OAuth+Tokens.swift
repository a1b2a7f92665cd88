import Synchronization
public import WardAudit
public import WardCore
import WardCrypto
public import WardFHIR
import WardPolicy
import WardStorage

/// A request to the token, introspection or revocation endpoint.
public struct TokenRequest: Sendable {
    let fields: [String: String]
    let proof: DPoPRequest
    let source: RequestSource
    /// The endpoint's own address under each name, and that of the server: what assertions may be addressed to.
    let audiences: [String]
    let issuer: String
    let base: String

    /// - Throws: ``OAuthFailure/parameterRepeated``; ``OAuthFailure/secretShown`` for whatever looks like a secret.
    public init(
        form: [SearchPair], hasBasic: Bool, proof: DPoPRequest, source: RequestSource, audiences: [String],
        issuer: String, base: String
    ) throws(OAuthFailure) {
        var fields: [String: String] = [:]
        for pair in form where fields.updateValue(pair.value, forKey: pair.name) != nil { throw .parameterRepeated }
        if hasBasic || fields["client_secret"] != nil { throw .secretShown }
        self.fields = fields
        self.proof = proof
        self.source = source
        self.audiences = audiences
        self.issuer = issuer
        self.base = base
    }
}

extension OAuth {
    /// `POST /oauth/token` for codes and refresh tokens (OAuth 2.1 §4.1.3, §4.3); the answer as JSON.
    public func token(_ request: TokenRequest, at now: Instant = .now()) async throws(OAuthFailure) -> [UInt8] {
        switch request.fields["grant_type"] {
        case "authorization_code":
            let app = try await client(request, at: now)
            return try await exchange(request, app, at: now)
        case "refresh_token":
            let app = try await client(request, at: now)
            return try await refresh(request, app, at: now)
        default: throw .grantTypeUnknown
        }
    }

    // MARK: Codes

    private func exchange(
        _ request: TokenRequest, _ app: App, at now: Instant
    ) async throws(OAuthFailure) -> [UInt8] {
        guard let text = request.fields["code"], let verifier = request.fields["code_verifier"] else {
            throw .requestMalformed
        }
        let digest = Self.digest(text)
        // Whoever shows a code has used it up, whatever else they show. The grant stands from here on, so that a replay at
        // the same moment ends it.
        let found: Code? = state.withLock { state in
            guard let code = state.codes[digest] else { return nil }
            if !code.isSpent { state.grants[code.grant.id] = code.grant }
            state.codes[digest]?.isSpent = true
            return code
        }
        guard let code = found else { throw .codeInvalid }
        guard !code.isSpent else {
            try await revoke(code.grant.id, because: "code-replayed", source: request.source, at: now)
            throw .codeInvalid
        }
        do throws(OAuthFailure) {
            let (grant, key) = try checked(code, verifier, request, app, at: now)
            return try await issue(grant, replacing: nil, scopes: grant.scopes, key, code.nonce, app, request, at: now)
        } catch {
            _ = state.withLock { $0.grants.removeValue(forKey: code.grant.id) }
            throw error
        }
    }

    private func checked(
        _ code: Code, _ verifier: String, _ request: TokenRequest, _ app: App, at now: Instant
    ) throws(OAuthFailure) -> (AppGrant, key: String?) {
        guard code.grant.app == app.id, code.expires > now, request.fields["redirect_uri"] == code.redirect,
            (43...128).contains(verifier.utf8.count), verifier.utf8.allSatisfy(Self.isUnreserved),
            constantTimeEquals(
                Array(base64URL(sha256(Array(verifier.utf8)).bytes).utf8), Array(code.challenge.utf8)),
            let (_, person) = standing(of: code.grant, at: now), isOpen(code.grant.session, of: person, at: now)
        else { throw .codeInvalid }
        var key: String?
        if request.proof.proof != nil || code.key != nil {
            key = try proofs.thumbprint(request.proof, token: nil, at: now)
            guard code.key == nil || code.key == key else { throw .proofInvalid }
        }
        var grant = code.grant
        if app.kind == .public {
            grant.key = key
            if key == nil {
                // A refresh token that anybody could use is not given out (OAuth 2.1 §4.3.1).
                grant = grant.withoutRefresh()
            }
        }
        return (grant, key)
    }

    /// RFC 7636 §4.1.
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
        default: false
        }
    }

    // MARK: Refreshing

    private func refresh(
        _ request: TokenRequest, _ app: App, at now: Instant
    ) async throws(OAuthFailure) -> [UInt8] {
        guard let text = request.fields["refresh_token"] else { throw .requestMalformed }
        let id = String(text.prefix { $0 != "." })
        guard let known = state.withLock({ $0.grants[id] }), known.app == app.id else { throw .refreshInvalid }
        var key: String?
        if app.kind == .public || request.proof.proof != nil {
            key = try proofs.thumbprint(
                request.proof, token: nil, expecting: app.kind == .public ? known.key : nil, at: now)
        }
        if app.kind == .public, key != known.key { throw .proofInvalid }
        let asked = request.fields["scope"].map { Set($0.split(separator: " ").map(String.init)) }
        guard asked?.isSubset(of: known.scopes) ?? true else { throw .scopeInvalid }
        let scopes = known.scopes.filter { asked?.contains($0) ?? true }
        guard !scopes.isEmpty else { throw .scopeInvalid }
        // Taken out while the next one is on its way: a second use finds nothing that fits.
        let digest = Self.digest(text)
        // Nothing is used up: it goes on once the person is back.
        if known.refresh == digest, isLocked(known, at: now) { throw .sessionLocked }
        let isCurrent = state.withLock { state in
            guard state.grants[id]?.refresh == digest else { return false }
            state.grants[id]?.refresh = nil
            return true
        }
        guard isCurrent else {
            try await revoke(id, because: "refresh-token-replayed", source: request.source, at: now)
            throw .refreshInvalid
        }
        guard standing(of: known, at: now) != nil else {
            try await revoke(id, because: "ended", source: request.source, at: now)
            throw .refreshInvalid
        }
        return try await issue(known, replacing: digest, scopes: scopes, key, nil, app, request, at: now)
    }

    // MARK: Issuing

    private func issue(
        _ draft: AppGrant, replacing old: Digest?, scopes: [String], _ key: String?, _ nonce: String?, _ app: App,
        _ request: TokenRequest, at now: Instant
    ) async throws(OAuthFailure) -> [UInt8] {
        var grant = draft
        let refresh = AskedScopes(texts: grant.scopes).wantsRefresh ? "\(grant.id).\(Self.secret())" : nil
        grant.refresh = refresh.map { Self.digest($0) }
        let event = event(
            .tokenIssued, grant, source: request.source, at: now, decision: old == nil ? "code" : "refresh-token")
        do throws(IdentityFailure) {
            let writes =
                grant.isOffline && refresh != nil
                ? [try vault.put(grant.encoded(), .appGrant, key: Array(grant.id.utf8))] : []
            try await vault.commit(event, to: log, writes)
        } catch {
            // The old token stays good: nobody has a newer one.
            state.withLock { $0.grants[grant.id]?.refresh = old }
            throw .auditUnavailable
        }
        let token = Self.secret()
        let isHeld = state.withLock { state in
            guard state.grants[grant.id] != nil else { return false }
            state.grants[grant.id] = grant
            state.keep(
                Access(
                    grant: grant.id, scopes: scopes, key: key, issued: now,
                    expires: now.adding(seconds: AppGrant.tokenLifetime)),
                as: Self.digest(token))
            return true
        }
        guard isHeld, let (_, person) = standing(of: grant, at: now) else {
            // Ended while it was being written: it must not come back with the next start.
            _ = state.withLock { $0.grants.removeValue(forKey: grant.id) }
            try? await ends.commit(
                self.event(.tokenRevoked, grant, source: request.source, at: now, decision: "ended"),
                [removal(of: grant.id)])
            throw old == nil ? .codeInvalid : .refreshInvalid
        }
        return answer(token, refresh, grant, scopes, key, nonce, person, request, at: now)
    }

    private func answer(
        _ token: String, _ refresh: String?, _ grant: AppGrant, _ scopes: [String], _ key: String?, _ nonce: String?,
        _ person: Person, _ request: TokenRequest, at now: Instant
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("access_token", token)
        writer.member("token_type", key == nil ? "Bearer" : "DPoP")
        writer.member("expires_in", AppGrant.tokenLifetime)
        writer.member("scope", scopes.joined(separator: " "))
        if let refresh { writer.member("refresh_token", refresh) }
        if let patient = grant.patient { writer.member("patient", patient) }
        if scopes.contains("openid") {
            let claims = IDTokenKey.Claims(
                issuer: request.issuer, subject: person.id, audience: grant.app, nonce: nonce,
                fhirUser: scopes.contains("fhirUser") ? person.fhirUser(base: request.base) : nil,
                name: scopes.contains("profile") ? person.displayName : nil, authenticated: grant.authenticated)
            if let text = idTokens.token(claims, at: now) { writer.member("id_token", text) }
        }
        writer.endObject()
        return writer.bytes
    }
}

extension AppGrant {
    /// The same without leave to go on by itself.
    func withoutRefresh() -> AppGrant {
        AppGrant(
            id: id, app: app, person: person, roles: roles, session: session,
            scopes: scopes.filter { $0 != "offline_access" && $0 != "online_access" }, patient: patient,
            authenticated: authenticated, created: created, key: nil, refresh: nil)
    }
}

extension Person {
    /// Who somebody is as a resource (SMART App Launch 2.2, `fhirUser`); nil where there is none.
    func fhirUser(base: String) -> String? {
        if let practitioner { return "\(base)/Practitioner/\(practitioner.split(separator: "/").last ?? "")" }
        guard roles == [.patient], patients.count == 1, let patient = patients.first else { return nil }
        return "\(base)/Patient/\(patient)"
    }
}
