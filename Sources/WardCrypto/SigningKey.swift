internal import Crypto
internal import FoundationEssentials
internal import Glibc

/// An Ed25519 key (RFC 8032) that signs checkpoints.
public struct SigningKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    public init() {
        key = Curve25519.Signing.PrivateKey()
    }

    /// Restores a key from its 32-byte seed.
    public init?(seed: [UInt8]) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else { return nil }
        self.key = key
    }

    /// The 32-byte seed, for sealing.
    package var seed: [UInt8] { Array(key.rawRepresentation) }

    /// 32 bytes.
    public var publicKey: [UInt8] { Array(key.publicKey.rawRepresentation) }

    /// A 64-byte signature.
    public func sign(_ message: [UInt8]) -> [UInt8]? { (try? key.signature(for: message)).map { Array($0) } }

    /// Whether `signature` is one of `message` under the raw public key.
    public static func isValid(_ signature: [UInt8], of message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else { return false }
        return key.isValidSignature(signature, for: message)
    }
}

/// Bytes from the system's generator, for tokens, ids, salts and nonces.
public func randomBytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    // One call for up to 256 bytes: the generators of the libraries ask the kernel for every eight.
    let isFilled = unsafe bytes.withUnsafeMutableBytes { buffer in
        stride(from: 0, to: count, by: 256).allSatisfy { start in
            let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start..<min(start + 256, count)])
            return unsafe getentropy(part.baseAddress, part.count) == 0
        }
    }
    if !isFilled {
        // Never less than random: this one ends the process where there is no randomness.
        var generator = SystemRandomNumberGenerator()
        for place in bytes.indices { bytes[place] = UInt8.random(in: .min ... .max, using: &generator) }
    }
    return bytes
}

/// A random RFC 9562 version 4 UUID in lower case, for ids that Ward assigns.
public func randomUUID() -> String {
    var bytes = randomBytes(16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    var text: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
        if index == 4 || index == 6 || index == 8 || index == 10 { text.append(0x2D) }
        text += [hexLetter(byte >> 4), hexLetter(byte & 15)]
    }
    return String(decoding: text, as: UTF8.self)
}

/// Lower-case hexadecimal.
public func hex(_ bytes: [UInt8]) -> String { hex(bytes[...]) }

/// As ``hex(_:)`` for a part of an array.
public func hex(_ bytes: ArraySlice<UInt8>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
        text.append(hexLetter(byte >> 4))
        text.append(hexLetter(byte & 15))
    }
    return String(decoding: text, as: UTF8.self)
}

private func hexLetter(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

/// RFC 4648 §4, with padding.
public func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

/// RFC 4648 §4; nil for anything else, also for texts that are not the one encoding of their bytes (§3.5).
public func base64Decoded(_ text: String) -> [UInt8]? {
    guard let data = Data(base64Encoded: text), data.base64EncodedString() == text else { return nil }
    return Array(data)
}

/// RFC 4648 §5, without padding, as JOSE writes it.
public func base64URL(_ bytes: [UInt8]) -> String {
    String(base64(bytes).compactMap { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 == "=" ? nil : $0 })
}

/// RFC 4648 §5 without padding; nil for anything else.
public func base64URLDecoded(_ text: some StringProtocol) -> [UInt8]? {
    guard !text.contains("="), !text.contains("+"), !text.contains("/") else { return nil }
    var plain = String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
    plain += String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
    return base64Decoded(plain)
}

/// Compares without telling by time where the difference is.
public func constantTimeEquals(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
}
