import Crypto
import WardCore
import WardCrypto

/// Tells another system that something has changed, and not what: it comes and asks, as whoever it is.
public struct Webhook: Sendable {
    private let door: HTTPDoor

    /// - Parameter destination: of kind webhook, in the register.
    public init(broker: EgressBroker, destination: String) {
        door = HTTPDoor(broker: broker, destination: destination, kind: .webhook)
    }

    /// Sends it, signed with the destination's secret: `ward-signature: t=SECONDS,v1=HEX`, the HMAC-SHA-256 of
    /// `SECONDS.BODY`.
    public func send() async throws(EgressFailure) {
        let answer = try await door.send(limit: 65_536) { proof throws(EgressFailure) in
            guard proof.destination.secret.count == 32 else { throw .withoutSecret }
            let seconds = Instant.now().microseconds / 1_000_000
            let body = Array(#"{"changed":true}"#.utf8)
            let signature = Self.signature(body, at: seconds, secret: proof.destination.secret)
            return HTTPRequest(
                method: "POST", target: proof.destination.path,
                headers: [
                    (name: "content-type", value: "application/json"), (name: "ward-signature", value: signature),
                ], body: body)
        }
        await door.close()
        // A redirect is an answer like any other that is not a success: nothing follows it.
        guard (200...299).contains(answer.status) else { throw .answered(answer.status) }
    }

    package static func signature(_ body: [UInt8], at seconds: Int64, secret: [UInt8]) -> String {
        let text = Array("\(seconds).".utf8) + body
        let code = HMAC<SHA256>.authenticationCode(for: text, using: SymmetricKey(data: secret))
        return "t=\(seconds),v1=\(hex(Array(code)))"
    }
}
