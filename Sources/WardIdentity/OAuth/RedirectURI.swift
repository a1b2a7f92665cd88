/// An app's redirect: compared letter for letter (OAuth 2.1 §4.1.3), so that only its form at registration matters.
enum RedirectURI {
    /// `https`, or `http` on a loopback address for apps on a device (RFC 8252 §7.3); no user, fragment or wildcard.
    static func isAcceptable(_ text: String) -> Bool { origin(of: text) != nil }

    /// Scheme, host and port of an acceptable address, as browsers send `Origin` (RFC 6454 §6.2); nil for any other.
    static func origin(of text: String) -> String? {
        guard text.utf8.count <= 512, text.utf8.allSatisfy(isPlain) else { return nil }
        let scheme = text.hasPrefix("https://") ? "https" : "http"
        guard text.hasPrefix("\(scheme)://") else { return nil }
        let rest = text.dropFirst(scheme.count + 3)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        // A path, so that `https://app.example` and `https://app.example/` are not two spellings of one place.
        guard rest.dropFirst(authority.count).hasPrefix("/") else { return nil }
        let bracket = authority.hasPrefix("[") ? authority.firstIndex(of: "]") : nil
        let colon = authority[(bracket ?? authority.startIndex)...].firstIndex(of: ":")
        let host = authority[..<(colon ?? authority.endIndex)]
        if let colon {
            let port = authority[authority.index(after: colon)...]
            guard let number = UInt16(port), number > 0, String(number) == port else { return nil }
            // The usual port is not written: browsers leave it out.
            guard number != (scheme == "https" ? 443 : 80) else { return nil }
        }
        guard scheme == "https" || host == "127.0.0.1" || host == "[::1]" else { return nil }
        guard bracket != nil ? host == "[::1]" : isHost(host) else { return nil }
        let path = rest.dropFirst(authority.count).prefix { $0 != "?" }
        guard !path.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) else { return nil }
        return "\(scheme)://\(authority)"
    }

    /// Host and port of an acceptable address, for people to read; the scheme too where it is not `https`.
    static func host(of text: String) -> String {
        guard let origin = origin(of: text) else { return "" }
        return origin.hasPrefix("https://") ? String(origin.dropFirst(8)) : origin
    }

    private static func isHost(_ text: Substring) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return (1...253).contains(text.utf8.count)
            && labels.allSatisfy { label in
                !label.isEmpty && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { byte in
                        switch byte {
                        case 0x2D, 0x30...0x39, 0x61...0x7A: true
                        default: false
                        }
                    }
            }
    }

    /// Printable ASCII without what other parsers read differently: `#`, `@`, `*`, `\`, quotes, braces.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x22, 0x23, 0x27, 0x2A, 0x3C, 0x3E, 0x40, 0x5C, 0x5E, 0x60, 0x7B...0x7D: false
        case 0x21...0x7E: true
        default: false
        }
    }

    /// The address with parameters added (RFC 6749 §4.1.2).
    static func adding(_ parameters: [(String, String)], to address: String) -> String {
        let query = parameters.map { "\(encoded($0.0))=\(encoded($0.1))" }.joined(separator: "&")
        return address + (address.contains("?") ? "&" : "?") + query
    }

    private static func encoded(_ text: String) -> String {
        var output: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: output.append(byte)
            default: output += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
