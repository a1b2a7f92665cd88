import Synchronization

/// A place that no register can be asked about, because no store is open: a key service before its store, storage before
/// a restore.
///
/// Rules for addresses and certificates are the broker's. No event can be written before; whoever opens the store
/// afterwards tells its log.
public struct UnregisteredPlace: Hashable, Sendable {
    public let host: String
    public let port: Int
    public let region: String
    /// The exact address of a place on premises: no name is resolved then.
    public let address: IPAddress?
    /// PEM of the only authority to trust, instead of the system's.
    public let authority: String?

    /// Nil for what could not be registered either.
    public init?(host: String, port: Int, region: String, address: IPAddress? = nil, authority: String? = nil) {
        guard Destination.isHost(host), (1...65_535).contains(port), isRegisterName(region),
            authority.map({
                $0.utf8.count <= Destination.longestAuthority && $0.contains("-----BEGIN CERTIFICATE-----")
            }) ?? true
        else { return nil }
        (self.host, self.port, self.region, self.address, self.authority) = (host, port, region, address, authority)
    }
}

/// HTTP/1.1 to an unregistered place: keeps one connection, follows no redirect.
final class UnregisteredDoor: Sendable {
    private let place: UnregisteredPlace
    private let transport: any EgressTransport
    private let kept = Mutex<(any EgressStream)?>(nil)

    init(_ place: UnregisteredPlace, transport: any EgressTransport) {
        self.place = place
        self.transport = transport
    }

    func send(
        limit: Int, _ make: @Sendable (HTTPPlace) throws(EgressFailure) -> HTTPRequest
    ) async throws(EgressFailure) -> HTTPAnswer {
        let request = try make(HTTPPlace(host: place.host, port: place.port, region: place.region))
        if let stream = take() {
            do throws(EgressFailure) { return try await exchange(request, limit, stream) } catch {
                guard error == .peerClosed, request.method != "POST" else { throw error }
            }
        }
        return try await exchange(request, limit, try await connected())
    }

    func close() { take()?.cut() }

    private func take() -> (any EgressStream)? {
        kept.withLock { kept in
            defer { kept = nil }
            return kept
        }
    }

    private func connected() async throws(EgressFailure) -> any EgressStream {
        let addresses = try await allowedAddresses(of: place.host, exactly: place.address, by: transport)
        let peer = EgressPeer(host: place.host, authority: place.authority)
        var failure = EgressFailure.unreachable
        for address in addresses.prefix(4) {
            do throws(EgressFailure) {
                return try await transport.connect(to: address, port: place.port, peer: peer, startsPlain: false)
            } catch {
                failure = error
                guard error == .unreachable || error == .timedOut else { break }
            }
        }
        throw failure
    }

    private func exchange(
        _ request: HTTPRequest, _ limit: Int, _ stream: any EgressStream
    ) async throws(EgressFailure) -> HTTPAnswer {
        var parser = HTTPAnswerParser(limit: limit, isHead: request.method == "HEAD")
        do throws(EgressFailure) {
            try await stream.write(request.bytes(host: place.host, port: place.port))
            while true {
                guard let answer = try parser.take(try await stream.read()) else { continue }
                let spare: (any EgressStream)? = kept.withLock { kept in
                    guard answer.keepsOpen, kept == nil else { return stream }
                    kept = stream
                    return nil
                }
                spare?.cut()
                return answer
            }
        } catch {
            stream.cut()
            throw error
        }
    }
}

/// The addresses that a connection may go to: the exact one, or what the name leads to if all of it is public.
func allowedAddresses(
    of host: String, exactly address: IPAddress?, by transport: any EgressTransport
) async throws(EgressFailure) -> [IPAddress] {
    let addresses: [IPAddress]
    if let address {
        addresses = [address]
    } else if let address = IPAddress(host) {
        addresses = [address].filter(\.isPublic)
    } else {
        let found = try await transport.addresses(of: host)
        guard !found.isEmpty else { throw .unresolved }
        // One private address among public ones is a name that somebody else steers: none is used.
        addresses = found.allSatisfy(\.isPublic) ? found : []
    }
    guard !addresses.isEmpty else { throw .addressNotAllowed }
    return addresses
}

/// What a request has to know of where it goes.
struct HTTPPlace: Sendable {
    let host: String
    let port: Int
    let region: String
}

/// One of the two ways that a signed request goes.
enum HTTPWay: Sendable {
    case registered(HTTPDoor)
    case unregistered(UnregisteredDoor)

    func send(
        limit: Int, _ make: @Sendable (HTTPPlace) throws(EgressFailure) -> HTTPRequest
    ) async throws(EgressFailure) -> HTTPAnswer {
        switch self {
        case .registered(let door):
            return try await door.send(limit: limit) { proof throws(EgressFailure) in
                let destination = proof.destination
                return try make(
                    HTTPPlace(host: destination.host, port: destination.port, region: destination.region))
            }
        case .unregistered(let door): return try await door.send(limit: limit, make)
        }
    }

    func close() async {
        switch self {
        case .registered(let door): await door.close()
        case .unregistered(let door): door.close()
        }
    }
}
