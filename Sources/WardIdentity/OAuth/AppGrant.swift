import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardPolicy

/// What a person allowed an app, and everything that came of it.
struct AppGrant: Sendable {
    /// Seconds that an access token is good for.
    static let tokenLifetime: Int64 = 300
    /// Seconds after which an app asks the person again, however often it refreshed.
    static let offlineLifetime: Int64 = 90 * 86_400
    /// Access tokens that are good at once; the oldest gives way.
    static let mostTokens = 10

    /// 128 random bits.
    let id: String
    let app: String
    let person: String
    /// Roles that the person had: another set ends the grant.
    let roles: [String]
    /// Number of the session it was allowed in.
    let session: String
    let scopes: [String]
    let patient: String?
    let authenticated: Instant
    let created: Instant
    /// Thumbprint of the key that refresh tokens are bound to; nil for clients that sign for themselves.
    var key: String?
    /// Hash of the one refresh token that is good; nil if there is none.
    var refresh: Digest?

    /// Whether it outlives the session.
    var isOffline: Bool { scopes.contains("offline_access") }
}

extension AppGrant {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("id", id)
        writer.member("app", app)
        writer.member("person", person)
        writer.key("roles")
        writer.strings(roles)
        writer.member("session", session)
        writer.key("scopes")
        writer.strings(scopes)
        if let patient { writer.member("patient", patient) }
        writer.member("authenticated", authenticated.microseconds)
        writer.member("created", created.microseconds)
        if let key { writer.member("key", key) }
        if let refresh { writer.member("refresh", base64URL(refresh.bytes)) }
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, let id = root["id"]?.string,
            let app = root["app"]?.string, let person = root["person"]?.string,
            let session = root["session"]?.string, let authenticated = root["authenticated"]?.instant,
            let created = root["created"]?.instant
        else { return nil }
        self.init(
            id: id, app: app, person: person, roles: root.strings("roles"), session: session,
            scopes: root.strings("scopes"), patient: root["patient"]?.string, authenticated: authenticated,
            created: created, key: root["key"]?.string,
            refresh: root["refresh"]?.string.flatMap { base64URLDecoded($0) }.flatMap { Digest(bytes: $0) })
    }
}
