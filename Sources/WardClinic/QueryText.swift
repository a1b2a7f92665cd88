public import WardFHIR

/// Decodes `a=b&c=d` (application/x-www-form-urlencoded); nil for broken escapes or text that is not UTF-8.
public func decodedQuery(_ text: some StringProtocol) -> [SearchPair]? {
    var pairs: [SearchPair] = []
    for part in text.utf8.split(separator: 0x26) {
        let halves = part.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = decoded(halves[0]), let value = halves.count > 1 ? decoded(halves[1]) : "" else { return nil }
        pairs.append(SearchPair(name: name, value: value))
    }
    return pairs
}

private func decoded(_ bytes: some Collection<UInt8>) -> String? {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count)
    var rest = bytes.makeIterator()
    while let byte = rest.next() {
        switch byte {
        case 0x2B: output.append(0x20)
        case 0x25:
            guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue) else { return nil }
            output.append(high << 4 | low)
        default: output.append(byte)
        }
    }
    return String(validating: output, as: UTF8.self)
}

private func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
}

/// Percent-encodes everything but unreserved characters and a few that are safe in a query (RFC 3986 §3.4).
func percentEncoded(_ text: String) -> String {
    var output: [UInt8] = []
    for byte in text.utf8 {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x2C, 0x3A, 0x2F, 0x24: output.append(byte)
        default:
            let digits = Array("0123456789ABCDEF".utf8)
            output += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
    return String(decoding: output, as: UTF8.self)
}
