import Crypto
public import WardCore
public import WardCrypto

/// A key for S3-compatible storage.
public struct StorageCredentials: Sendable, SilentKey {
    public let id: String
    let secret: [UInt8]
    /// Of a key that is lent for some hours, as roles of AWS have it: sent along, and signed.
    let session: String?

    public init(id: String, secret: [UInt8], session: String? = nil) {
        self.id = id
        self.secret = secret
        self.session = session
    }

    /// The field that says whose session it is.
    var headers: [(String, String)] { session.map { [("x-amz-security-token", $0)] } ?? [] }

    /// Reads a file with the key's id on line 1, its secret on line 2 and, if there is one, the session's token on line 3;
    /// nil if it is something else.
    public init?(file: [UInt8]) {
        let lines = file.split(separator: 0x0A, omittingEmptySubsequences: true)
            .map { $0.last == 0x0D ? $0.dropLast() : $0 }
        guard [2, 3].contains(lines.count), lines.allSatisfy({ $0.allSatisfy { 0x21...0x7E ~= $0 } }),
            lines.prefix(2).allSatisfy({ (1...256).contains($0.count) }),
            lines.dropFirst(2).allSatisfy({ (16...3000).contains($0.count) })
        else { return nil }
        self.init(
            id: String(decoding: lines[0], as: UTF8.self), secret: Array(lines[1]),
            session: lines.dropFirst(2).first.map { String(decoding: $0, as: UTF8.self) })
    }
}

/// AWS Signature Version 4: signs the request as it is, so that nobody changes it or says it again later.
public struct SignatureV4: Sendable {
    let credentials: StorageCredentials
    let region: String
    let service: String
    /// S3 encodes its paths once, every other service twice.
    let encodesPathTwice: Bool

    public init(credentials: StorageCredentials, region: String, service: String = "s3") {
        self.credentials = credentials
        self.region = region
        self.service = service
        encodesPathTwice = service != "s3"
    }

    /// The value of the Authorization field.
    ///
    /// - Parameters:
    ///   - path: decoded, in parts between slashes as it is.
    ///   - query: decoded names and values.
    ///   - headers: all that are signed: host and x-amz-date among them.
    ///   - payload: SHA-256 of the body in hex.
    public func authorization(
        method: String, path: String, query: [(String, String)], headers: [(String, String)], payload: String,
        time: Instant
    ) -> String {
        let stamp = Self.stamp(time)
        let scope = "\(stamp.prefix(8))/\(region)/\(service)/aws4_request"
        let (canonical, names) = canonicalRequest(method, path, query, headers, payload)
        let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(hex(sha256(Array(canonical.utf8)).bytes))"
        var key = Self.mac(Array("AWS4".utf8) + credentials.secret, String(stamp.prefix(8)))
        for part in [region, service, "aws4_request"] { key = Self.mac(key, part) }
        let signature = hex(Self.mac(key, text))
        return "AWS4-HMAC-SHA256 Credential=\(credentials.id)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
    }

    /// `20130524T000000Z`.
    public static func stamp(_ time: Instant) -> String {
        String(time.text.prefix(19).filter { $0 != "-" && $0 != ":" }) + "Z"
    }

    /// Encodes all but the unreserved characters of RFC 3986.
    static func encoded(_ text: String, keepsSlashes: Bool = false) -> String {
        var output: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: output.append(byte)
            case 0x2F where keepsSlashes: output.append(byte)
            default: output += Array("%\(hex([byte]).uppercased())".utf8)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    static func query(_ query: [(String, String)]) -> String {
        query.map { (encoded($0.0), encoded($0.1)) }
            .sorted { left, right in
                left.0 == right.0
                    ? left.1.utf8.lexicographicallyPrecedes(right.1.utf8)
                    : left.0.utf8.lexicographicallyPrecedes(right.0.utf8)
            }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    private func canonicalRequest(
        _ method: String, _ path: String, _ query: [(String, String)], _ headers: [(String, String)], _ payload: String
    ) -> (text: String, names: String) {
        var uri = Self.encoded(path, keepsSlashes: true)
        if encodesPathTwice { uri = Self.encoded(uri, keepsSlashes: true) }
        var fields: [String: [String]] = [:]
        for header in headers { fields[header.0.lowercased(), default: []].append(Self.trimmed(header.1)) }
        let names = fields.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let lines = names.map { "\($0):\((fields[$0] ?? []).joined(separator: ","))\n" }.joined()
        let signed = names.joined(separator: ";")
        return ("\(method)\n\(uri)\n\(Self.query(query))\n\(lines)\n\(signed)\n\(payload)", signed)
    }

    private static func trimmed(_ value: String) -> String {
        value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }

    private static func mac(_ key: [UInt8], _ text: String) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: key)))
    }
}
