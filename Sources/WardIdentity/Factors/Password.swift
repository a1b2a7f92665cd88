// Normalization form C is in the standard library, but only Foundation has a public door to it, and that one would bring
// all of ICU into this layer. Tests pin what it does.
@_spi(_Unicode) import Swift
import WardCore
public import WardCrypto

/// A password somebody typed, prepared for hashing (RFC 8265 §4.2, OpaqueString); it never prints.
///
/// Copies share one buffer, wiped with the last of them.
public struct Password: Sendable, SilentKey {
    /// Code points, as NIST SP 800-63B-4 §3.1.1.2 counts.
    public let length: Int
    private let box: Box

    /// Longest password, far above the 64 characters that §3.1.1.2 asks for; a bound for strangers.
    public static let maximumLength = 256

    /// Prepares a password for both setting and checking one.
    ///
    /// Every space becomes U+0020, everything is brought into normalization form C. Nothing is cut, folded or trimmed.
    public init(typed: String) throws(PasswordFailure) {
        // No form of 256 code points is longer; whoever sends more is not read.
        guard typed.utf8.count <= Self.maximumLength * 16 else { throw .tooLong }
        var spaced = String.UnicodeScalarView()
        for scalar in typed.unicodeScalars {
            spaced.append(scalar.properties.generalCategory == .spaceSeparator ? " " : scalar)
        }
        var length = 0
        var bytes: [UInt8] = []
        // Reserved, so that growth leaves no unwiped copies behind.
        bytes.reserveCapacity(typed.utf8.count * 3)
        defer { wipe(&bytes) }
        for scalar in String(spaced)._nfc {
            switch scalar.properties.generalCategory {
            // What is unassigned today may normalize otherwise tomorrow.
            case .control, .unassigned, .privateUse, .surrogate: throw .unprintable
            default: length += 1
            }
            guard length <= Self.maximumLength else { throw .tooLong }
            bytes += UTF8.encode(scalar).map { Array($0) } ?? []
        }
        self.length = length
        box = Box(SecretBytes(copying: bytes))
    }

    /// Lends the prepared bytes.
    func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (borrowing SecretBytes) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(box.bytes)
    }

    /// The prepared text, for the comparison with lists while a password is chosen.
    func withText<Result>(_ body: (String) -> Result) -> Result {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(box.bytes.count)
        defer { wipe(&bytes) }
        box.bytes.withBytes { span in
            for index in 0..<span.byteCount {
                unsafe bytes.append(span.unsafeLoad(fromByteOffset: index, as: UInt8.self))
            }
        }
        return body(String(decoding: bytes, as: UTF8.self))
    }

    private final class Box: Sendable {
        let bytes: SecretBytes

        init(_ bytes: consuming SecretBytes) {
            self.bytes = bytes
        }
    }
}

/// Why a password is not taken.
public enum PasswordFailure: Error, Hashable, Sendable, CaseIterable {
    /// Well known as a whole.
    case common
    /// A few common words and little else.
    case commonWords
    /// Names of the person, of the clinic or of Ward, and little else.
    case names
    /// The same piece again and again.
    case repetition
    /// Neighbours in the alphabet or on the keyboard, and little else.
    case sequence
    case tooLong
    case tooShort
    /// Control characters, or characters that no standard assigns.
    case unprintable

    /// For whoever chooses a password (NIST SP 800-63B-4 §3.1.1.2: the reason for a rejection is told).
    public var text: String {
        switch self {
        case .common: "This is one of the first passwords anybody tries."
        case .commonWords: "These are only a few very common words. Add one or two unusual ones."
        case .names: "This is made of your name or the clinic's name. Use words that have nothing to do with you."
        case .repetition: "This repeats the same piece. Use different words."
        case .sequence: "This follows the alphabet or the keyboard. Use words."
        case .tooLong: "A password has at most \(Password.maximumLength) characters."
        case .tooShort: "A password needs at least \(Passwords.minimumLength) characters. Four unrelated words do."
        case .unprintable: "This contains a character that cannot be printed."
        }
    }
}
