import WardCore
import WardCrypto
import WardFHIR

/// What the browser says it was asked (WebAuthn §5.8.1).
struct ClientData {
    /// Hash of the bytes as they came, which the signature covers.
    let hash: [UInt8]

    /// Reads the text and checks it: §7.1 steps 5 to 11, §7.2 steps 9 to 14 and 19.
    init(
        _ bytes: [UInt8], challenge: borrowing PasskeyChallenge, party: RelyingParty, now: Instant
    ) throws(PasskeyFailure) {
        // A duplicate key, a byte-order mark or text behind the object is refused by the parser.
        guard
            let tape = try? JSONTape(parsing: bytes, limits: JSONLimits(size: 8192, depth: 8)),
            tape.root.kind == .object
        else { throw .malformedClientData }
        let root = tape.root
        guard let type = root["type"]?.string, let text = root["challenge"]?.string, let origin = root["origin"]?.string
        else { throw .malformedClientData }
        guard type == challenge.ceremony.type else { throw .wrongType }
        guard constantTimeEquals(Array(text.utf8), Array(base64URL(challenge.bytes).utf8)) else {
            throw .wrongChallenge
        }
        guard now < challenge.expires else { throw .challengeExpired }
        // Byte by byte: Swift's own equality of strings would take other spellings of one text.
        guard Array(origin.utf8) == Array(party.origin.utf8) else { throw .wrongOrigin }
        // Ward is never a frame in another site (Level 3 §7.1, §7.2: crossOrigin, topOrigin).
        if let crossOrigin = root["crossOrigin"] {
            guard crossOrigin.kind == .false else { throw .crossOrigin }
        }
        guard root["topOrigin"] == nil else { throw .crossOrigin }
        hash = sha256(bytes).bytes
    }
}
