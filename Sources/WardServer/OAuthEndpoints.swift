import HTTPTypes
import Hummingbird
import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardIdentity
import WardWeb

/// Largest registration or form in bytes.
private let largestRequest = 65_536

/// The endpoints of OAuth that are no pages.
extension WardResponder {
    /// Answers a request for one of them; nil if it is for something else.
    func oauthEndpoint(
        _ request: Request, _ path: [Substring], _ source: RequestSource
    ) async -> (StaticString, Response)? {
        guard path.count == 2 else { return nil }
        // Introspection looks; what registers or revokes would have to be written.
        if settings.isReadOnly, request.method == .post, path[0] == "oauth", ["register", "revoke"].contains(path[1]) {
            return (
                path[1] == "register" ? "/oauth/register" : "/oauth/revoke",
                oauthError(503, "temporarily_unavailable", "read-only emergency mode: nothing is written")
            )
        }
        switch (path[0], path[1], request.method) {
        case (".well-known", "openid-configuration", .get):
            return (
                "/.well-known/openid-configuration",
                json(200, OAuth.openIDConfiguration(issuer: settings.origin), type: "application/json")
            )
        case (".well-known", "jwks.json", .get):
            return ("/.well-known/jwks.json", json(200, oauth.keySet, type: "application/json"))
        case ("oauth", "register", .post): return ("/oauth/register", await register(request, source))
        case ("oauth", "introspect", .post):
            return (
                "/oauth/introspect",
                await answering(request, source) { asked throws(OAuthFailure) in
                    try await oauth.introspect(asked, backends: authenticator)
                }
            )
        case ("oauth", "revoke", .post):
            return (
                "/oauth/revoke",
                await answering(request, source) { asked throws(OAuthFailure) in
                    try await oauth.revoke(asked)
                    return []
                }
            )
        default: return nil
        }
    }

    /// Codes and refresh tokens at the token endpoint.
    func appToken(_ request: Request, _ form: [SearchPair], _ source: RequestSource) async -> Response {
        await answering(request, source, form: form) { asked throws(OAuthFailure) in try await oauth.token(asked) }
    }

    private func register(_ request: Request, _ source: RequestSource) async -> Response {
        let now = Instant.now()
        guard !throttle.isBlocked(source.address, now: now) else { return refusal(.registrationClosed, source) }
        // A page of another site cannot send this type without asking first (Fetch Standard §3.2.2).
        guard contentType(request) == "application/json",
            let body = try? await collect(request, limit: largestRequest)
        else { return refusal(.registrationMalformed, source) }
        do throws(OAuthFailure) {
            let app = try await oauth.apps.register(body, source: source)
            return json(201, app.information, type: "application/json")
        } catch {
            return refusal(error, source)
        }
    }

    private func answering(
        _ request: Request, _ source: RequestSource, form known: [SearchPair]? = nil,
        _ body: (TokenRequest) async throws(OAuthFailure) -> [UInt8]
    ) async -> Response {
        var form = known
        if form == nil, contentType(request) == "application/x-www-form-urlencoded",
            let bytes = try? await collect(request, limit: largestRequest)
        {
            form = decodedQuery(String(decoding: bytes, as: UTF8.self))
        }
        guard let form else { return refusal(.requestMalformed, source) }
        let named = oauth.named(in: form, backends: authenticator)
        guard let slowing = slowing(source, named) else { return slowed }
        do throws(OAuthFailure) {
            let asked = try TokenRequest(
                form: form, hasBasic: request.headers[.authorization] != nil, proof: proof(request), source: source,
                audiences: settings.addresses(of: request.uri.path) + settings.tokenAudiences, issuer: settings.origin,
                base: clinic.base)
            return json(200, try await body(asked), type: "application/json")
        } catch {
            let answer = refusal(error, source, named)
            return slowing == .addressIsSlowed && error.isGuess ? slowed : answer
        }
    }

    // MARK: Slowing down

    enum Slowing {
        case no
        /// The address has failed too often: a client that proves itself is answered, everything else as if nobody looked.
        case addressIsSlowed
    }

    /// Whether a request is looked at, and how a failure is answered; nil if it is not.
    func slowing(_ source: RequestSource, _ named: String?) -> Slowing? {
        let now = Instant.now()
        guard throttle.isBlocked(source.address, now: now) else { return .no }
        guard let named, !throttle.isBlocked(source.address, client: named, now: now) else { return nil }
        return .addressIsSlowed
    }

    var slowed: Response {
        var answer = oauthError(429, "slow_down", "too many failures from this address")
        answer.headers[.retryAfter] = "\(FailureThrottle.window)"
        return answer
    }

    private func refusal(_ failure: OAuthFailure, _ source: RequestSource, _ named: String? = nil) -> Response {
        // Guessing is slowed and counted in the log; what a developer gets wrong is not.
        if failure.isGuess {
            throttle.count(source.address, client: named, now: .now())
            authenticator.countFailure(source: source)
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("error", failure.error)
        writer.member("error_description", failure.text)
        writer.endObject()
        return json(failure.status, writer.bytes, type: "application/json")
    }

    // MARK: Proofs

    /// What a DPoP proof of this request must speak of.
    func proof(_ request: Request) -> DPoPRequest {
        let shown = HeaderNames.dpop.map { request.headers[values: $0] } ?? []
        // Two proofs prove nothing (RFC 9449 §4.3).
        return DPoPRequest(
            proof: shown.isEmpty ? nil : shown.count == 1 ? shown[0] : "", method: request.method.rawValue,
            addresses: settings.addresses(of: request.uri.path))
    }

    // MARK: Other origins

    /// Lets scripts of approved apps read what is not a page (Fetch Standard §3.2); cookies never come along.
    func allowOrigin(_ request: Request, _ headers: inout HTTPFields) {
        guard isForScripts(request) else { return }
        // Caches must not give one origin's answer to another.
        headers[.vary] = "Origin"
        guard let origin = request.headers[.origin], oauth.apps.allows(origin: origin) else { return }
        headers[.accessControlAllowOrigin] = origin
        headers[.accessControlExposeHeaders] =
            "ETag, Last-Modified, Location, Ward-Audit-Receipt, Ward-Notice, WWW-Authenticate"
    }

    /// The answer to a browser that asks first; nil if it may not go on or asks something else.
    func preflight(_ request: Request) -> Response? {
        guard request.method == .options, isForScripts(request), let origin = request.headers[.origin],
            request.headers[.accessControlRequestMethod] != nil, oauth.apps.allows(origin: origin)
        else { return nil }
        var headers = HTTPFields()
        headers[.accessControlAllowMethods] = "GET, HEAD, POST, PUT, PATCH, DELETE"
        headers[.accessControlAllowHeaders] =
            "Accept, Authorization, Content-Type, DPoP, If-Match, If-None-Exist, Prefer"
        headers[.accessControlMaxAge] = "600"
        return Response(status: .noContent, headers: headers)
    }

    private func isForScripts(_ request: Request) -> Bool {
        guard plane != .office else { return false }
        let path = request.uri.path.split(separator: "/")
        switch path.first {
        case "fhir", ".well-known": return true
        case "oauth": return path.count == 2 && ["token", "revoke"].contains(path[1])
        default: return false
        }
    }
}
