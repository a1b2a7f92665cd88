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
