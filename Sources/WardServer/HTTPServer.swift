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

/// How the server listens.
public struct ServerSettings: Sendable {
    public let host: String
    public let port: Int
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

    public init(
        host: String, port: Int, names: [String], isDemo: Bool, proxies: Set<String>, offersHTTP2: Bool,
        logsAllRequests: Bool, largestBody: Int, started: Instant
    ) {
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
    public var origin: String {
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
    private let certificate: ServerCertificate
    private let settings: ServerSettings
    private let authenticator: Authenticator
    private let people: People

    public init(
        clinic: Clinic, authenticator: Authenticator, people: People, settings: ServerSettings,
        certificate: ServerCertificate, auditLog: AuditLog, log: OperationalLog, watch: WatchPost? = nil,
        reviews: ActivityReviews? = nil, lastVerified: @escaping @Sendable () -> Instant? = { nil }
    ) {
        let site = WebSite(
            people: people,
            settings: WebSettings(
                clinic: settings.isDemo ? "Demo clinic" : "Clinic",
                party: RelyingParty(id: settings.names.first ?? "localhost", origin: settings.origin),
                isDemo: settings.isDemo, origin: settings.origin), patients: clinic.patientFinder,
            watch: watch, log: clinic.logDesk,
            oversight: reviews.map { reviews in
                Oversight(reviews: reviews, log: auditLog, lastVerified: lastVerified)
            })
        responder = WardResponder(
            clinic: clinic, authenticator: authenticator, oauth: people.oauth, site: site, settings: settings,
            auditLog: auditLog, log: log)
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
        let server: HTTPServerBuilder =
            settings.offersHTTP2
            ? try .http2Upgrade(
                tlsConfiguration: tls, configuration: .init(idleTimeout: .seconds(60), streamConfiguration: http1))
            : HTTPServerBuilder { responder in
                let channel = HTTP1Channel(responder: responder, configuration: http1)
                return try TLSChannel(LoopBoundChannel(channel, loops: loops), tlsConfiguration: tls)
            }
        let logger = OperationalLog.libraryLogger()
        let application = Application(
            responder: responder, server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(settings.host, port: settings.port), backlog: 1024,
                availableConnectionsDelegate: .maximum(8192, logger: logger)),
            services: services, onServerRunning: { _ in await onReady() },
            eventLoopGroupProvider: .shared(loops), logger: logger)
        try await application.runService(gracefulShutdownSignals: [.sigterm, .sigint])
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
