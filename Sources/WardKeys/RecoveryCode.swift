public import WardCrypto

/// The printed key of the recovery kit: 256 random bits as eight groups that a person can type.
///
/// Seven letters of Crockford's base 32 and one check letter a group, so that a mistyped group is named.
public struct RecoveryCode: Sendable {
    public let text: String
    private let key: KeyMaterial

    /// The key pair whose public half the tenant key is sealed to.
    var pair: RecoveryPrivateKey? { key.withBytes { RecoveryPrivateKey(seed: $0) } }

    /// A fresh code.
    public init() {
        self.init(bytes: randomBytes(32))
    }

    private init(bytes: [UInt8]) {
        key = (KeyMaterial(bytes) ?? .random()).derived("ward/recovery/2")
        text = Self.encoded(bytes)
    }

    /// Reads a code as typed: case, spaces and hyphens do not matter, nor O for 0 or I and L for 1.
    public init(typed: String) throws(KeyFailure) {
        var letters: [UInt8] = []
        for byte in typed.uppercased().utf8 where byte != 0x20 && byte != 0x2D && byte != 0x0A && byte != 0x0D {
            switch byte {
            case 0x4F: letters.append(0x30)
            case 0x49, 0x4C: letters.append(0x31)
            default: letters.append(byte)
            }
        }
        let values = letters.map { Self.alphabet.firstIndex(of: $0) }
        guard values.count == 64 else { throw .mistypedGroup(min(values.count / 8 + 1, 8)) }
        var bits: [UInt8] = []
        for group in 0..<8 {
            let part = values[group * 8..<group * 8 + 8].compactMap { $0 }
            guard part.count == 8, part[7] == Self.check(part.prefix(7), group) else { throw .mistypedGroup(group + 1) }
            for value in part.prefix(7) { bits += (0..<5).map { UInt8(value >> (4 - $0) & 1) } }
        }
        // 280 bits carry 256; the rest is zero in every code that was printed.
        guard !bits[256...].contains(1) else { throw .mistypedGroup(8) }
        let bytes = (0..<32).map { index in bits[index * 8..<index * 8 + 8].reduce(UInt8(0)) { $0 << 1 | $1 } }
        self.init(bytes: bytes)
    }

    private static func encoded(_ bytes: [UInt8]) -> String {
        var bits = bytes.flatMap { byte in (0..<8).map { byte >> UInt8(7 - $0) & 1 } }
        bits += [UInt8](repeating: 0, count: 280 - bits.count)
        let values = (0..<56).map { index in bits[index * 5..<index * 5 + 5].reduce(0) { $0 << 1 | Int($1) } }
        let groups = (0..<8).map { group in
            let part = values[group * 7..<group * 7 + 7]
            let letters = part.map { alphabet[$0] } + [alphabet[check(part, group)]]
            return String(decoding: letters, as: UTF8.self)
        }
        return groups.joined(separator: "-")
    }

    /// Sum with odd weights modulo 32: notices every single wrong letter, and swaps of neighbours but one in 31.
    private static func check(_ values: some Collection<Int>, _ group: Int) -> Int {
        values.enumerated().reduce(group + 1) { $0 + (2 * $1.offset + 3) * $1.element } % 32
    }

    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
}

extension RecoveryCode: SilentKey {}
