import HTTPTypes
import WardClinic

/// Names of header fields that the HTTP library does not know.
enum HeaderNames {
    static let contentSecurityPolicy = HTTPField.Name("Content-Security-Policy")
    static let crossOriginOpenerPolicy = HTTPField.Name("Cross-Origin-Opener-Policy")
    static let dpop = HTTPField.Name("DPoP")
    static let fetchSite = HTTPField.Name("Sec-Fetch-Site")
    static let forwardedFor = HTTPField.Name("X-Forwarded-For")
    static let ifNoneExist = HTTPField.Name("If-None-Exist")
    static let prefer = HTTPField.Name("Prefer")
    /// Tells programs that a copy answers whose primary is away.
    static let readOnly = HTTPField.Name("Ward-Read-Only")
    static let receipt = HTTPField.Name("Ward-Audit-Receipt")
    static let referrerPolicy = HTTPField.Name("Referrer-Policy")
    static let requestID = HTTPField.Name("X-Request-Id")

    /// Names are checked letter by letter when they are made; those of every answer are made once.
    private static let usual: [String: HTTPField.Name] = [
        "ETag": .eTag, "Last-Modified": .lastModified, "Location": .location,
    ]

    static func name(_ text: String) -> HTTPField.Name? {
        text == "Ward-Audit-Receipt" ? receipt : usual[text] ?? HTTPField.Name(text)
    }
}

/// Headers that every answer carries.
func commonHeaders(isLocalhost: Bool) -> HTTPFields {
    var headers = HTTPFields()
    headers[.cacheControl] = "no-store"
    headers[.xContentTypeOptions] = "nosniff"
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    if let name = HeaderNames.contentSecurityPolicy { headers[name] = policy }
    if let name = HeaderNames.crossOriginOpenerPolicy { headers[name] = "same-origin" }
    if let name = HeaderNames.referrerPolicy { headers[name] = "no-referrer" }
    // A browser would apply it to every program that a developer runs on localhost.
    if !isLocalhost { headers[.strictTransportSecurity] = "max-age=63072000" }
    return headers
}
