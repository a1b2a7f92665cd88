import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import WardCore
import WardServer

/// How a probe speaks to the server it runs in: over its real listener, as anybody from outside would.
enum ProbeConnection {
    enum Security: Sendable {
        case plaintext
        /// Versions offered; whoever answers is not verified.
        case tls(TLSVersion, TLSVersion)
        /// The usual client: chain and name verified.
        case verified
    }

    /// Where the server listens: for records, and apart from them for the office and for metrics, if it does.
    static func places(_ server: RunningServer) -> [ListenAddress] {
        let settings = server.settings
        return [ListenAddress(host: settings.host, port: settings.port)]
            + [settings.office, settings.metrics].compactMap { $0 }
    }

    /// Sends bytes and collects what comes back until the other side closes; nil where nothing of a use came.
    ///
    /// - Throws: ``ProbeFailure/notReached`` if there is nobody at the address.
    static func exchange(
        _ server: RunningServer, at place: ListenAddress? = nil, _ security: Security, from source: String,
        authority: String, send bytes: [UInt8]
    ) async throws(ProbeFailure) -> [UInt8]? {
        let settings = server.settings
        let place = place ?? ListenAddress(host: settings.host, port: settings.port)
        let host = ["0.0.0.0": "127.0.0.1", "::": "::1"][place.host] ?? place.host
        let context: NIOSSLContext?
        do { context = try Self.context(server, security, authority) } catch { return nil }
        var name: String? = settings.names.first
        if let first = name, (try? SocketAddress(ipAddress: first, port: 0)) != nil { name = nil }
        let sni = name
        let connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(.seconds(10))
            // All of 127.0.0.0/8 is this machine.
            if host.hasPrefix("127.") { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: source, port: 0)) }
            connection =
                try await bootstrap
                .connect(host: host, port: place.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let context {
                            let handler = try NIOSSLClientHandler(context: context, serverHostname: sni)
                            try channel.pipeline.syncOperations.addHandler(handler)
                        }
                        return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw .notReached
        }
        let channel = connection.channel
        let limit = channel.eventLoop.scheduleTask(in: .seconds(20)) { channel.close(promise: nil) }
        let collected = Collected()
        do {
            try await connection.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(bytes: bytes))
                for try await part in inbound {
                    await collected.add(part.readableBytesView)
                    if await collected.bytes.count > 1 << 20 { break }
                }
            }
        } catch {
            // A refused handshake, or an end without a goodbye: what came before counts.
        }
        limit.cancel()
        let all = await collected.bytes
        return all.isEmpty ? nil : all
    }

    private static func context(
        _ server: RunningServer, _ security: Security, _ authority: String
    ) throws -> NIOSSLContext? {
        var tls = TLSConfiguration.makeClientConfiguration()
        switch security {
        case .plaintext: return nil
        case .tls(let lowest, let highest):
            tls.certificateVerification = .none
            (tls.minimumTLSVersion, tls.maximumTLSVersion) = (lowest, highest)
        case .verified:
            if server.hasLocalAuthority { tls.trustRoots = .file(authority) }
        }
        return try NIOSSLContext(configuration: tls)
    }

    private actor Collected {
        var bytes: [UInt8] = []

        func add(_ part: ByteBufferView) { bytes += part }
    }
}

/// An answer of HTTP/1.1, as a probe needs it.
struct ProbeAnswer: Sendable {
    let status: Int
    let fields: [(name: String, value: String)]
    let body: String

    init?(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n", omittingEmptySubsequences: false)
        let first = lines.first?.split(separator: " ") ?? []
        guard first.count >= 2, first[0].hasPrefix("HTTP/1."), let status = Int(first[1]) else { return nil }
        self.status = status
        fields = lines.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            return (name: line[..<colon].lowercased(), value: String(value))
        }
        body = String(text[end.upperBound...])
    }

    func values(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }
}

extension PostureScene {
    /// One request to the running server, over TLS as a client has it.
    func request(
        _ method: String, _ path: String, _ fields: [(String, String)] = [], body: String = ""
    ) async throws(ProbeFailure) -> ProbeAnswer {
        let server = try server()
        let name = server.settings.names.first ?? "localhost"
        var text = "\(method) \(path) HTTP/1.1\r\nHost: \(name):\(server.settings.port)\r\nConnection: close\r\n"
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        if !body.isEmpty || method == "POST" { text += "Content-Length: \(body.utf8.count)\r\n" }
        text += "\r\n" + body
        guard
            let bytes = try await ProbeConnection.exchange(
                server, .tls(.tlsv12, .tlsv13), from: source, authority: house.folder.authority, send: Array(text.utf8)),
            let answer = ProbeAnswer(bytes)
        else { throw .notReached }
        return answer
    }
}
