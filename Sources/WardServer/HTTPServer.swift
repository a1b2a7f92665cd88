import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdHTTP2
import HummingbirdTLS
import NIOCertificateReloading
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import UnixSignals
public import WardAudit
public import WardClinic
public import WardCore
public import WardIdentity
public import WardTelemetry
public import WardWatch
import WardWeb

/// Where something listens.
public struct ListenAddress: Hashable, Sendable {
    public let host: String
    public let port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

/// How the server listens.
public struct ServerSettings: Sendable {
    public let host: String
    public let port: Int
    /// For the pages of the office, which are then nowhere else; nil for the one listener.
    public let office: ListenAddress?
    /// For health and numbers; nil for none.
    public let metrics: ListenAddress?
    /// Names the certificate is for; the first is where people find the server: links, issuer and passkeys name it.
    public let names: [String]
    public let isDemo: Bool
    /// Addresses whose `X-Forwarded-For` is believed.
    public let proxies: Set<String>
    public let offersHTTP2: Bool
    public let logsAllRequests: Bool
    /// Largest request body in bytes.
    public let largestBody: Int
    public let started: Instant
    /// Whether a copy is served whose primary is away: whatever would write is refused, and every page says so.
    public var isReadOnly = false

    public init(
        host: String, port: Int, names: [String], isDemo: Bool, proxies: Set<String>, offersHTTP2: Bool,
        logsAllRequests: Bool, largestBody: Int, started: Instant, office: ListenAddress? = nil,
        metrics: ListenAddress? = nil
    ) {
        self.office = office
        self.metrics = metrics
        self.host = host
        self.port = port
        self.names = names
        self.isDemo = isDemo
        self.proxies = proxies
        self.offersHTTP2 = offersHTTP2
        self.logsAllRequests = logsAllRequests
        self.largestBody = largestBody
        self.started = started
        localHeaders = commonHeaders(isLocalhost: true)
        remoteHeaders = commonHeaders(isLocalhost: false)
    }

    private let localHeaders: HTTPFields
    private let remoteHeaders: HTTPFields

    /// `https://localhost:8443`.
    public var origin: String { origin(port: port) }

    /// Where the pages of the office are: the same name, another port.
    public var officeOrigin: String { office.map { origin(port: $0.port) } ?? origin }

    private func origin(port: Int) -> String {
        let host = names.first ?? "localhost"
        // As browsers write it (RFC 6454 §6.2): an address of IPv6 in brackets, the usual port left out.
        return "https://\(host.contains(":") ? "[\(host)]" : host)\(port == 443 ? "" : ":\(port)")"
    }

    /// A path of this server under each of its names.
    func addresses(of path: String) -> [String] {
        names.flatMap { name in
            let host = name.contains(":") ? "[\(name)]" : name
            let usual = port == 443 ? ["https://\(host)\(path)"] : []
            return ["https://\(host):\(port)\(path)"] + usual
        }
    }

    /// What a client assertion may be addressed to.
    var tokenAudiences: [String] { addresses(of: "/oauth/token") }

    func headers(host authority: String?) -> HTTPFields {
        let name = (authority ?? "").utf8.prefix { $0 != UInt8(ascii: ":") }
        let isLocalhost = name.elementsEqual("localhost".utf8) || String(Substring(name)).lowercased() == "localhost"
        return isLocalhost ? localHeaders : remoteHeaders
    }
}

/// Where the certificate comes from.
public enum ServerCertificate: Sendable {
    /// PEM files of the operator's own, read again when they change.
    case files(certificate: String, key: String)
    case local(LocalAuthority)
}

/// The HTTPS server. There is no plaintext listener.
public struct HTTPServer: Sendable {
    private let responder: WardResponder
    /// Of the office's own listener.
    private let office: WardResponder?
    private let numbers: MetricsResponder
    private let certificate: ServerCertificate
    private let settings: ServerSettings
    private let authenticator: Authenticator
    private let people: People

    public init(
        clinic: Clinic, authenticator: Authenticator, people: People, settings: ServerSettings,
        certificate: ServerCertificate, auditLog: AuditLog, log: OperationalLog, watch: WatchPost? = nil,
        reviews: ActivityReviews? = nil, lastVerified: @escaping @Sendable () -> Instant? = { nil },
        standing: @escaping @Sendable () -> ServerMetrics.Standing
    ) {
        let metrics = ServerMetrics()
        func responder(_ plane: Plane) -> WardResponder {
            let origin = plane == .office ? settings.officeOrigin : settings.origin
            let site = WebSite(
                people: people,
                settings: WebSettings(
                    clinic: settings.isDemo ? "Demo clinic" : "Clinic",
                    party: RelyingParty(id: settings.names.first ?? "localhost", origin: origin),
                    isDemo: settings.isDemo, origin: origin, recordsOrigin: settings.origin, plane: plane,
                    officeOrigin: plane == .records ? settings.officeOrigin : nil, isReadOnly: settings.isReadOnly),
                patients: clinic.patientFinder,
                watch: watch, log: clinic.logDesk,
                oversight: reviews.map { reviews in
                    Oversight(reviews: reviews, log: auditLog, lastVerified: lastVerified)
                })
            return WardResponder(
                clinic: clinic, authenticator: authenticator, oauth: people.oauth, site: site, settings: settings,
                auditLog: auditLog, log: log, plane: plane, metrics: metrics)
        }
        self.responder = responder(settings.office == nil ? .whole : .records)
        office = settings.office.map { _ in responder(.office) }
        numbers = MetricsResponder(metrics: metrics, version: Clinic.softwareVersion, standing: standing)
        self.people = people
        self.certificate = certificate
        self.settings = settings
        self.authenticator = authenticator
    }

    /// Serves until the process is asked to stop; requests in flight are answered first.
    public func run(onReady: @escaping @Sendable () async -> Void) async throws {
        var services: [any Service] = [Housekeeping(authenticator: authenticator, people: people)]
        let tls: TLSConfiguration
        switch certificate {
        case .files(let certificate, let key):
            let reloader = try TimedCertificateReloader.makeReloaderValidatingSources(
                refreshInterval: .seconds(30),
                certificateSource: .init(location: .file(path: certificate), format: .pem),
                privateKeySource: .init(location: .file(path: key), format: .pem),
                logger: OperationalLog.libraryLogger())
            tls = hardened(try .makeServerConfiguration(certificateReloader: reloader))
            services.append(reloader)
        case .local(let authority):
            let chain = try NIOSSLCertificate.fromPEMBytes(Array(authority.serverPEM.utf8))
            let key = try NIOSSLPrivateKey(bytes: Array(authority.serverKeyPEM.utf8), format: .pem)
            tls = hardened(
                .makeServerConfiguration(
                    certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
        }
        let http1 = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionDeadlines()], idleTimeout: .seconds(30),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: 16_384, maxHeaderListSize: 32_768, maxHeaderFieldCount: 100))
        let loops = MultiThreadedEventLoopGroup.singleton
        let onlyHTTP1 = HTTPServerBuilder { responder in
            let channel = HTTP1Channel(responder: responder, configuration: http1)
            return try TLSChannel(LoopBoundChannel(channel, loops: loops), tlsConfiguration: tls)
        }
        let server: HTTPServerBuilder =
            settings.offersHTTP2
            ? try .http2Upgrade(
                tlsConfiguration: tls, configuration: .init(idleTimeout: .seconds(60), streamConfiguration: http1))
            : onlyHTTP1
        // The planes beside it first: who hears that records are served can count on the rest.
        let addresses = [settings.office, settings.metrics].compactMap { $0 }
        let opened = OpenListeners(missing: addresses.count)
        if let office, let address = settings.office {
            services.append(listener(office, address, server, most: 512) { opened.opened() })
        }
        if let address = settings.metrics {
            services.append(listener(numbers, address, onlyHTTP1, most: 64) { opened.opened() })
        }
        let address = ListenAddress(host: settings.host, port: settings.port)
        var application = listener(responder, address, server, most: 8192) {
            // Connections are taken when this returns: what is to be waited for is waited for beside them.
            Task.detached {
                await opened.all()
                await onReady()
            }
        }
        application.addServices(services)
        try await application.runService(gracefulShutdownSignals: [.sigterm, .sigint])
    }

    private func listener<Answering: HTTPResponder>(
        _ responder: Answering, _ address: ListenAddress, _ server: HTTPServerBuilder, most connections: Int,
        onReady: @escaping @Sendable () async -> Void
    ) -> Application<Answering> where Answering.Context == WardContext {
        let logger = OperationalLog.libraryLogger()
        return Application(
            responder: responder, server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port), backlog: 1024,
                availableConnectionsDelegate: .maximum(connections, logger: logger)),
            onServerRunning: { _ in await onReady() },
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), logger: logger)
    }

    /// TLS 1.2 with forward secrecy and AEAD only, 1.3 preferred (NIST SP 800-52r2).
    private func hardened(_ configuration: TLSConfiguration) -> TLSConfiguration {
        var tls = configuration
        tls.minimumTLSVersion = .tlsv12
        tls.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]
        tls.shutdownTimeout = .seconds(1)
        return tls
    }
}

/// Tells when every listener beside the main one is open.
private final class OpenListeners: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    private let missing: Int

    init(missing: Int) {
        (stream, continuation) = AsyncStream.makeStream()
        self.missing = missing
    }

    func opened() { continuation.yield() }

    func all() async {
        guard missing > 0 else { return }
        var count = 0
        for await _ in stream {
            count += 1
            if count == missing { return }
        }
    }
}

/// Writes the coalesced events of failed sign-ins every few seconds, and once at the end; ends sessions whose time is over.
private struct Housekeeping: Service {
    let authenticator: Authenticator
    let people: People

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(5))
                await flush()
                await people.sweep()
            }
        }
        await flush()
        await people.finishEnds()
    }

    private func flush() async {
        await authenticator.flushFailures()
        await people.flushFailures()
    }
}
