public import WardAudit
public import WardIdentity

/// A request as the network surface hands it over: read, limited in size, not yet judged.
public struct WebRequest: Sendable {
    public enum Method: Sendable, Hashable {
        case get, post, other
    }

    public let method: Method
    /// Segments of the path as sent: no address of these pages needs percent-encoding.
    public let path: [String]
    /// Text after `?`, as sent; empty for none.
    public let query: String
    /// Already limited to 64 KiB.
    public let body: [UInt8]
    public let contentType: String?
    public let cookies: [String: String]
    public let origin: String?
    public let secFetchSite: String?
    public let userAgent: String?
    public internal(set) var source: RequestSource

    /// The same request as if another form had been sent to another page.
    func posting(to path: [String]) -> WebRequest {
        WebRequest(
            method: .post, path: path, contentType: contentType, cookies: cookies, origin: origin,
            secFetchSite: secFetchSite, userAgent: userAgent, source: source)
    }

    public init(
        method: Method, path: [String], query: String = "", body: [UInt8] = [], contentType: String? = nil,
        cookies: [String: String] = [:], origin: String? = nil, secFetchSite: String? = nil,
        userAgent: String? = nil, source: RequestSource
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.contentType = contentType
        self.cookies = cookies
        self.origin = origin
        self.secFetchSite = secFetchSite
        self.userAgent = userAgent
        self.source = source
    }
}

/// What the network surface sends back.
public struct WebAnswer: Sendable {
    public internal(set) var status: Int
    public internal(set) var headers: [(name: String, value: String)]
    /// Values of `Set-Cookie`, one header each.
    public internal(set) var setCookies: [String] = []
    public internal(set) var body: [UInt8]
    /// The route's name for the operational log; never the path, which may hold a link's secret.
    public internal(set) var template: StaticString = "/"
    /// Where the person has to prove who they are before anything is done; nil for every other answer.
    var proofPage: String?
}

/// What the pages need to know of the installation.
public struct WebSettings: Sendable {
    /// The clinic's name, on every page.
    public let clinic: String
    /// Nil where the site has no domain name; passkeys are then not offered.
    public let party: RelyingParty?
    /// Whether this is an invented clinic for trying out.
    public let isDemo: Bool
    /// Scheme, host and port that forms must come from.
    public let origin: String
    /// Scheme, host and port that links for others begin with: where people work with records.
    public let recordsOrigin: String
    public let plane: Plane
    /// Where the pages of the office are, if not here.
    public let officeOrigin: String?
    /// Whether a copy is served whose primary is away: forms that would write are refused, and every page says so.
    public let isReadOnly: Bool

    public init(
        clinic: String, party: RelyingParty?, isDemo: Bool, origin: String, recordsOrigin: String? = nil,
        plane: Plane = .whole, officeOrigin: String? = nil, isReadOnly: Bool = false
    ) {
        self.isReadOnly = isReadOnly
        self.recordsOrigin = recordsOrigin ?? origin
        self.plane = plane
        self.officeOrigin = officeOrigin
        self.clinic = clinic
        self.party = party
        self.isDemo = isDemo
        self.origin = origin
    }
}

/// The cookies; their prefix makes browsers refuse any that another host or an unprotected page sets (RFC 6265bis).
enum Cookie: String {
    case session = "__Host-ward-session"
    case device = "__Host-ward-device"
    /// Random before sign-in: challenges and forms are bound to it.
    case ticket = "__Host-ward-ticket"
    case enrolment = "__Host-ward-enrol"

    private static let attributes = "; Path=/; Secure; HttpOnly; SameSite=Strict"

    func set(_ value: String) -> String {
        "\(rawValue)=\(value)\(self == .device ? "; Max-Age=15552000" : "")\(Self.attributes)"
    }

    var removal: String { "\(rawValue)=; Max-Age=0\(Self.attributes)" }
}
