import WardCrypto
import WardFHIR

/// What a browser sends when it made a passkey: `PublicKeyCredential.toJSON()` (WebAuthn Level 3 §5.1.8).
public struct PasskeyRegistration: Sendable {
    let id: [UInt8]
    let clientData: [UInt8]
    let attestationObject: [UInt8]
    let transports: [String]

    public init(json: [UInt8]) throws(PasskeyFailure) {
        let message = try PasskeyMessage(json)
        id = message.id
        clientData = try message.bytes("clientDataJSON")
        attestationObject = try message.bytes("attestationObject")
        let named = message.response["transports"]?.elements.compactMap(\.string) ?? []
        transports = PasskeyMessage.transports.filter(named.contains)
    }
}

/// What a browser sends when a passkey signed.
public struct PasskeyAssertion: Sendable {
    /// Which passkey claims to have signed; to find it before anything is checked.
    public let id: [UInt8]
    /// Whose it claims to be: the person's id; nil if the authenticator did not say.
    public let userHandle: String?
    let clientData: [UInt8]
    let authenticatorData: [UInt8]
    let signature: [UInt8]

    public init(json: [UInt8]) throws(PasskeyFailure) {
        let message = try PasskeyMessage(json)
        id = message.id
        clientData = try message.bytes("clientDataJSON")
        authenticatorData = try message.bytes("authenticatorData")
        signature = try message.bytes("signature")
        if let handle = message.response["userHandle"], handle.kind != .null {
            guard let text = String(validating: try message.bytes("userHandle"), as: UTF8.self) else {
                throw .malformedResponse
            }
            userHandle = text
        } else {
            userHandle = nil
        }
    }
}

/// What both have in common.
private struct PasskeyMessage {
    let id: [UInt8]
    let response: JSONValue

    /// WebAuthn §5.8.4; others are left out.
    static let transports = ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"]

    init(_ json: [UInt8]) throws(PasskeyFailure) {
        guard
            let tape = try? JSONTape(parsing: json, limits: JSONLimits(size: 131_072, depth: 8)),
            tape.root["type"]?.string == "public-key", let text = tape.root["rawId"]?.string,
            tape.root["id"]?.string ?? text == text, let id = base64URLDecoded(text), (1...1023).contains(id.count),
            let response = tape.root["response"], response.kind == .object
        else { throw .malformedResponse }
        self.id = id
        self.response = response
    }

    func bytes(_ name: StaticString) throws(PasskeyFailure) -> [UInt8] {
        guard let text = response[name]?.string, let bytes = base64URLDecoded(text) else { throw .malformedResponse }
        return bytes
    }
}
