import Synchronization
import WardCore

/// HTTP/1.1 to one destination: keeps connections for the next request, follows no redirect, says nothing twice that
/// may have been heard.
final class HTTPDoor: Sendable {
    private static let mostKept = 8

    private let broker: EgressBroker
    let destination: String
    private let kind: Destination.Kind
    private let kept = Mutex<[EgressConnection]>([])

    init(broker: EgressBroker, destination: String, kind: Destination.Kind) {
        self.broker = broker
        self.destination = destination
        self.kind = kind
    }

    /// - Parameters:
    ///   - limit: largest body of the answer in bytes.
    ///   - make: builds the request for the destination as the proof has it.
    func send(
        limit: Int, _ make: @Sendable (BAAProof) throws(EgressFailure) -> HTTPRequest
    ) async throws(EgressFailure) -> HTTPAnswer {
        while let connection = kept.withLock({ $0.popLast() }) {
            guard connection.isOpen else { continue }
            guard !connection.isRetired else {
                await connection.close()
                continue
            }
            let request = try make(connection.proof)
            do throws(EgressFailure) { return try await exchange(request, limit, connection) } catch {
                // A kept connection may have ended meanwhile; what is safe to say again goes through a fresh one.
                guard error == .peerClosed, request.isRepeatable else { throw error }
            }
        }
        let connection = try await broker.open(destination, kind)
        let request: HTTPRequest
        do throws(EgressFailure) { request = try make(connection.proof) } catch {
            await connection.close(error)
            throw error
        }
        return try await exchange(request, limit, connection)
    }

    /// Ends what is kept.
    func close() async {
        for connection in kept.withLock({ kept in
            defer { kept = [] }
            return kept
        }) {
            await connection.close()
        }
    }

    private func exchange(
        _ request: HTTPRequest, _ limit: Int, _ connection: EgressConnection
    ) async throws(EgressFailure) -> HTTPAnswer {
        let destination = connection.proof.destination
        var parser = HTTPAnswerParser(limit: limit, isHead: request.method == "HEAD")
        do throws(EgressFailure) {
            try await connection.write(request.bytes(host: destination.host, port: destination.port))
            while true {
                guard let answer = try parser.take(try await connection.read()) else { continue }
                let isKept =
                    answer.keepsOpen && !connection.isRetired
                    && kept.withLock { kept in
                        guard kept.count < Self.mostKept else { return false }
                        kept.append(connection)
                        return true
                    }
                if !isKept { await connection.close() }
                return answer
            }
        } catch {
            await connection.close(error)
            throw error
        }
    }
}

extension HTTPRequest {
    /// Whether hearing it twice does what hearing it once does, and is answered so: a conditional one that was heard
    /// already would be refused for its own effect (RFC 9110 §9.2.2, §13.1.2).
    fileprivate var isRepeatable: Bool {
        method != "POST" && !headers.contains { $0.name.lowercased() == "if-none-match" }
    }
}
