import Crypto
import FoundationEssentials
import WardCore
import WardCrypto
import WardFHIR

/// A signed token in its compact form (RFC 7515 §7.1), with ES256 and nothing else: there is no choice to get wrong.
struct CompactJWS {
    let header: JSONValue
    let claims: JSONValue
    private let signed: [UInt8]
    private let signature: [UInt8]

    /// Reads a token; nothing is checked yet. Nil for more than 8 KiB, for padding, and for a critical extension.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 8192, parts.count == 3, let header = Self.object(parts[0]),
            let claims = Self.object(parts[1]), let signature = base64URLDecoded(parts[2]), signature.count == 64,
            header["alg"]?.string == "ES256", header["crit"] == nil
        else { return nil }
        self.header = header
        self.claims = claims
        self.signature = signature
        signed = Array("\(parts[0]).\(parts[1])".utf8)
    }

    func isSigned(by key: P256.Signing.PublicKey) -> Bool {
        guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
        return key.isValidSignature(signature, for: signed)
    }

    static func sign(header: [UInt8], claims: [UInt8], with key: P256.Signing.PrivateKey) -> String? {
        let content = "\(base64URL(header)).\(base64URL(claims))"
        guard let signature = try? key.signature(for: Array(content.utf8)) else { return nil }
        return "\(content).\(base64URL(Array(signature.rawRepresentation)))"
    }

    private static func object(_ part: Substring) -> JSONValue? {
        guard let bytes = base64URLDecoded(part), let tape = try? JSONTape(parsing: bytes) else { return nil }
        return tape.root.kind == .object ? tape.root : nil
    }
}

extension JSONValue {
    /// Seconds since 1970 as JWT writes them (RFC 7519 §2), a fraction cut off; nil for what no clock shows.
    var numericDate: Instant? {
        guard kind == .number, let seconds = Double(tape.text(index)), (0...9_000_000_000).contains(seconds) else {
            return nil
        }
        return Instant(microseconds: Int64(seconds) * 1_000_000)
    }
}
