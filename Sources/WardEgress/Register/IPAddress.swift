/// An address of the Internet Protocol.
public enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// Reads dotted decimal, or the text form of RFC 4291 §2.2; no zones, no brackets.
    public init?(_ text: String) {
        if let number = Self.dotted(text[...]) {
            self = .v4(number)
            return
        }
        guard let words = Self.words(text) else { return nil }
        self = .v6(
            high: words[..<4].reduce(0) { $0 << 16 | UInt64($1) }, low: words[4...].reduce(0) { $0 << 16 | UInt64($1) })
    }

    public var text: String {
        switch self {
        case .v4(let number): (0..<4).map { "\(number >> UInt32(24 - 8 * $0) & 255)" }.joined(separator: ".")
        case .v6(let high, let low):
            [high, low].flatMap { half in (0..<4).map { String(half >> UInt64(48 - 16 * $0) & 0xFFFF, radix: 16) } }
                .joined(separator: ":")
        }
    }

    /// Whether it is one of the public network: not this machine, its networks, a multicast group, or one that is
    /// reserved or leads to another (IANA special-purpose registries, RFC 6890).
    public var isPublic: Bool {
        switch self {
        case .v4(let number):
            return !Self.reservedV4.contains { number >> (32 - $0.length) == $0.prefix >> (32 - $0.length) }
        case .v6(let high, let low):
            // Only 2000::/3 is given out; of it, what leads to an address of version 4 is judged as that.
            if high == 0, low >> 32 == 0xFFFF { return Self.v4(UInt32(truncatingIfNeeded: low)).isPublic }
            if high == 0x0064_FF9B_0000_0000, low >> 32 == 0 {
                return Self.v4(UInt32(truncatingIfNeeded: low)).isPublic
            }
            guard high >> 61 == 1 else { return false }
            if high >> 48 == 0x2002 { return Self.v4(UInt32(truncatingIfNeeded: high >> 16)).isPublic }
            // 2001::/23 (Teredo and other protocols), 2001:db8::/32, 3fff::/20: none a peer's.
            return high >> 41 != 0x2001_0000 >> 9 && high >> 32 != 0x2001_0DB8 && high >> 44 != 0x3FFF0
        }
    }

    private static let reservedV4: [(prefix: UInt32, length: UInt32)] = [
        (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16), (0xAC10_0000, 12),
        (0xC000_0000, 24), (0xC000_0200, 24), (0xC058_6300, 24), (0xC0A8_0000, 16), (0xC612_0000, 15),
        (0xC633_6400, 24), (0xCB00_7100, 24), (0xE000_0000, 4), (0xF000_0000, 4),
    ]

    private static func dotted(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var number: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let byte = UInt8(part), part.utf8.count == 1 || part.utf8.first != 0x30
            else { return nil }
            number = number << 8 | UInt32(byte)
        }
        return number
    }

    private static func words(_ text: String) -> [UInt16]? {
        guard text.utf8.count <= 45, text.contains(":") else { return nil }
        let halves = Self.halves(text)
        guard let head = group(halves[0], isLast: halves.count == 1) else { return nil }
        guard halves.count == 2 else { return head.count == 8 ? head : nil }
        guard let tail = group(halves[1], isLast: true), head.count + tail.count < 8 else { return nil }
        return head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    /// What stands before and after the first `::`; a second one is in no group.
    private static func halves(_ text: String) -> [Substring] {
        var place = text.startIndex
        while let colon = text[place...].firstIndex(of: ":") {
            let next = text.index(after: colon)
            if next < text.endIndex, text[next] == ":" { return [text[..<colon], text[text.index(after: next)...]] }
            place = next
        }
        return [text[...]]
    }

    private static func group(_ text: Substring, isLast: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var words: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (place, part) in parts.enumerated() {
            if isLast, place == parts.count - 1, let number = dotted(part) {
                words += [UInt16(number >> 16), UInt16(number & 0xFFFF)]
                continue
            }
            guard (1...4).contains(part.utf8.count), let word = UInt16(part, radix: 16), part.first != "+" else {
                return nil
            }
            words.append(word)
        }
        return words.count <= 8 ? words : nil
    }
}
