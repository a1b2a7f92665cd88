/// Percent-encodes everything but unreserved characters and a few that are safe in a query (RFC 3986 §3.4).
public func percentEncoded(_ text: String) -> String {
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
