/// The site that passkeys belong to (WebAuthn §4).
public struct RelyingParty: Hashable, Sendable {
    /// The domain that a passkey is bound to.
    public let id: String
    /// Scheme, host and port of the only pages that may use one.
    public let origin: String

    /// Nil unless the origin is `https` (or `http://localhost`, for trying out) and its host is the id or lies below it.
    ///
    /// Both are lower-case domain names: browsers bind no passkey to an address (WebAuthn §5.1.3, effective domain).
    public init?(id: String, origin: String) {
        guard let separator = origin.firstRange(of: "://") else { return nil }
        let scheme = origin[..<separator.lowerBound]
        let parts = origin[separator.upperBound...].split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, Self.isDomain(host), Self.isDomain(id[...]), parts.count <= 2 else { return nil }
        guard scheme == "https" || scheme == "http" && host == "localhost" else { return nil }
        guard host == id || host.hasSuffix("." + id) else { return nil }
        if parts.count == 2 {
            // As browsers write it: no leading zero, not the scheme's own port.
            guard let port = UInt16(parts[1]), String(port) == parts[1], port != (scheme == "https" ? 443 : 80) else {
                return nil
            }
        }
        self.id = id
        self.origin = origin
    }

    private static func isDomain(_ text: Substring) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        let isPlain = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D }
        }
        // The last label of an address is a number.
        let isName = labels.last?.utf8.contains { (0x61...0x7A).contains($0) } ?? false
        return isPlain && isName && text.utf8.count <= 253
    }
}
