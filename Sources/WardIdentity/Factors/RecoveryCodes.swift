public import WardCrypto

/// What is kept of a person's recovery codes: a keyed hash of each that is not used yet.
///
/// Saved recovery codes of NIST SP 800-63B-4 §4.2.1.1: shown once, each good once. With 128 random bits they need no
/// slow hash (§3.1.2.2), and with the key a stolen store says nothing.
public struct RecoveryCodes: Sendable, Hashable {
    /// Codes of a fresh set.
    public static let count = 10

    private let hashes: [Digest]

    private init(hashes: [Digest]) {
        self.hashes = hashes
    }

    /// Makes a fresh set, which takes the place of an older one.
    public static func make(
        for person: String, key: MacKey
    ) -> (shown: [SavedRecoveryCode], kept: RecoveryCodes) {
        let shown = (0..<count).map { _ in SavedRecoveryCode() }
        return (shown, RecoveryCodes(hashes: shown.map { $0.hash(person, key) }))
    }

    /// How many are left.
    public var remaining: Int { hashes.count }

    /// What is left when `code` is used; nil if it is none of them.
    ///
    /// The caller keeps the result before it lets anybody in.
    public func using(_ code: SavedRecoveryCode, for person: String, key: MacKey) -> RecoveryCodes? {
        let hash = code.hash(person, key).bytes
        // Every one is compared.
        let left = hashes.filter { !constantTimeEquals($0.bytes, hash) }
        return left.count < hashes.count ? RecoveryCodes(hashes: left) : nil
    }

    /// 32 bytes a code; to be sealed.
    package func encoded() -> [UInt8] { hashes.flatMap(\.bytes) }

    /// Reads what ``encoded()`` wrote.
    package init?(decoding bytes: [UInt8]) {
        guard bytes.count % 32 == 0, bytes.count <= Self.count * 32 else { return nil }
        hashes = stride(from: 0, to: bytes.count, by: 32).compactMap { Digest(bytes: bytes[$0..<$0 + 32]) }
    }
}

/// One recovery code, as printed and as typed; it never prints by itself.
public struct SavedRecoveryCode: Sendable, SilentKey {
    private let bytes: [UInt8]

    /// 128 random bits.
    init() {
        bytes = randomBytes(16)
    }

    /// Reads a code as typed: case, spaces and hyphens do not matter, nor O for 0 or I and L for 1.
    ///
    /// Nil for a mistyped one, which two check letters tell from a wrong one in 1,023 of 1,024 cases.
    public init?(typed: String) {
        guard typed.utf8.count <= 128 else { return nil }
        let letters = typed.utf8.compactMap { byte -> UInt8? in
            switch byte {
            case 0x20, 0x2D: nil
            case 0x4F, 0x6F: 0x30
            case 0x49, 0x69, 0x4C, 0x6C: 0x31
            case 0x61...0x7A: byte - 0x20
            default: byte
            }
        }
        guard
            letters.count == Self.letters, let bytes = Base32.crockford.decoded(letters.prefix(26)),
            Self.check(bytes) == String(decoding: letters.suffix(2), as: UTF8.self)
        else { return nil }
        self.bytes = bytes
    }

    /// Seven groups of four letters of Crockford's base 32, the last two to notice typing errors.
    public func exposedText() -> String {
        let text = Array((Base32.crockford.encoded(bytes) + Self.check(bytes)))
        return stride(from: 0, to: text.count, by: 4).map { String(text[$0..<min($0 + 4, text.count)]) }
            .joined(separator: "-")
    }

    /// Bound to the person: a hash moved to another account opens nothing.
    fileprivate func hash(_ person: String, _ key: MacKey) -> Digest {
        key.tag(Array("ward/recovery-code/1".utf8), Array(person.utf8), bytes)
    }

    private static let letters = 28

    private static func check(_ bytes: [UInt8]) -> String {
        let digest = sha256(Array("ward/recovery-code-check/1".utf8), bytes).bytes
        return String(Base32.crockford.encoded(Array(digest.prefix(2))).prefix(2))
    }
}
