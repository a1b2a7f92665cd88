/// Base 32 over a given alphabet: five bits a letter, most significant first, the last letter filled with zeros.
struct Base32 {
    /// RFC 4648 §6, as authenticator apps take it.
    static let standard = Base32("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    /// Crockford's, without letters that look alike.
    static let crockford = Base32("0123456789ABCDEFGHJKMNPQRSTVWXYZ")

    private let alphabet: [UInt8]

    private init(_ alphabet: StaticString) {
        self.alphabet = Array("\(alphabet)".utf8)
    }

    func encoded(_ bytes: [UInt8]) -> String {
        var letters: [UInt8] = []
        var (buffer, bits) = (0, 0)
        for byte in bytes {
            buffer = (buffer << 8 | Int(byte)) & 0xFFFF
            bits += 8
            while bits >= 5 {
                bits -= 5
                letters.append(alphabet[buffer >> bits & 31])
            }
        }
        if bits > 0 { letters.append(alphabet[buffer << (5 - bits) & 31]) }
        return String(decoding: letters, as: UTF8.self)
    }

    /// Nil for other letters, a length that no bytes have, or a last letter that is not filled with zeros.
    func decoded(_ letters: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(letters.count)
        var (buffer, bits) = (0, 0)
        for letter in letters {
            guard let value = alphabet.firstIndex(of: letter) else { return nil }
            buffer = (buffer << 5 | value) & 0xFFFF
            bits += 5
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(buffer >> bits & 255))
            }
        }
        guard bits < 5, buffer & ((1 << bits) - 1) == 0 else { return nil }
        return bytes
    }
}
