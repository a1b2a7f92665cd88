import Glibc
import NIOCore
import NIOPosix
import NIOSSL
public import WardEgress

/// TLS over sockets for the broker: SwiftNIO and BoringSSL.
///
/// TLS 1.2 or later, the whole chain and the host verified, no renegotiation, no name resolved while connecting.
public struct NIOTransport: EgressTransport {
    public init() {}

    public func addresses(of host: String) async throws(EgressFailure) -> [IPAddress] {
        // The system's resolver blocks.
        do {
            return try await NIOThreadPool.singleton.runIfActive { Self.resolved(host) }
        } catch {
            throw .unresolved
        }
    }

    public func connect(
        to address: IPAddress, port: Int, peer: EgressPeer, startsPlain: Bool
    ) async throws(EgressFailure) -> any EgressStream {
        let context = try Self.context(peer)
        // A certificate is held against the address where there is no name (RFC 9110 §4.3.5).
        let name = IPAddress(peer.host) == nil ? peer.host : nil
        let channel: any Channel
        let remains = Remains()
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(EgressLimits.connect))
                .channelOption(.autoRead, value: false)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            Pipe(context: context, name: name, remains: remains))
                    }
                }
                .connect(to: try SocketAddress(ipAddress: address.text, port: port)).get()
        } catch ChannelError.connectTimeout(_) {
            throw .timedOut
        } catch {
            throw .unreachable
        }
        let stream = NIOStream(channel: channel, remains: remains)
        guard !startsPlain else { return stream }
        do throws(EgressFailure) { try await stream.startTLS() } catch {
            stream.cut()
            throw error
        }
        return stream
    }

    private static func context(_ peer: EgressPeer) throws(EgressFailure) -> NIOSSLContext {
        var settings = TLSConfiguration.makeClientConfiguration()
        settings.minimumTLSVersion = .tlsv12
        settings.certificateVerification = .fullVerification
        settings.renegotiationSupport = .none
        do {
            if let authority = peer.authority {
                settings.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.utf8)))
            }
            return try NIOSSLContext(configuration: settings)
        } catch {
            throw .certificateRefused
        }
    }

    private static func resolved(_ host: String) -> [IPAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { unsafe freeaddrinfo(list) }
        var found: [IPAddress] = []
        var next = unsafe list
        while let entry = unsafe next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let result = unsafe getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            // A zone, as in fe80::1%eth0, is in no address of the public network.
            if result == 0, let address = IPAddress(String(decoding: bytes, as: UTF8.self)), !found.contains(address) {
                found.append(address)
            }
            unsafe next = entry.pointee.ai_next
        }
        return found
    }
}
