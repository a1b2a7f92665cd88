import Crypto
public import WardCore
public import WardCrypto

/// The seed of an authenticator app (RFC 6238): SHA-1, six digits, thirty seconds, the only choice that all apps know.
///
/// Copies share one zeroizing buffer; it never prints.
public struct TOTPSeed: Sendable, SilentKey {
    private let key: SymmetricKey

    /// 160 random bits (RFC 4226 §4 R6).
    public init() {
        key = SymmetricKey(size: SymmetricKeySize(bitCount: 160))
    }

    /// Takes 20 bytes; nil for any other length.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 20 else { return nil }
        key = SymmetricKey(data: bytes)
    }

    /// Lends the bytes, for sealing.
    package func withBytes<Result, Failure: Error>(
        _ body: ([UInt8]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var bytes = unsafe key.withUnsafeBytes { unsafe Array($0) }
        defer { wipe(&bytes) }
        return try body(bytes)
    }

    /// The time step whose code this is, or nil.
    ///
    /// One step to either side is taken, for clocks that differ and codes that were slow to type (RFC 6238 §5.2); a step
    /// up to `lastStep` never, so that a code is good once (NIST SP 800-63B-4 §3.1.4.2). The caller keeps the returned
    /// step before it lets anybody in.
    ///
    /// - Parameter lastStep: the newest step that was ever accepted; nil before the first.
    public func match(_ code: OneTimeCode, at now: Instant, after lastStep: Int64?) -> Int64? {
        let current = now.microseconds.floorDivided(by: Self.period * 1_000_000)
        var accepted: Int64?
        // All three are computed and compared, whichever matches; of two steps with one code the later counts.
        for step in current - 1...current + 1 where step >= 0 {
            let matches = constantTimeEquals(Self.hotp(key, counter: UInt64(step), digits: 6), code.digits)
            if matches, step > lastStep ?? -1 { accepted = step }
        }
        return accepted
    }

    /// The code of a step, as the app shows it; for tests and for whoever plays the app.
    package func digits(step: Int64, count: Int) -> String {
        String(decoding: Self.hotp(key, counter: UInt64(bitPattern: step), digits: count), as: UTF8.self)
    }

    /// RFC 4226 §5.3.
    private static func hotp(_ key: SymmetricKey, counter: UInt64, digits: Int) -> [UInt8] {
        let message = (0..<8).map { UInt8(truncatingIfNeeded: counter >> UInt64(56 - 8 * $0)) }
        let tag = Array(HMAC<Insecure.SHA1>.authenticationCode(for: message, using: key))
        let offset = Int(tag[19] & 15)
        var number = tag[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        var text = [UInt8](repeating: 0, count: digits)
        for place in text.indices.reversed() {
            text[place] = 0x30 + UInt8(number % 10)
            number /= 10
        }
        return text
    }

    private static let period: Int64 = 30

    // MARK: Shown once, when the app is set up

    /// The seed for typing in: base 32 in groups of four.
    public func exposedText() -> String {
        let letters = withBytes { Base32.standard.encoded($0) }
        return letters.enumerated().reduce(into: "") { text, letter in
            if letter.offset > 0, letter.offset % 4 == 0 { text.append(" ") }
            text.append(letter.element)
        }
    }

    /// The seed as apps scan it (Key Uri Format): `otpauth://totp/ISSUER:ACCOUNT?secret=...`.
    public func exposedURI(issuer: String, account: String) -> String {
        let (issuer, account) = (Self.percentEncoded(issuer), Self.percentEncoded(account))
        let secret = withBytes { Base32.standard.encoded($0) }
        return "otpauth://totp/\(issuer):\(account)?secret=\(secret)&issuer=\(issuer)&algorithm=SHA1&digits=6&period=30"
    }

    /// Everything but the unreserved characters (RFC 3986 §2.3).
    private static func percentEncoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { output, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                output.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                output += "%" + hex([byte]).uppercased()
            }
        }
    }
}

/// Six digits that somebody typed; it never prints.
public struct OneTimeCode: Sendable, SilentKey {
    let digits: [UInt8]

    /// Reads a code as typed, with blanks anywhere; nil unless six digits are left.
    public init?(typed: String) {
        guard typed.utf8.count <= 32 else { return nil }
        let digits = typed.utf8.filter { $0 != 0x20 }
        guard digits.count == 6, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.digits = digits
    }
}
