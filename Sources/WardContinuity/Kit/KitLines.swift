/// Sixty bytes as six lines that a person can type, each with two check letters.
///
/// A line is ten bytes as sixteen letters of Crockford's base 32 and two letters of a code over GF(32) whose words differ in
/// three places: up to two wrong letters in a line are always noticed, so also two that changed places. The number of
/// the line counts as a letter, so that lines that changed places are noticed too.
enum KitLines {
    static let byteCount = lineCount * 10
    static let lineCount = 6

    static func text(_ bytes: [UInt8]) -> [String] {
        (0..<lineCount).map { line in
            let letters = values(Array(bytes[line * 10..<line * 10 + 10]))
            let all = (letters + checks(letters, line: line)).map { alphabet[Int($0)] }
            let groups = stride(from: 0, to: all.count, by: 6).map { String(decoding: all[$0..<$0 + 6], as: UTF8.self) }
            return "\(line + 1)  " + groups.joined(separator: " ")
        }
    }

    /// Reads lines as typed: with or without their number; case, spaces and hyphens do not matter, nor O for 0 or I and
    /// L for 1.
    static func bytes(_ typed: String) throws(KitFailure) -> [UInt8] {
        let lines = typed.split(whereSeparator: \.isNewline).map { letters($0) }.filter { !$0.isEmpty }
        guard lines.count == lineCount else { throw .lines(found: lines.count) }
        var bytes: [UInt8] = []
        for (line, letters) in lines.enumerated() {
            var letters = letters
            if letters.count == 19, letters.first == UInt8(0x31 + line) { letters.removeFirst() }
            let read = letters.map { alphabet.firstIndex(of: $0) }
            guard letters.count == 18, !read.contains(nil) else { throw .mistyped(line: line + 1) }
            let values = read.compactMap { $0.map { UInt8($0) } }
            guard Array(values.suffix(2)) == checks(Array(values.prefix(16)), line: line) else {
                throw .mistyped(line: line + 1)
            }
            bytes += Self.bytes(Array(values.prefix(16)))
        }
        return bytes
    }

    private static func letters(_ line: Substring) -> [UInt8] {
        line.uppercased().utf8.compactMap { byte in
            switch byte {
            case 0x20, 0x09, 0x2D: nil
            case 0x4F: 0x30
            case 0x49, 0x4C: 0x31
            default: byte
            }
        }
    }

    // MARK: Letters

    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    private static func values(_ bytes: [UInt8]) -> [UInt8] {
        var (buffer, bits) = (UInt32(0), 0)
        var values: [UInt8] = []
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                values.append(UInt8(buffer >> (bits - 5) & 31))
                bits -= 5
            }
        }
        return values
    }

    private static func bytes(_ values: [UInt8]) -> [UInt8] {
        var (buffer, bits) = (UInt32(0), 0)
        var bytes: [UInt8] = []
        for value in values {
            buffer = buffer << 5 | UInt32(value)
            bits += 5
            if bits >= 8 {
                bytes.append(UInt8(truncatingIfNeeded: buffer >> (bits - 8)))
                bits -= 8
            }
        }
        return bytes
    }

    // MARK: Check letters

    /// Sum, and sum weighted by powers of a generator: a Reed-Solomon code of distance 3 over GF(32).
    ///
    /// With the letters at places 2 and up and the checks at 0 and 1, every word has value 0 at 1 and at the generator.
    private static func checks(_ letters: [UInt8], line: Int) -> [UInt8] {
        var (sum, weighted) = (UInt8(0), UInt8(0))
        for (place, value) in ([UInt8(line)] + letters).enumerated() {
            sum ^= value
            weighted ^= multiply(value, power(place + 2))
        }
        // a + b = sum and a + g b = weighted, where g is 2: b = (sum + weighted) / (1 + g).
        let second = multiply(sum ^ weighted, inverseOfThree)
        return [sum ^ second, second]
    }

    private static func multiply(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var product: UInt8 = 0
        var left = left
        for bit in 0..<5 {
            if right >> UInt8(bit) & 1 == 1 { product ^= left }
            left <<= 1
            // x^5 + x^2 + 1, which is primitive: 2 generates all 31.
            if left & 32 != 0 { left ^= 0b100101 }
        }
        return product
    }

    private static func power(_ exponent: Int) -> UInt8 { (0..<exponent).reduce(1) { value, _ in multiply(value, 2) } }

    private static let inverseOfThree: UInt8 = (1..<32).first { multiply($0, 3) == 1 } ?? 0
}
