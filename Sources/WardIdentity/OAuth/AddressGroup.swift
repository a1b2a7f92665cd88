/// What limits on strangers count by: an IPv4 address, or the /64 network of an IPv6 address.
///
/// Whoever has one IPv6 address has 2^64 of them (RFC 6177, RFC 4291 §2.5.4).
public enum AddressGroup {
    /// The group of an address as the network surface writes it; of anything else the text itself, cut to 64 letters.
    public static func of(_ address: String) -> String {
        guard address.contains(":"), let words = words(address.prefix { $0 != "%" }) else {
            return String(address.prefix(64))
        }
        // An IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2).
        if words[..<5].allSatisfy({ $0 == 0 }), words[5] == 0xFFFF {
            return "\(words[6] >> 8).\(words[6] & 255).\(words[7] >> 8).\(words[7] & 255)"
        }
        return words[..<4].map { String($0, radix: 16) }.joined(separator: ":") + "::/64"
    }

    /// The eight 16-bit words of an IPv6 address (RFC 4291 §2.2); nil for what is none.
    private static func words(_ text: Substring) -> [UInt16]? {
        guard let gap = gap(text) else { return plain(text).flatMap { $0.count == 8 ? $0 : nil } }
        guard let before = plain(text[..<gap]), let after = plain(text[text.index(gap, offsetBy: 2)...]),
            before.count + after.count < 8
        else { return nil }
        return before + [UInt16](repeating: 0, count: 8 - before.count - after.count) + after
    }

    private static func gap(_ text: Substring) -> Substring.Index? {
        zip(text.indices, text.indices.dropFirst()).first { text[$0] == ":" && text[$1] == ":" }?.0
    }

    private static func plain(_ text: Substring) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var words: [UInt16] = []
        for part in text.split(separator: ":", omittingEmptySubsequences: false) {
            if part.contains(".") {
                let bytes = part.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
                guard bytes.count == 4, part.endIndex == text.endIndex else { return nil }
                let known = bytes.compactMap { $0.map(UInt16.init) }
                guard known.count == 4 else { return nil }
                words += [known[0] << 8 | known[1], known[2] << 8 | known[3]]
            } else {
                guard (1...4).contains(part.utf8.count), let word = UInt16(part, radix: 16) else { return nil }
                words.append(word)
            }
        }
        return words
    }
}
