import Synchronization
import WardAudit
public import WardCore
import WardCrypto
import WardFHIR
import WardPolicy

extension OAuth {
    /// Who sends a request: by a signature (RFC 7523 §3), or by name alone for apps that can keep no key.
    func client(_ request: TokenRequest, at now: Instant) async throws(OAuthFailure) -> App {
        let claimed = request.fields["client_id"]
        guard let assertion = request.fields["client_assertion"] else {
            guard let claimed, let app = apps.approved(claimed), app.kind == .public else {
                throw .clientNotRecognised
            }
            return app
        }
        guard
            request.fields["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            let issuer = ClientAssertion.claimedIssuer(assertion), claimed ?? issuer == issuer,
            let app = apps.approved(issuer), app.kind != .public
        else { throw .clientNotRecognised }
        let verified = try await verify(assertion, app, request.audiences, at: now)
        // As at the token endpoint for backend clients: nothing is remembered of before the start.
        let latestBefore = started.adding(seconds: ClientAssertion.maximumLifetime + ClientAssertion.leeway)
        if verified.expires < latestBefore, verified.issued ?? Instant(microseconds: 0) < started.adding(seconds: -1) {
            throw .clientNotRecognised
        }
        let isFirst = state.withLock { state in
            if state.assertions.count > 10_000 { state.assertions = state.assertions.filter { $0.value > now } }
            let until = verified.expires.adding(seconds: ClientAssertion.leeway)
            return state.assertions.updateValue(until, forKey: "\(app.id) \(verified.identifier)") == nil
        }
        guard isFirst else { throw .clientNotRecognised }
        return app
    }

    private func verify(
        _ assertion: String, _ app: App, _ audiences: [String], at now: Instant
    ) async throws(OAuthFailure) -> VerifiedAssertion {
        for key in app.keys {
            do throws(IdentityFailure) {
                return try await ClientAssertion.verify(
                    assertion, client: app.id, key: key, audiences: audiences, now: now)
            } catch {
                // The assertion names its key; only that one can fit.
                if error != .unknownKey { throw .clientNotRecognised }
            }
        }
        throw .clientNotRecognised
    }

    // MARK: Introspection and revocation

    /// `POST /oauth/introspect` (RFC 7662), for registered resource servers only; the answer as JSON.
    ///
    /// - Parameter backends: knows the tokens of backend services; nil where there are none.
    public func introspect(
        _ request: TokenRequest, backends: Authenticator? = nil, at now: Instant = .now()
    ) async throws(OAuthFailure) -> [UInt8] {
        guard try await client(request, at: now).kind == .resource else { throw .clientNotRecognised }
        guard let token = request.fields["token"] else { throw .requestMalformed }
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("active")
        if let (access, grant) = live(Self.digest(token), at: now), let held = judged(grant, at: now), !held.isLocked {
            writer.bool(true)
            write(access, grant, held.person, request, &writer)
        } else if let backend = backends?.principal(bearer: token, now: now) {
            writer.bool(true)
            write(backend, request, &writer)
        } else {
            writer.bool(false)
        }
        writer.endObject()
        return writer.bytes
    }

    private func write(
        _ access: Access, _ grant: AppGrant, _ person: Person, _ request: TokenRequest, _ writer: inout JSONWriter
    ) {
        writer.member("scope", access.scopes.joined(separator: " "))
        writer.member("client_id", grant.app)
        writer.member("sub", person.id)
        writer.member("iss", request.issuer)
        writer.member("aud", request.base)
        writer.member("iat", access.issued.microseconds / 1_000_000)
        writer.member("exp", access.expires.microseconds / 1_000_000)
        writer.member("token_type", access.key == nil ? "Bearer" : "DPoP")
        if let patient = grant.patient { writer.member("patient", patient) }
        if access.scopes.contains("fhirUser"), let user = person.fhirUser(base: request.base) {
            writer.member("fhirUser", user)
        }
        if let key = access.key {
            writer.key("cnf")
            writer.beginObject()
            writer.member("jkt", key)
            writer.endObject()
        }
    }

    private func write(_ backend: Principal, _ request: TokenRequest, _ writer: inout JSONWriter) {
        writer.member("scope", backend.grantedScope)
        writer.member("client_id", backend.id)
        writer.member("sub", backend.id)
        writer.member("iss", request.issuer)
        writer.member("aud", request.base)
        writer.member("iat", backend.authenticated.microseconds / 1_000_000)
        writer.member("exp", backend.expires.microseconds / 1_000_000)
        writer.member("token_type", "Bearer")
    }

    /// `POST /oauth/revoke` (RFC 7009): ends everything that the person allowed with it, at once.
    ///
    /// Says nothing about tokens that are not the app's own.
    public func revoke(_ request: TokenRequest, at now: Instant = .now()) async throws(OAuthFailure) {
        let app = try await client(request, at: now)
        guard let token = request.fields["token"] else { throw .requestMalformed }
        let digest = Self.digest(token)
        let found: AppGrant? = state.withLock { state in
            if let access = state.tokens[digest] { return state.grants[access.grant] }
            return state.grants[String(token.prefix { $0 != "." })].flatMap { $0.refresh == digest ? $0 : nil }
        }
        guard let grant = found, grant.app == app.id else { return }
        try await revoke(grant.id, because: "revoked-by-app", source: request.source, at: now)
    }
}

extension Principal {
    /// The scope of a backend client's token as the token endpoint and introspection say it.
    public var grantedScope: String { scopes?.map(\.text).joined(separator: " ") ?? "system/*.cruds" }
}
