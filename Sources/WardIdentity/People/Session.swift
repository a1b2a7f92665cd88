public import WardAudit
public import WardCore
import WardCrypto
import WardFHIR

/// A signed-in browser.
public struct Session: Sendable {
    /// Seconds without activity after which the session is locked (45 CFR 164.312(a)(2)(iii)).
    public static let idleLimit: Int64 = 900
    /// Seconds after sign-in at which it ends, whatever happens.
    public static let absoluteLimit: Int64 = 43_200
    /// Seconds for which a proof of two factors counts as fresh.
    public static let freshness: Int64 = 300

    /// Names the session in lists and in the log; says nothing about its token.
    public let number: String
    /// Hash of the token: the token itself is only in the browser's cookie.
    let digest: Digest
    public let person: String
    public let created: Instant
    /// Newest request made by the person, not by a page on its own.
    public internal(set) var lastActive: Instant
    /// Newest proof of two factors.
    public internal(set) var authenticated: Instant
    public let address: String
    /// Browser and system in two words; never the whole header, which is as good as a name.
    public let device: String
    /// Id of the browser's mark; nil for sessions begun before marks were kept.
    let mark: String?
    /// Locked sessions hold their place and answer nothing until the person proves who they are.
    public internal(set) var isLocked: Bool
    /// What forms were bound to under its newest tokens before this one; gone with a restart.
    var earlier: [Digest] = []

    /// When the absolute limit is reached.
    public var ends: Instant { created.adding(seconds: Self.absoluteLimit) }
    /// When it will be locked if nothing happens.
    public var locks: Instant { lastActive.adding(seconds: Self.idleLimit) }

    /// Whether it answers nothing until the person proves who they are; a clock that went backwards lengthens nothing.
    public func isLocked(at now: Instant) -> Bool { isLocked || locks <= now || now < created }

    public func isFresh(at now: Instant) -> Bool {
        !isLocked && authenticated.adding(seconds: Self.freshness) > now
    }
}

extension Session {
    /// A request made in this session.
    public func source(of source: RequestSource) -> RequestSource {
        var source = source
        source.session = number
        source.device = mark
        return source
    }

    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("number", number)
        writer.member("digest", base64URL(digest.bytes))
        writer.member("person", person)
        writer.member("created", created.microseconds)
        writer.member("authenticated", authenticated.microseconds)
        writer.member("address", address)
        writer.member("device", device)
        if let mark { writer.member("mark", mark) }
        writer.endObject()
        return writer.bytes
    }

    /// A session read from disk is locked: when it was last used died with the process that knew.
    init?(decoding bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, let number = root["number"]?.string,
            let digest = root["digest"]?.string.flatMap({ base64URLDecoded($0) }).flatMap({ Digest(bytes: $0) }),
            let person = root["person"]?.string, let created = root["created"]?.instant,
            let authenticated = root["authenticated"]?.instant, let address = root["address"]?.string,
            let device = root["device"]?.string
        else { return nil }
        self.init(
            number: number, digest: digest, person: person, created: created, lastActive: authenticated,
            authenticated: authenticated, address: address, device: device, mark: root["mark"]?.string, isLocked: true)
    }
}
