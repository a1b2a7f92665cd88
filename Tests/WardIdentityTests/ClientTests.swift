import Testing
import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `Clients` {
    private func pair(_ name: String) throws -> ClientKeyPair { try #require(ClientKeyPair(client: name)) }

    private func add(_ name: String, _ pair: ClientKeyPair, to house: TestHouse) async throws(IdentityFailure) {
        try await house.authenticator.add(
            name, role: .clinician, purpose: .treatment, key: pair.publicKey, by: TestHouse.source)
    }

    @Test func `are kept over a restart, and so are the removed`() async throws {
        let house = try TestHouse()
        let (kept, gone) = (try pair("kept"), try pair("gone"))
        try await add("kept", kept, to: house)
        try await add("gone", gone, to: house)
        try await house.authenticator.remove("gone", by: TestHouse.source)
        await house.log.close()
        let reopened = try house.reopened()
        #expect(reopened.authenticator.clients == house.authenticator.clients)
        #expect(reopened.authenticator.clients.map(\.name) == ["kept"])
        _ = try await reopened.signIn(with: kept)
        await #expect(throws: IdentityFailure.unknownClient) { try await reopened.signIn(with: gone) }
        await #expect(throws: IdentityFailure.nameTaken) { try await add("gone", gone, to: reopened) }
        try reopened.checkLog()
    }

    @Test func `never get a name that was used before`() async throws {
        let house = try TestHouse()
        try await add("a", try pair("a"), to: house)
        await #expect(throws: IdentityFailure.nameTaken) { try await add("a", try pair("a"), to: house) }
        try await house.authenticator.remove("a", by: TestHouse.source)
        await #expect(throws: IdentityFailure.nameTaken) { try await add("a", try pair("a"), to: house) }
        await #expect(throws: IdentityFailure.unknownClient) {
            try await house.authenticator.remove("a", by: TestHouse.source)
        }
        try await add("A", try pair("A"), to: house)
    }

    @Test func `that ask for one name at once get it once`() async throws {
        let house = try TestHouse()
        let pairs = try (0..<12).map { _ in try pair("same") }
        let winners = await withTaskGroup(of: String?.self) { group in
            for pair in pairs {
                group.addTask { (try? await add("same", pair, to: house)) == nil ? nil : pair.publicKey.keyID }
            }
            var winners: [String] = []
            for await winner in group { if let winner { winners.append(winner) } }
            return winners
        }
        #expect(winners.count == 1)
        #expect(house.authenticator.clients.map(\.key.keyID) == winners)
        #expect(try house.reopened().authenticator.clients.map(\.key.keyID) == winners)
    }

    @Test(arguments: [
        "", " ", "a b", "a/b", "a\n", "ä", "a\u{0}", "client\u{301}", String(repeating: "a", count: 65), "../a", "a:b",
        "a\"b",
    ])
    func `have plain names`(name: String) async throws {
        let house = try TestHouse()
        await #expect(throws: IdentityFailure.badName) { try await add(name, try pair("x"), to: house) }
        #expect(house.log.checkpoint.size == 0)
    }

    @Test func `are not registered without the log`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try TestHouse(store)
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) { try await add("a", try pair("a"), to: house) }
        #expect(house.authenticator.clients.isEmpty)
        store.expect(.none)
        try await add("a", try pair("a"), to: house)
        let added = try house.events()
        #expect(added.map(\.kind) == [.clientAdded] && added[0].actor?.id == "operator")
        #expect(added[0].subject == "client/a")
        store.expect(.commits(.full, afterEffect: false))
        await #expect(throws: IdentityFailure.auditUnavailable) {
            try await house.authenticator.remove("a", by: TestHouse.source)
        }
        #expect(house.authenticator.clients.map(\.name) == ["a"])
    }

    @Test func `do not open when their rows were swapped or altered`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        try await add("a", try pair("a"), to: house)
        try await add("b", try pair("b"), to: house)
        let content = try store.snapshot()
        let ids = try #require(content.entries[.client]).keys.map { $0 }
        var swapped = content
        swapped.entries[.client]?[ids[0]] = content.entries[.client]?[ids[1]]
        var altered = content
        altered.entries[.client]?[ids[0]]?[40] ^= 1
        for changed in [swapped, altered] {
            #expect(throws: IdentityFailure.storage) { try TestHouse(MemoryStore(changed), keys: house.keys) }
        }
    }

    @Test(arguments: [
        #"{"kty":"RSA","kid":"k","n":"AA","e":"AQAB"}"#, #"{"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AA"}"#,
        #"{"kty":"EC","crv":"P-384","kid":"k","x":"AA","y":"AA"}"#, #"{"kty":"EC","crv":"P-384","kid":"k"}"#, "{}", "",
        "[]",
        #"{"kty":"oct","k":"AA","kid":"k"}"#,
    ])
    func `have P-384 keys`(jwk: String) {
        #expect(ClientKey(jwk: Array(jwk.utf8)) == nil)
    }

    @Test func `have keys that are points of the curve, with plain ids`() throws {
        let good = try pair("x").publicKey.json
        #expect(ClientKey(jwk: Array(good.utf8)) != nil)
        for (old, new) in [
            (#""kid":""#, #""kid":"a\"b"#), (#""kid":""#, #""kid":"a b"#), (#""alg":"ES384""#, #""alg":"ES256""#),
            (#""x":""#, #""x":"A"#), (#""y":""#, #""y":"A"#), (#""kty":"EC""#, #""kty":"ec""#), (#""x""#, #""z""#),
        ] {
            #expect(ClientKey(jwk: Array(good.replacing(old, with: new).utf8)) == nil, "\(new)")
        }
        let zero = base64URL([UInt8](repeating: 0, count: 48))
        let origin = #"{"kty":"EC","crv":"P-384","kid":"k","x":"\#(zero)","y":"\#(zero)"}"#
        #expect(ClientKey(jwk: Array(origin.utf8)) == nil)
    }

    @Test func `have key pairs that do not print`() throws {
        let pair = try pair("x")
        var dumped = ""
        dump(pair, to: &dumped)
        #expect("\(pair)" == "<key>" && dumped == "- <key>\n")
        #expect(ClientKeyPair(file: Array(pair.publicKey.json.utf8)) == nil)
        #expect(ClientKeyPair(file: pair.file)?.publicKey == pair.publicKey)
    }
}

@Suite struct `Tokens` {
    @Test func `are recognised until they expire`() async throws {
        let house = try TestHouse()
        let principal = try await house.signIn()
        let token = try await house.authenticator.issueToken(for: principal, source: TestHouse.source)
        let now = Instant.now()
        #expect(house.authenticator.principal(bearer: token[...], now: now)?.id == principal.id)
        #expect(house.authenticator.principal(bearer: token[...], now: principal.expires.adding(seconds: -1)) != nil)
        #expect(house.authenticator.principal(bearer: token[...], now: principal.expires.adding(seconds: 1)) == nil)
        #expect(house.authenticator.principal(bearer: token[...], now: principal.expires) == nil)
        for other in ["", token + "x", String(token.dropLast()), " " + token, token.uppercased()] {
            #expect(house.authenticator.principal(bearer: other[...], now: now) == nil)
        }
        #expect(try house.events().map(\.kind) == [.clientAdded, .tokenIssued])
    }

    @Test func `are different each time and not in the store`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        let principal = try await house.signIn()
        var tokens: Set<String> = []
        for _ in 0..<20 {
            tokens.insert(try await house.authenticator.issueToken(for: principal, source: TestHouse.source))
        }
        #expect(tokens.count == 20 && tokens.allSatisfy { $0.utf8.count == 43 })
        // A restart ends them.
        let reopened = try house.reopened()
        #expect(tokens.allSatisfy { reopened.authenticator.principal(bearer: $0[...], now: .now()) == nil })
    }

    @Test func `end with the removal of their client, however late they were issued`() async throws {
        let house = try TestHouse()
        let (principal, other) = (try await house.signIn("a"), try await house.signIn("b"))
        let token = try await house.authenticator.issueToken(for: principal, source: TestHouse.source)
        let kept = try await house.authenticator.issueToken(for: other, source: TestHouse.source)
        try await house.authenticator.remove("a", by: TestHouse.source)
        #expect(house.authenticator.principal(bearer: token[...], now: .now()) == nil)
        #expect(house.authenticator.principal(bearer: kept[...], now: .now())?.id == "b")
        await #expect(throws: IdentityFailure.unknownClient) {
            try await house.authenticator.issueToken(for: principal, source: TestHouse.source)
        }
    }

    @Test func `are not issued without the log`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try TestHouse(store)
        let principal = try await house.signIn()
        store.expect(.everything(.full))
        await #expect(throws: IdentityFailure.auditUnavailable) {
            try await house.authenticator.issueToken(for: principal, source: TestHouse.source)
        }
    }
}

@Suite struct `Failed sign-ins` {
    private func fail(_ house: TestHouse, from address: String) async {
        _ = try? await house.authenticator.authenticate(
            assertion: "x", audiences: [TestHouse.audience], scope: nil,
            source: RequestSource(address: address, request: ""))
    }

    @Test func `are counted by address and written together`() async throws {
        let house = try TestHouse()
        for number in 0..<10 { await fail(house, from: "192.0.2.\(number % 3)") }
        #expect(house.log.checkpoint.size == 0)
        await house.authenticator.flushFailures()
        await house.authenticator.flushFailures()
        let events = try house.events()
        #expect(events.map(\.kind) == [.signInFailed, .signInFailed, .signInFailed])
        #expect(events.map(\.count) == [4, 3, 3] && events.allSatisfy { $0.outcome == .failed && $0.actor == nil })
    }

    @Test func `of many strangers cannot fill the log`() async throws {
        let house = try TestHouse()
        for number in 0..<3000 {
            house.authenticator.countFailure(source: RequestSource(address: "\(number)", request: ""))
        }
        await house.authenticator.flushFailures()
        let events = try house.events()
        #expect(events.count == 1001)
        #expect(events.map(\.count).reduce(0, +) == 3000)
    }

    @Test func `are counted on while the log is down`() async throws {
        let store = FailingStore(MemoryStore())
        let house = try TestHouse(store)
        await fail(house, from: "192.0.2.1")
        store.expect(.commits(.full, afterEffect: false))
        await house.authenticator.flushFailures()
        await fail(house, from: "192.0.2.1")
        store.expect(.none)
        await house.authenticator.flushFailures()
        #expect(try house.events().map(\.count) == [2])
    }
}
