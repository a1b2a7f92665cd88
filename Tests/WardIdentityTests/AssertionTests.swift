import Crypto
import FoundationEssentials
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

/// A client that signs whatever it is told to.
struct Forger {
    let key = P384.Signing.PrivateKey()
    let keyID = "key-1"

    var jwk: String {
        let point = Array(key.publicKey.x963Representation)
        return """
            {"kty":"EC","crv":"P-384","kid":"\(keyID)","x":"\(base64URL(Array(point[1..<49])))",\
            "y":"\(base64URL(Array(point[49...])))"}
            """
    }

    /// Seconds since 1970: the time of all these tests, however long they take.
    static let now: Int64 = 1_800_000_000

    static func header(_ more: String = "") -> String { #"{"alg":"ES384","kid":"key-1","typ":"JWT"\#(more)}"# }

    /// Claims as JSON, each to be overridden; nil leaves one out.
    static func claims(_ changes: [String: String?] = [:]) -> String {
        var claims: [String: String?] = [
            "iss": #""forger""#, "sub": #""forger""#, "aud": "\"\(TestHouse.audience)\"", "exp": "\(now + 120)",
            "iat": "\(now)", "jti": "\"\(randomUUID())\"",
        ]
        for (name, value) in changes { claims[name] = .some(value) }
        let members = claims.sorted { $0.key < $1.key }.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }
        return "{\(members.joined(separator: ","))}"
    }

    func signed(_ claims: String, header: String = Forger.header()) throws -> String {
        let content = "\(base64URL(Array(header.utf8))).\(base64URL(Array(claims.utf8)))"
        let signature = try key.signature(for: Array(content.utf8))
        return "\(content).\(base64URL(Array(signature.rawRepresentation)))"
    }
}

@Suite struct `A client assertion` {
    private let forger = Forger()
    private let house: TestHouse

    init() throws {
        house = try TestHouse(clock: { Instant(microseconds: Forger.now * 1_000_000) })
    }

    private func register() async throws {
        let key = try #require(ClientKey(jwk: Array(forger.jwk.utf8)))
        try await house.authenticator.add(
            "forger", role: .clinician, purpose: .treatment, key: key, by: TestHouse.source)
    }

    private func present(_ assertion: String, scope: String? = nil) async throws(IdentityFailure) -> Principal {
        try await house.authenticator.authenticate(
            assertion: assertion, audiences: [TestHouse.audience], scope: scope, source: TestHouse.source)
    }

    @Test(
        arguments: [
            [:], ["aud": "[\"x\",\"\(TestHouse.audience)\"]"], ["iat": nil], ["nbf": "\(Forger.now - 5)"],
            ["exp": "\(Forger.now + 299).5"], ["extra": "{\"a\":[1]}"],
        ] as [[String: String?]])
    func `that keeps every rule is accepted, once`(changes: [String: String?]) async throws {
        try await register()
        let text = try forger.signed(Forger.claims(changes))
        if changes["iat"] == .some(nil) {
            // Without `iat` it may have been used before this process started.
            await #expect(throws: IdentityFailure.replayed) { try await present(text) }
            return
        }
        let principal = try await present(text)
        #expect(principal.id == "forger" && principal.role == .clinician && principal.purpose == .treatment)
        #expect(principal.scopes == nil)
        await #expect(throws: IdentityFailure.replayed) { try await present(text) }
        await #expect(throws: IdentityFailure.replayed) { try await present(text) }
    }

    @Test func `that breaks any one rule is refused`() async throws {
        try await register()
        let now = Forger.now
        let cases: [([String: String?], IdentityFailure)] = [
            (["iss": #""other""#], .unknownClient), (["iss": nil], .malformedAssertion),
            (["iss": "1"], .malformedAssertion),
            (["sub": #""other""#], .wrongIssuer), (["sub": nil], .badSignature), (["sub": #""Forger""#], .wrongIssuer),
            (["aud": #""https://localhost:8443/oauth/token/""#], .wrongAudience), (["aud": "[]"], .wrongAudience),
            (["aud": #""""#], .wrongAudience), (["aud": nil], .badSignature), (["aud": "1"], .badSignature),
            (["aud": "[1]"], .badSignature), (["aud": "{}"], .badSignature), (["aud": "null"], .badSignature),
            (["exp": "\(now - 31)"], .expired), (["exp": "0"], .expired), (["exp": "-1"], .expired),
            (["exp": "-1e300"], .expired), (["exp": nil], .badSignature), (["exp": "\"\(now + 60)\""], .badSignature),
            (["exp": "null"], .badSignature), (["exp": "\(now + 400)"], .livesTooLong),
            (["exp": "1e300"], .livesTooLong),
            (["nbf": "\(now + 60)"], .expired), (["nbf": "1e300"], .expired), (["nbf": "\"x\""], .badSignature),
            (["iat": "\(now + 60)"], .expired), (["iat": "1e300"], .expired), (["iat": "\"x\""], .badSignature),
            (["jti": nil], .badSignature), (["jti": #""""#], .malformedAssertion), (["jti": "1"], .badSignature),
            (["jti": "\"\(String(repeating: "x", count: 257))\""], .malformedAssertion),
        ]
        for (changes, failure) in cases {
            let text = try forger.signed(Forger.claims(changes))
            await #expect(throws: failure, "\(changes)") { try await present(text) }
        }
    }

    @Test(arguments: [
        #"{"alg":"none","kid":"key-1"}"#, #"{"alg":"None","kid":"key-1"}"#, #"{"alg":"HS256","kid":"key-1"}"#,
        #"{"alg":"HS384","kid":"key-1"}"#, #"{"alg":"ES256","kid":"key-1"}"#, #"{"alg":"RS384","kid":"key-1"}"#,
        #"{"alg":"es384","kid":"key-1"}"#, #"{"kid":"key-1"}"#, #"{"alg":"ES384"}"#, #"{"alg":"ES384","kid":"key-2"}"#,
        #"{"alg":"ES384","kid":""}"#, #"{"alg":"ES384","kid":1}"#, #"{"alg":null,"kid":"key-1"}"#,
        #"{"alg":["ES384"],"kid":"key-1"}"#, #"{"alg":"ES384","kid":"key-1","crit":["exp"]}"#,
        #"{"alg":"ES384","kid":"key-1","crit":[]}"#, #"{"alg":"ES384","kid":"key-1","b64":false,"crit":["b64"]}"#,
        #"{"alg":"ES384","alg":"none","kid":"key-1"}"#, #"["ES384"]"#, #""x""#, "{", "",
    ])
    func `with another header is refused, even if signed`(header: String) async throws {
        try await register()
        let text = try forger.signed(Forger.claims(), header: header)
        await #expect(throws: IdentityFailure.self) { try await present(text) }
    }

    @Test func `without a signature of the registered key is refused`() async throws {
        try await register()
        let text = try forger.signed(Forger.claims())
        let parts = text.split(separator: ".").map(String.init)
        let secret = SymmetricKey(data: Array(forger.jwk.utf8))
        let content = "\(base64URL(Array(#"{"alg":"HS384","kid":"key-1"}"#.utf8))).\(parts[1])"
        let mac = Array(HMAC<SHA384>.authenticationCode(for: Array(content.utf8), using: secret))
        let none = base64URL(Array(#"{"alg":"none","kid":"key-1"}"#.utf8))
        let signature = try #require(base64URLDecoded(parts[2]))
        let zero = base64URL([UInt8](repeating: 0, count: 96))
        let texts = [
            "\(none).\(parts[1]).", "\(none).\(parts[1])", "\(parts[0]).\(parts[1]).", "\(parts[0]).\(parts[1])",
            "\(parts[0]).\(parts[1]).\(zero)", "\(content).\(base64URL(mac))", "\(text).x", "\(text).", " \(text)",
            "\(text) ", "\(parts[0])..\(parts[2])", "..", ".", "", "a.b.c", try Forger().signed(Forger.claims()),
            "\(parts[0]).\(parts[1]).\(base64URL(signature.dropLast()))",
            "\(parts[0]).\(parts[1]).\(base64URL(signature + [0]))", "\(parts[0]).\(parts[1]).\(parts[2])=",
        ]
        for text in texts { await #expect(throws: IdentityFailure.self, "\(text)") { try await present(text) } }
        for place in stride(from: 0, to: signature.count, by: 5) {
            var altered = signature
            altered[place] ^= 1
            await #expect(throws: IdentityFailure.badSignature) {
                try await present("\(parts[0]).\(parts[1]).\(base64URL(altered))")
            }
        }
        _ = try await present(text)
    }

    @Test func `with altered claims is refused`() async throws {
        try await register()
        let text = try forger.signed(Forger.claims())
        let parts = text.split(separator: ".").map(String.init)
        let longer = Forger.claims(["exp": "\(Forger.now + 299)"])
        await #expect(throws: IdentityFailure.badSignature) {
            try await present("\(parts[0]).\(base64URL(Array(longer.utf8))).\(parts[2])")
        }
    }

    @Test func `that is too large is refused before it is looked at`() async throws {
        try await register()
        let text = try forger.signed(Forger.claims(["extra": "\"\(String(repeating: "x", count: 9000))\""]))
        await #expect(throws: IdentityFailure.malformedAssertion) { try await present(text) }
        let huge = String(repeating: "x.", count: 1_000_000)
        await #expect(throws: IdentityFailure.malformedAssertion) { try await present(huge) }
    }

    @Test func `that is random text never stops the process`() async throws {
        try await register()
        for _ in 0..<300 {
            let parts = (0..<Int.random(in: 1...4)).map { _ in base64URL(randomBytes(Int.random(in: 0..<40))) }
            await #expect(throws: IdentityFailure.self) { try await present(parts.joined(separator: ".")) }
        }
    }

    @Test(arguments: ["system/Patient.rs", "system/Patient.rs system/Observation.r", "", " "])
    func `narrows the role by scopes`(scope: String) async throws {
        try await register()
        let principal = try await present(try forger.signed(Forger.claims()), scope: scope)
        let words = scope.split(separator: " ").map(String.init)
        #expect((principal.scopes ?? []).map { $0.text } == words)
    }

    @Test(arguments: ["system/Patient", "user/*.cruds", "openid", "system/Patient.rs openid", "system/Patient.r\tx"])
    func `with a scope that is not understood is refused`(scope: String) async throws {
        try await register()
        await #expect(throws: IdentityFailure.badScope) {
            try await present(try forger.signed(Forger.claims()), scope: scope)
        }
    }

    @Test func `used before a restart is refused after it`() async throws {
        try await register()
        let text = try forger.signed(Forger.claims(["iat": "\(Forger.now - 60)"]))
        // This process has just started, so an assertion from before it counts as used already.
        await #expect(throws: IdentityFailure.replayed) { try await present(text) }
    }
}
