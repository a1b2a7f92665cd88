public import WardCore
import WardCrypto
import WardFHIR

/// A registered app (RFC 7591): asks people for leave to act for them, or checks the tokens of those that do.
public struct App: Hashable, Sendable {
    public enum State: String, Sendable {
        case awaitingApproval = "awaiting approval"
        case approved
        /// Its name stays taken for ever.
        case removed
    }

    public enum Kind: String, Sendable {
        /// Signs with a key of its own (`private_key_jwt`).
        case confidential
        /// Runs where nothing can be kept secret: PKCE, and DPoP for refresh tokens.
        case `public`
        /// Sees nothing; asks whether tokens are good (RFC 7662).
        case resource
    }

    /// Its `client_id`.
    public let id: String
    /// As people see it at the consent page.
    public let name: String
    public let kind: Kind
    /// Letter for letter where answers may go.
    public let redirects: [String]
    /// Where a launch from here begins; nil if the app offers none.
    public let launch: String?
    public let keys: [ClientKey]
    /// What it may ask for at most; empty for whatever it asks.
    public let scopes: [String]
    public let registered: Instant
    /// Network that it was registered from, as ``AddressGroup`` says it; nil for those of the machine itself.
    let network: String?
    public internal(set) var state: State

    /// Seconds after which an app that nobody has approved is forgotten.
    static let patience: Int64 = 7 * 86_400

    /// Whether it still waits for an administrator.
    func isWaiting(at now: Instant) -> Bool {
        state == .awaitingApproval && registered.adding(seconds: Self.patience) > now
    }

    /// Hosts that it sends people back to, as they are shown to whoever decides on it.
    public var redirectHosts: [String] {
        redirects.reduce(into: []) { hosts, redirect in
            let host = RedirectURI.host(of: redirect)
            if !hosts.contains(host) { hosts.append(host) }
        }
    }

    /// Origins that its scripts run at.
    var origins: [String] { kind == .public ? redirects.compactMap(RedirectURI.origin) : [] }

    /// As the audit log names it beside whom it acts for.
    var label: String { "\(name) (app/\(id))" }
}

extension App {
    /// Reads a registration (RFC 7591 §2).
    static func registration(
        _ body: [UInt8], id: String, from network: String?, at now: Instant
    ) throws(OAuthFailure) -> App {
        guard let root = (try? JSONTape(parsing: body))?.root, root.kind == .object else {
            throw .registrationMalformed
        }
        if root["jwks_uri"] != nil { throw .jwksURIRefused }
        let kind = try kind(root)
        guard let name = root["client_name"]?.string, isName(name) else { throw .nameInvalid }
        let redirects = root.strings("redirect_uris")
        let (count, hasGrants) = ((root["redirect_uris"]?.elements ?? []).count, kind != .resource)
        guard redirects.count == count, count <= 10, hasGrants == !redirects.isEmpty,
            redirects.allSatisfy(RedirectURI.isAcceptable), Set(redirects).count == count
        else { throw .redirectInvalid }
        let launch = root["initiate_login_uri"]?.string ?? root["launch_uri"]?.string
        guard launch.map(RedirectURI.isAcceptable) ?? true else { throw .redirectInvalid }
        let keys = try keys(root["jwks"])
        guard keys.isEmpty == (kind == .public) else { throw .jwksMalformed }
        guard (root["scope"]?.string ?? "").utf8.count <= 4096 else { throw .registrationMalformed }
        return App(
            id: id, name: name, kind: kind, redirects: redirects, launch: launch, keys: keys,
            scopes: (root["scope"]?.string ?? "").split(separator: " ").map(String.init), registered: now,
            network: network, state: .awaitingApproval)
    }

    private static func kind(_ root: JSONValue) throws(OAuthFailure) -> Kind {
        let responses = root.strings("response_types")
        guard responses.allSatisfy({ $0 == "code" }) else { throw .registrationMalformed }
        let grants = root["grant_types"] == nil ? ["authorization_code"] : root.strings("grant_types")
        guard grants.allSatisfy({ ["authorization_code", "refresh_token"].contains($0) }) else {
            throw .registrationMalformed
        }
        switch root["token_endpoint_auth_method"]?.string {
        case "none": return .public
        case "private_key_jwt": return grants.isEmpty ? .resource : .confidential
        // The default of RFC 7591 is a secret, too.
        case nil, "client_secret_basic", "client_secret_post", "client_secret_jwt": throw .secretRefused
        default: throw .registrationMalformed
        }
    }

    private static func keys(_ set: JSONValue?) throws(OAuthFailure) -> [ClientKey] {
        guard let set else { return [] }
        let values = set["keys"]?.elements ?? []
        // A private part sent here is known to more than its owner.
        guard (1...4).contains(values.count), !values.contains(where: Self.isPrivate) else { throw .jwksMalformed }
        let keys = values.compactMap { ClientKey(jwk: Array($0.tape.slice($0.tape.range($0.index)))) }
        guard keys.count == values.count, Set(keys.map(\.keyID)).count == keys.count else { throw .jwksMalformed }
        return keys
    }

    /// Private parts of EC and RSA keys (RFC 7518 §6.2.2, §6.3.2).
    private static func isPrivate(_ key: JSONValue) -> Bool {
        let names: [StaticString] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        return names.contains { key[$0] != nil }
    }

    private static func isName(_ text: String) -> Bool {
        (1...80).contains(text.count) && text.utf8.count <= 240 && text.first?.isWhitespace == false
            && text.last?.isWhitespace == false && text.isPlainlyVisible
    }

    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("id", id)
        writer.member("name", name)
        writer.member("kind", kind.rawValue)
        writer.key("redirects")
        writer.strings(redirects)
        if let launch { writer.member("launch", launch) }
        writer.key("keys")
        writer.beginArray()
        for key in keys { writer.raw(Array(key.json.utf8)) }
        writer.endArray()
        writer.key("scopes")
        writer.strings(scopes)
        writer.member("registered", registered.microseconds)
        if let network { writer.member("network", network) }
        writer.member("state", state.rawValue)
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, let id = root["id"]?.string,
            let name = root["name"]?.string, let kind = root["kind"]?.string.flatMap(Kind.init(rawValue:)),
            let registered = root["registered"]?.instant,
            let state = root["state"]?.string.flatMap(State.init(rawValue:))
        else { return nil }
        let values = root["keys"]?.elements ?? []
        let keys = values.compactMap { ClientKey(jwk: Array($0.tape.slice($0.tape.range($0.index)))) }
        guard keys.count == values.count else { return nil }
        self.init(
            id: id, name: name, kind: kind, redirects: root.strings("redirects"), launch: root["launch"]?.string,
            keys: keys, scopes: root.strings("scopes"), registered: registered,
            network: root["network"]?.string, state: state)
    }

    /// What a registration is answered with (RFC 7591 §3.2.1).
    public var information: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("client_id", id)
        writer.member("client_id_issued_at", registered.microseconds / 1_000_000)
        writer.member("client_name", name)
        writer.key("redirect_uris")
        writer.strings(redirects)
        writer.member("token_endpoint_auth_method", kind == .public ? "none" : "private_key_jwt")
        writer.key("grant_types")
        writer.strings(kind == .resource ? [] : ["authorization_code", "refresh_token"])
        writer.key("response_types")
        writer.strings(kind == .resource ? [] : ["code"])
        if let launch { writer.member("initiate_login_uri", launch) }
        if !scopes.isEmpty { writer.member("scope", scopes.joined(separator: " ")) }
        writer.member("ward_state", state.rawValue)
        writer.endObject()
        return writer.bytes
    }
}

extension String {
    /// Whether every letter shows where it stands: nothing hidden at all, joiners included.
    var isPlainlyVisible: Bool { !unicodeScalars.contains(where: \.isHidden) }
}
