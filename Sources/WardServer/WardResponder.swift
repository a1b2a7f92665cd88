import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardPolicy
import WardTelemetry
import WardVault
import WardWeb

/// Answers every request: finds out who asks, hands it to the clinic, and puts the result on the wire.
struct WardResponder: HTTPResponder {
    typealias Context = WardContext

    let clinic: Clinic
    let authenticator: Authenticator
    let oauth: OAuth
    let site: WebSite
    let settings: ServerSettings
    let log: OperationalLog
    let throttle = FailureThrottle()
    let auditLog: AuditLog
    let plane: Plane
    let metrics: ServerMetrics
    /// Requests for what strangers may see of the log; a mirror makes many.
    let readers = FailureThrottle(limit: 4000, window: Self.readersWindow)
    /// Cosignatures that were not.
    let cosigners = FailureThrottle()
    private let requestIDs = RequestIDs()

    init(
        clinic: Clinic, authenticator: Authenticator, oauth: OAuth, site: WebSite, settings: ServerSettings,
        auditLog: AuditLog, log: OperationalLog, plane: Plane, metrics: ServerMetrics
    ) {
        self.plane = plane
        self.metrics = metrics
        self.auditLog = auditLog
        self.oauth = oauth
        self.clinic = clinic
        self.site = site
        self.authenticator = authenticator
        self.settings = settings
        self.log = log
    }

    func respond(to request: Request, context: WardContext) async throws -> Response {
        let started = ContinuousClock.now
        let source = RequestSource(
            address: context.address(request, proxies: settings.proxies), request: requestIDs.next())
        let (route, answer): (StaticString, Response)
        if let preflight = preflight(request) {
            (route, answer) = ("/{preflight}", preflight)
        } else {
            (route, answer) = await self.answer(request, source)
        }
        var response = answer
        // The common fields are copied whole and the few of this answer added: cheaper than the other way round.
        var headers = settings.headers(host: request.head.authority)
        // A page has a policy of its own.
        if let name = HeaderNames.contentSecurityPolicy, response.headers.contains(name) {
            for field in response.headers { headers[field.name] = nil }
        }
        if response.headers[.cacheControl] != nil { headers[.cacheControl] = nil }
        for field in response.headers { headers.append(field) }
        if let name = HeaderNames.requestID { headers.append(HTTPField(name: name, value: source.request)) }
        if settings.isReadOnly, let name = HeaderNames.readOnly { headers[name] = "emergency" }
        allowOrigin(request, &headers)
        response.headers = headers
        let elapsed = (ContinuousClock.now - started) / .milliseconds(1)
        metrics.count(plane == .office ? .office : .records, status: Int(response.status.code), seconds: elapsed / 1000)
        if settings.logsAllRequests || response.status.code >= 400 || elapsed > 1000 {
            log.info(
                "request answered", .method(OperationalLog.Method(rawValue: request.method.rawValue) ?? .other),
                .route(route), .status(Int(response.status.code)), .milliseconds(elapsed), .request(source.request),
                .address(source.address))
        }
        return response
    }

    private func answer(_ request: Request, _ source: RequestSource) async -> (StaticString, Response) {
        let path = request.uri.path.split(separator: "/")
        // The office's listener has pages alone: whatever is added below is not there.
        if plane == .office {
            if path.isEmpty, request.method == .get { return ("/", toSignIn()) }
            return await page(request, path, source) ?? ("/{other}", response(.nothingHere))
        }
        switch path.first {
        case "fhir":
            if path.count == 3, path[1] == ".well-known", path[2] == "smart-configuration" {
                return ("/fhir/.well-known/smart-configuration", smartConfiguration())
            }
            return await fhir(request, Array(path.dropFirst()), source)
        case nil where request.method == .get: return ("/", landingPage(settings))
        case "style.css" where path.count == 1 && request.method == .get: return ("/style.css", landingStyle())
        case "health" where path.count == 1 && request.method == .get: return ("/health", health())
        case ".well-known" where path.count == 2 && path[1] == "smart-configuration":
            return ("/.well-known/smart-configuration", smartConfiguration())
        case "oauth" where path.count == 2 && path[1] == "token" && request.method == .post:
            return ("/oauth/token", await token(request, source))
        default:
            if let endpoint = await oauthEndpoint(request, path, source) { return endpoint }
            if let endpoint = await logEndpoint(request, path, source) { return endpoint }
            if let page = await page(request, path, source) { return page }
            return ("/{other}", response(.nothingHere))
        }
    }

    // MARK: FHIR

    private func fhir(
        _ request: Request, _ path: [Substring], _ source: RequestSource
    ) async -> (StaticString, Response) {
        let route = FHIRRoute(request.method, path)
        let refusal = negotiate(request)
        if case .metadata = route {
            let answer = refusal.map(response) ?? json(200, clinic.capabilities(date: settings.started))
            return (route.template, answer)
        }
        let now = Instant.now()
        // A valid token passes whatever others at the same address do.
        let standing = standing(request, now: now)
        if case .locked(let app) = standing {
            await oauth.noteRefusal(of: app, source: source, at: now)
            return (
                route.template, response(.sessionLocked(isBound: request.headers[.authorization]?.isBound ?? false))
            )
        }
        guard case .good(let principal) = standing else {
            guard !throttle.isBlocked(source.address, now: now) else {
                return (route.template, response(.tooManyFailures))
            }
            throttle.count(source.address, now: now)
            authenticator.countFailure(source: source)
            return (route.template, response(.unauthorized))
        }
        var answer: ClinicAnswer
        let isPretty = isPretty(request)
        if let refusal {
            answer = refusal
        } else if settings.isReadOnly, !route.isReading(request.method) {
            answer = .readOnly
        } else if let body = try? await collect(request, limit: settings.largestBody) {
            answer =
                route.isShort && !isPretty && body.count <= 65_536
                ? await self.answer(route, request, principal, source, body)
                : await offLoop {
                    let answer = await self.answer(route, request, principal, source, body)
                    return isPretty ? answer.pretty : answer
                }
        } else {
            answer = .tooLarge
        }
        answer = await clinic.accounted(
            answer, route: route.template, type: route.type, principal: principal, source: source)
        var sent = response(answer)
        if request.method == .head { sent.body = unsent(sent.body) }
        return (route.template, sent)
    }

    private func isPretty(_ request: Request) -> Bool {
        guard let query = request.uri.query, query.contains("_pretty=") else { return false }
        return decodedQuery(query)?.first { $0.name == "_pretty" }?.value == "true"
    }

    /// A body that is told of by its length alone.
    private func unsent(_ body: ResponseBody) -> ResponseBody {
        ResponseBody(contentLength: body.contentLength) { writer in try await writer.finish(nil) }
    }

    private func answer(
        _ route: FHIRRoute, _ request: Request, _ principal: Principal, _ source: RequestSource, _ body: [UInt8]
    ) async -> ClinicAnswer {
        guard var parameters = decodedQuery(request.uri.query ?? "") else {
            return .failure(400, "invalid", "the query is not well formed")
        }
        if route.isForm {
            guard contentType(request) == "application/x-www-form-urlencoded" else {
                return .failure(415, "not-supported", "_search takes application/x-www-form-urlencoded")
            }
            guard let form = decodedQuery(String(decoding: body, as: UTF8.self)) else {
                return .failure(400, "invalid", "the form is not well formed")
            }
            parameters += form
        } else if route.isPatch, contentType(request) == "application/json-patch+json" {
            // A format of its own.
        } else if !body.isEmpty, !Self.jsonTypes.contains(contentType(request)) {
            return .failure(415, "not-supported", "the body must be application/fhir+json; XML is not supported")
        }
        var clinicRequest = ClinicRequest(
            principal: principal, source: source, parameters: parameters, ifMatch: request.headers[.ifMatch],
            ifNoneExist: HeaderNames.ifNoneExist.flatMap { request.headers[$0] },
            preference: HeaderNames.prefer.flatMap { request.headers[$0] }.map(Preference.init(header:))
                ?? Preference(),
            body: body)
        clinicRequest.ifNoneMatch = request.headers[.ifNoneMatch]
        clinicRequest.ifModifiedSince = request.headers[.ifModifiedSince]
        if route.isPatch { clinicRequest.mediaType = contentType(request) }
        switch route {
        case .conditionalDelete(let type): return await clinic.delete(type, clinicRequest)
        case .conditionalPatch(let type): return await clinic.patch(type, clinicRequest)
        case .conditionalUpdate(let type): return await clinic.update(type, clinicRequest)
        case .patch(let type, let id): return await clinic.patch(type, id, clinicRequest)
        case .everything(let type, let id): return await clinic.everything(type, id, clinicRequest)
        case .typeHistory(let type): return await clinic.history(type, clinicRequest)
        case .validate(let type, let id): return await clinic.validate(type, id, clinicRequest)
        case .accounting(let id): return await clinic.accounting(id, clinicRequest)
        case .bundle: return await clinic.bundle(clinicRequest)
        case .create(let type): return await clinic.create(type, clinicRequest)
        case .delete(let type, let id): return await clinic.delete(type, id, clinicRequest)
        case .history(let type, let id): return await clinic.history(type, id, clinicRequest)
        case .read(let type, let id): return await clinic.read(type, id, clinicRequest)
        case .search(let type), .searchByPost(let type): return await clinic.search(type, clinicRequest)
        case .searchCompartment(let owner, let id, let type):
            return await clinic.search(type, inCompartmentOf: owner, id, clinicRequest)
        case .searchSystem, .searchSystemByPost: return await clinic.searchSystem(clinicRequest)
        case .update(let type, let id): return await clinic.update(type, id, clinicRequest)
        case .versionRead(let type, let id, let version):
            return await clinic.versionRead(type, id, version: version, clinicRequest)
        case .methodNotAllowed(let allow):
            return .failure(
                405, "not-supported", "this method is not possible here", headers: [(name: "Allow", value: "\(allow)")])
        case .unknownType: return .failure(404, "not-supported", "not a resource type of FHIR R4")
        case .unsupported: return .failure(501, "not-supported", "this interaction is not supported")
        case .metadata, .unknown: return .nothingHere
        }
    }

    private static let jsonTypes: Set<String> = ["application/fhir+json", "application/json", "text/json"]

    private func standing(_ request: Request, now: Instant) -> OAuth.TokenStanding {
        guard let header = request.headers[.authorization], header.utf8.count < 512, header.utf8.count > 7 else {
            return .none
        }
        let scheme = header.utf8.prefix(7)
        guard scheme.elementsEqual("Bearer ".utf8) || String(scheme)?.lowercased() == "bearer " else {
            guard header.isBound else { return .none }
            return oauth.standing(token: header.dropFirst(5), proven: proof(request), at: now)
        }
        let token = header[header.utf8.index(header.startIndex, offsetBy: 7)...]
        if let client = authenticator.principal(bearer: token, now: now) { return .good(client) }
        return oauth.standing(token: token, proven: nil, at: now)
    }

    /// JSON is the only format: XML gets a clear answer (FHIR R4 http.html#mime-type).
    private func negotiate(_ request: Request) -> ClinicAnswer? {
        if let query = request.uri.query, query.contains("_format="),
            let format = decodedQuery(query)?.first(where: { $0.name == "_format" })?.value
        {
            return ["json", "application/json", "application/fhir+json", "text/json", "application/fhir json"]
                .contains(format) ? nil : .notAcceptable
        }
        guard let accept = request.headers[.accept] else { return nil }
        let isJSON = accept.split(separator: ",").contains { part in
            let type = part.split(separator: ";").first.map { $0.filter { $0 != " " } }.map { $0.lowercased() } ?? ""
            return type == "*/*" || type == "application/*" || Self.jsonTypes.contains(type)
        }
        return isJSON ? nil : .notAcceptable
    }

    // MARK: OAuth

    private func token(_ request: Request, _ source: RequestSource) async -> Response {
        guard contentType(request) == "application/x-www-form-urlencoded",
            let body = try? await collect(request, limit: 65_536),
            let form = decodedQuery(String(decoding: body, as: UTF8.self))
        else { return oauthError(400, "invalid_request", "the body must be a form") }
        func field(_ name: String) -> String? {
            let found = form.filter { $0.name == name }
            return found.count == 1 ? found[0].value : nil
        }
        guard field("grant_type") == "client_credentials" else { return await appToken(request, form, source) }
        guard
            field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            let assertion = field("client_assertion")
        else { return oauthError(400, "invalid_request", "client_assertion_type and client_assertion are needed") }
        let named = oauth.named(in: form, backends: authenticator)
        guard let slowing = slowing(source, named) else { return slowed }
        do throws(IdentityFailure) {
            let principal = try await authenticator.authenticate(
                assertion: assertion, audiences: settings.tokenAudiences, scope: field("scope"), source: source)
            let token = try await authenticator.issueToken(for: principal, source: source)
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("access_token", token)
            writer.member("token_type", "bearer")
            writer.member("expires_in", Authenticator.tokenLifetime)
            writer.member("scope", principal.grantedScope)
            writer.endObject()
            return json(200, writer.bytes, type: "application/json")
        } catch {
            switch error {
            case .auditUnavailable, .storage:
                return oauthError(503, "temporarily_unavailable", "the audit log cannot be written")
            case .badScope:
                return oauthError(400, "invalid_scope", "only system/ scopes without constraints are supported")
            default:
                throttle.count(source.address, client: named, now: .now())
                guard slowing == .no else { return slowed }
                // One answer for every kind of failure: which part was wrong is nobody's business but the log's.
                return oauthError(401, "invalid_client", "the client assertion was not accepted")
            }
        }
    }

    func oauthError(_ status: Int, _ code: StaticString, _ text: StaticString) -> Response {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("error", "\(code)")
        writer.member("error_description", "\(text)")
        writer.endObject()
        return json(status, writer.bytes, type: "application/json")
    }

    private func smartConfiguration() -> Response {
        json(200, OAuth.smartConfiguration(issuer: settings.origin), type: "application/json")
    }

    private func health() -> Response {
        json(
            clinic.isReady ? 200 : 503,
            Array((clinic.isReady ? #"{"status":"ready"}"# : #"{"status":"starting"}"#).utf8),
            type: "application/json")
    }

    private func toSignIn() -> Response {
        var headers = HTTPFields()
        headers[.location] = "/sign-in"
        return Response(status: .seeOther, headers: headers)
    }

    // MARK: Wire

    func contentType(_ request: Request) -> String {
        let field = request.headers[.contentType] ?? ""
        return (field.split(separator: ";").first.map { $0.filter { $0 != " " } } ?? "").lowercased()
    }

    func collect(_ request: Request, limit: Int) async throws -> [UInt8] {
        switch request.method {
        case .post, .put, .patch: break
        default: return []
        }
        let buffer = try await request.body.collect(upTo: limit)
        return Array(buffer.readableBytesView)
    }

    func json(_ status: Int, _ bytes: [UInt8], type: String = "application/fhir+json") -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    func response(_ answer: ClinicAnswer) -> Response {
        var headers = HTTPFields()
        for header in answer.headers {
            if let name = HeaderNames.name(header.name) { headers[name] = header.value }
        }
        let status = HTTPResponse.Status(code: answer.status)
        switch answer.body {
        case .none: return Response(status: status, headers: headers)
        case .plain(let bytes):
            headers[.contentType] = "application/fhir+json"
            return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
        case .released(let released):
            headers[.contentType] = "application/fhir+json"
            let buffer = released.exposed { ByteBuffer(bytes: $0) }
            return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: buffer))
        }
    }
}

extension String {
    /// Whether an `Authorization` header holds a token that is bound to a key (RFC 9449 §7.1).
    fileprivate var isBound: Bool { prefix(5).lowercased() == "dpop " }
}

/// Short ids that correlate log lines: random per process, counted per request.
private final class RequestIDs: Sendable {
    private let prefix = hex(randomBytes(4))
    private let counter = Atomic<UInt64>(0)

    func next() -> String { "\(prefix)-\(String(counter.add(1, ordering: .relaxed).newValue, radix: 16))" }
}
