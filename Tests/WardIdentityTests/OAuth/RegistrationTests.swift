import Foundation
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `A registration of an app` {
    private let house: OAuthHouse

    init() throws { house = try OAuthHouse() }

    @Test func `waits for approval, survives a restart, and is in the log at each step`() async throws {
        let app = try await house.register()
        #expect(app.state == .awaitingApproval && app.kind == .public)
        #expect(house.oauth.apps.approved(app.id) == nil && !house.oauth.apps.allows(origin: "https://app.example"))
        try await house.oauth.apps.approve(
            app.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source, at: house.now)
        #expect(house.oauth.apps.allows(origin: "https://app.example"))
        for origin in [
            "https://app.example:444", "http://app.example", "https://APP.example", "null", "", "https://app.exampl",
        ] {
            #expect(!house.oauth.apps.allows(origin: origin))
        }
        await #expect(throws: IdentityFailure.unknownClient) {
            try await house.oauth.apps.approve(app.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source)
        }
        let again = try house.house.reopened().people.oauth.apps
        #expect(again.approved(app.id)?.redirects == [OAuthHouse.redirect])
        try await again.remove(app.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source)
        #expect(again.approved(app.id) == nil && again.apps.isEmpty && !again.allows(origin: "https://app.example"))
        let kinds = try house.house.log.events(with: [], limit: 2).map(\.event.kind)
        #expect(kinds == [.appApproved, .appRegistered])
        let sealed = try house.house.store.entries(.app)
        #expect(sealed.count == 1 && !String(decoding: sealed[0].sealed, as: UTF8.self).contains("Growth"))
    }

    @Test(
        arguments: [
            (["jwks_uri": #""https://app.example/jwks""#], .jwksURIRefused),
            (["token_endpoint_auth_method": nil], .secretRefused),
            (["token_endpoint_auth_method": #""client_secret_basic""#], .secretRefused),
            (["token_endpoint_auth_method": #""client_secret_post""#], .secretRefused),
            (["token_endpoint_auth_method": #""tls_client_auth""#], .registrationMalformed),
            (["token_endpoint_auth_method": #""private_key_jwt""#], .jwksMalformed),
            (["jwks": #"{"keys":[]}"#], .jwksMalformed), (["client_name": nil], .nameInvalid),
            (["client_name": #""""#], .nameInvalid), (["client_name": #"" x""#], .nameInvalid),
            (["client_name": #""a\u202eb""#], .nameInvalid), (["client_name": #""a\u2066b""#], .nameInvalid),
            (["client_name": #""a\u200fb""#], .nameInvalid), (["client_name": #""a\u061cb""#], .nameInvalid),
            (["client_name": #""a\u200bb""#], .nameInvalid), (["client_name": #""a\u0000b""#], .nameInvalid),
            (["client_name": #""a\u009bb""#], .nameInvalid), (["client_name": #""a\u2028b""#], .nameInvalid),
            (["client_name": #""a\u3164b""#], .nameInvalid), (["client_name": #""a\ufeffb""#], .nameInvalid),
            (["client_name": #""\u00a0""#], .nameInvalid), (["client_name": #""x ""#], .nameInvalid),
            (["client_name": #""a\nb""#], .nameInvalid),
            (["grant_types": #"["implicit"]"#], .registrationMalformed),
            (["grant_types": #"["password"]"#], .registrationMalformed),
            (["grant_types": #"["client_credentials"]"#], .registrationMalformed),
            (["response_types": #"["token"]"#], .registrationMalformed), (["redirect_uris": nil], .redirectInvalid),
            (["redirect_uris": "[]"], .redirectInvalid), (["redirect_uris": "[1]"], .redirectInvalid),
            (["redirect_uris": #"["https://a.example/x","https://a.example/x"]"#], .redirectInvalid),
        ] as [([String: String?], OAuthFailure)])
    func `with a fault is refused`(changes: [String: String?], failure: OAuthFailure) async throws {
        await #expect(throws: failure) { try await house.register(changes) }
        #expect(house.oauth.apps.apps.isEmpty)
    }

    @Test(
        arguments: [
            "http://app.example/x", "https://app.example", "https://app.example?x", "https://app.example/#x",
            "https://user@app.example/x", "https://user:pw@app.example/x", "https://*.example/x", "https://a.example/*",
            "https://app.example:0/x", "https://app.example:99999/x", "https://app.example:443/x",
            "https://app.example:0443/x", "https://app.example:/x", "https://APP.example/x", "https://app..example/x",
            "https://-app.example/x", "https://app.example/x/../y", "https://app.example/./y", "https://app.example\\x",
            "https:app.example/x", "https:///x", "https://[::2]/x", "http://localhost/x", "http://127.0.0.2/x",
            "http://127.0.0.1.evil.example/x", "javascript:alert(1)", "data:text/html,x", "com.example.app:/x", "x", "",
            "https://app.example/a b", "https://äpp.example/x", "http://127.0.0.1:80/x",
        ])
    func `of a redirect that could be read in two ways is refused`(redirect: String) async throws {
        let json = redirect.replacingOccurrences(of: "\\", with: "\\\\")
        await #expect(throws: OAuthFailure.redirectInvalid) {
            try await house.register(["redirect_uris": "[\"\(json)\"]"])
        }
    }

    @Test(
        arguments: [
            "https://app.example/", "https://app.example:8443/x", "http://127.0.0.1:8765/", "http://[::1]:8765/cb",
            "https://app.example/x?a=b", "https://localhost:8443/sandbox",
        ])
    func `of a plain redirect is taken`(redirect: String) async throws {
        #expect(try await house.register(["redirect_uris": "[\"\(redirect)\"]"]).redirects == [redirect])
    }

    @Test func `with a private key is refused, as are two keys of one name`() async throws {
        let pair = try #require(ClientKeyPair(client: "x"))
        let signing = ["token_endpoint_auth_method": #""private_key_jwt""#]
        let file = String(decoding: pair.file, as: UTF8.self)
        for set in [#"[\#(file)]"#, #"[\#(pair.publicKey.json),\#(pair.publicKey.json)]"#, #"["x"]"#, "{}", "[{}]"] {
            await #expect(throws: OAuthFailure.jwksMalformed) {
                try await house.register(signing.merging(["jwks": #"{"keys":\#(set)}"#]) { $1 })
            }
        }
        let app = try await house.register(signing.merging(["jwks": #"{"keys":[\#(pair.publicKey.json)]}"#]) { $1 })
        #expect(app.kind == .confidential && app.keys == [pair.publicKey])
    }

    @Test(arguments: ["", "[]", "null", "{", "\"x\"", "{}"])
    func `that is no registration is refused`(body: String) async throws {
        await #expect(throws: OAuthFailure.self) {
            try await house.oauth.apps.register(Array(body.utf8), source: OAuthHouse.source, at: house.now)
        }
    }

    @Test(
        arguments: [
            ("user/Observation.rs", "user/*.cruds user/Observation.r system/*.rs", "user/Observation.r"),
            (
                "user/*.rs openid", "user/Observation.rs user/Patient.c openid offline_access",
                "user/Observation.rs openid"
            ),
            (
                "patient/*.read", "patient/Observation.rs patient/*.write patient/*.read",
                "patient/Observation.rs patient/*.read"
            ),
            ("", "launch/patient openid fhirUser made-up user/Nothing.rs user/*.x", "launch/patient openid fhirUser"),
            ("", "offline_access online_access openid openid", "offline_access openid"),
            (
                "",
                "user/Observation.rs?category=laboratory user/Observation.rs?x=y user/Observation.rs?category=a%E2%80%AEb "
                    + "user/Observation.rs?category=%E2%81%A6a user/Observation.rs?category=a%C2%9Bb "
                    + "user/Observation.rs?category=a\u{200B}b",
                "user/Observation.rs?category=laboratory"
            ),
        ])
    func `limits what may be asked`(limit: String, asked: String, granted: String) async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app(["scope": limit.isEmpty ? nil : "\"\(limit)\""])
        let id = try house.begin(app, ["scope": asked])
        let texts = try house.oauth.pending(id, for: principal, at: house.now).pending.asked.texts
        #expect(texts.joined(separator: " ") == granted)
    }

    // MARK: Who decides

    @Test func `is decided on by administrators with a fresh proof, and the call asks itself`() async throws {
        let app = try await house.register()
        let (_, clinician) = try await house.member()
        await #expect(throws: IdentityFailure.notPermitted) {
            try await house.oauth.approve(app.id, by: clinician, source: OAuthHouse.source, at: house.now)
        }
        #expect(try house.house.kinds().last == .requestRefused)
        let (_, administrator) = try await house.member("ines", [.administrator])
        let later = house.now.adding(seconds: 301)
        await #expect(throws: IdentityFailure.stepUpNeeded) {
            try await house.oauth.approve(app.id, by: administrator, source: OAuthHouse.source, at: later)
        }
        #expect(house.oauth.apps.approved(app.id) == nil)
        try await house.oauth.approve(app.id, by: administrator, source: OAuthHouse.source, at: house.now)
        await #expect(throws: IdentityFailure.notPermitted) {
            try await house.oauth.remove(app.id, by: clinician, source: OAuthHouse.source, at: house.now)
        }
        // An app that acts for an administrator is no administrator.
        let code = try await house.code(app, administrator)
        let acting = try #require(try house.principal(try await house.exchange(code, app).access))
        await #expect(throws: IdentityFailure.self) {
            try await house.oauth.remove(app.id, by: acting, source: OAuthHouse.source, at: house.now)
        }
        try await house.oauth.remove(app.id, by: administrator, source: OAuthHouse.source, at: house.now)
        #expect(house.oauth.apps.apps.isEmpty)
    }

    // MARK: Documents

    @Test func `fails in ways that the catalogue lists`() throws {
        let path = URL(filePath: #filePath).appending(path: "../../../../docs/oauth-errors.md").standardized
        #expect(try String(contentsOf: path, encoding: .utf8) == OAuthFailure.catalogue)
        #expect(Set(OAuthFailure.allCases.map(\.text)).count == OAuthFailure.allCases.count)
    }

    @Test func `finds in the discovery documents what there is`() throws {
        let smart = try JSONTape(parsing: OAuth.smartConfiguration(issuer: OAuthHouse.origin)).root
        let openID = try JSONTape(parsing: OAuth.openIDConfiguration(issuer: OAuthHouse.origin)).root
        func texts(_ value: JSONValue?) -> [String] { (value?.elements ?? []).compactMap(\.string) }
        for root in [smart, openID] {
            #expect(root["issuer"]?.string == OAuthHouse.origin)
            #expect(root["token_endpoint"]?.string == OAuthHouse.token)
            #expect(texts(root["code_challenge_methods_supported"]) == ["S256"])
            #expect(texts(root["response_types_supported"]) == ["code"])
            #expect(!texts(root["grant_types_supported"]).contains { ["implicit", "password"].contains($0) })
            #expect(!texts(root["token_endpoint_auth_methods_supported"]).contains { $0.contains("secret") })
        }
        #expect(texts(openID["prompt_values_supported"]) == ["none", "login", "consent"])
        for root in [smart, openID] {
            #expect(texts(root["token_endpoint_auth_signing_alg_values_supported"]) == ["ES384", "RS384"])
        }
        #expect(texts(openID["id_token_signing_alg_values_supported"]) == ["ES256"])
        let capabilities = texts(smart["capabilities"])
        #expect(Set(["launch-ehr", "launch-standalone", "client-public", "permission-v2"]).isSubset(of: capabilities))
        #expect(capabilities.contains("authorize-post") && !capabilities.contains("client-confidential-symmetric"))
    }
}
