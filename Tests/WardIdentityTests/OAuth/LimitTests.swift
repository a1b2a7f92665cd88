import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

@Suite struct `A stranger` {
    private let house: OAuthHouse

    init() throws { house = try OAuthHouse() }

    private func source(_ address: String) -> RequestSource { RequestSource(address: address, request: "r") }

    private func waits(_ id: String) -> Bool { house.oauth.isWaiting(id, at: house.now) }

    @Test(
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("::ffff:c000:201", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("2001:0DB8:0001:0002::", "2001:db8:1:2::/64"), ("2001:db8::1", "2001:db8:0:0::/64"),
            ("fe80::1%eth0", "fe80:0:0:0::/64"), ("::1", "0:0:0:0::/64"), ("::", "0:0:0:0::/64"),
            ("2001:db8:1:2:3:4:192.0.2.1", "2001:db8:1:2::/64"), ("local", "local"), ("", ""), ("1:2", "1:2"),
            (":::", ":::"), ("1::2::3", "1::2::3"), ("1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:9"), ("g::1", "g::1"),
            ("1:2:3:4:5:6:7:1.2.3", "1:2:3:4:5:6:7:1.2.3"), ("12345::", "12345::"),
        ])
    func `is one address of IPv4 or one network of IPv6`(address: String, group: String) {
        #expect(AddressGroup.of(address) == group)
    }

    // MARK: Failures

    @Test func `is slowed with all addresses of a network, and no client beside`() {
        let throttle = FailureThrottle()
        for host in 0..<FailureThrottle.limit {
            #expect(!throttle.isBlocked("2001:db8::\(host)", now: house.now))
            throttle.count("2001:db8::\(host)", client: host == 0 ? nil : "app/a", now: house.now)
        }
        #expect(throttle.isBlocked("2001:db8::ffff", now: house.now))
        #expect(!throttle.isBlocked("2001:db8:0:1::1", now: house.now))
        #expect(!throttle.isBlocked("2001:db8::1", client: "app/a", now: house.now))
        throttle.count("2001:db8::1", client: "app/a", now: house.now)
        #expect(throttle.isBlocked("2001:db8::1", client: "app/a", now: house.now))
        #expect(!throttle.isBlocked("2001:db8::1", client: "app/b", now: house.now))
        #expect(!throttle.isBlocked("192.0.2.1", client: "app/a", now: house.now))
        #expect(!throttle.isBlocked("2001:db8::1", now: house.now.adding(seconds: FailureThrottle.window)))
    }

    @Test func `with very many addresses fills no memory and frees nobody who is slowed`() {
        let throttle = FailureThrottle(capacity: 100)
        for _ in 0..<FailureThrottle.limit { throttle.count("192.0.2.1", now: house.now) }
        for network in 0..<5000 {
            throttle.count("2001:db8:\(String(network, radix: 16))::1", now: house.now)
            #expect(throttle.size <= 100)
        }
        #expect(throttle.isBlocked("192.0.2.1", now: house.now))
    }

    @Test func `who is slowed does not hold up who signs or shows what nobody guesses`() async throws {
        let (_, principal) = try await house.member()
        let app = try await house.app()
        let backends = try TestHouse()
        let pair = try #require(ClientKeyPair(client: "robot"))
        try await backends.authenticator.add(
            "robot", role: .integration, purpose: .treatment, key: pair.publicKey, by: TestHouse.source)
        func named(_ fields: [String: String]) -> String? {
            house.oauth.named(
                in: fields.map { SearchPair(name: $0.key, value: $0.value) }, backends: backends.authenticator)
        }
        let assertion = try await pair.assertion(audience: TestHouse.audience)
        #expect(named(["client_assertion": assertion]) == "client/robot")
        let stranger = try #require(ClientKeyPair(client: "nobody"))
        #expect(named(["client_assertion": try await stranger.assertion(audience: TestHouse.audience)]) == nil)
        let code = try await house.code(app, principal)
        let grant = try #require(named(["code": code]))
        #expect(grant.hasPrefix("grant/") && !grant.contains(code))
        // A client id is no proof, and neither are a made-up code, one that is spent, or an old refresh token.
        let key = ProofKey()
        let tokens = try await house.exchange(code, app, proof: try key.proof(at: house.now))
        let refresh = try #require(tokens.refresh)
        #expect(named(["refresh_token": refresh]) == grant)
        _ = try await house.refresh(refresh, app, proof: try key.proof(at: house.now))
        for fields in [
            ["client_id": app.id], ["code": code], ["code": "made-up"], ["refresh_token": refresh],
            ["refresh_token": "\(refresh.prefix { $0 != "." }).x"], ["client_assertion": "a.b.c"], [:],
        ] {
            #expect(named(fields) == nil, "\(fields)")
        }
        try await backends.authenticator.remove("robot", by: TestHouse.source)
        #expect(named(["client_assertion": assertion]) == nil)
    }

    @Test func `stands in the log once for all addresses of a network`() async throws {
        let house = try TestHouse()
        for host in 1...5 { house.authenticator.countFailure(source: source("2001:db8::\(host)")) }
        for _ in 1...3 { house.authenticator.countFailure(source: source("2001:db8:0:1::7")) }
        house.authenticator.countFailure(source: source("192.0.2.1"))
        await house.authenticator.flushFailures()
        let events = try house.log.events(with: [], limit: 10).map(\.event).filter { $0.kind == .signInFailed }
        let found = events.map { "\($0.source.address) \($0.count)" }.sorted()
        #expect(found == ["192.0.2.1 1", "2001:db8:0:0::/64 5", "2001:db8:0:1::7 3"])
    }

    // MARK: Registrations

    @Test func `keeps nobody else from registering`() async throws {
        for _ in 0..<10 { _ = try await house.register() }
        await #expect(throws: OAuthFailure.registrationClosed) { try await house.register() }
        for host in 1...10 { _ = try await house.register(from: "2001:db8::\(host)") }
        await #expect(throws: OAuthFailure.registrationClosed) { try await house.register(from: "2001:db8::ff") }
        let first = try #require(house.oauth.apps.apps.first { $0.redirectHosts == ["app.example"] })
        try await house.oauth.apps.approve(first.id, byOperator: PeopleHouse.admin, source: .system, at: house.now)
        for network in 3...10 {
            for _ in 0..<10 { _ = try await house.register(from: "192.0.2.\(network + 100)") }
        }
        _ = try await house.register(from: "198.51.100.1")
        // A hundred wait.
        await #expect(throws: OAuthFailure.registrationClosed) { try await house.register(from: "198.51.100.2") }
    }

    @Test func `of eight at once gets no more than there is room for`() async throws {
        let (oauth, now) = (house.oauth, house.now)
        let taken = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<24 {
                group.addTask {
                    (try? await oauth.apps.register(OAuthHouse.metadata(), source: OAuthHouse.source, at: now)) != nil
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(taken == 10)
    }

    @Test func `whom nobody approves is forgotten after a week, and the log says so`() async throws {
        let kept = try await house.app(["client_name": #""Kept""#])
        let app = try await house.register()
        house.house.pass(7 * 86_400 - 1)
        await house.house.people.sweep(at: house.now)
        #expect(house.oauth.apps.apps.count == 2)
        house.house.pass(1)
        await #expect(throws: IdentityFailure.unknownClient) {
            try await house.oauth.apps.approve(
                app.id, byOperator: PeopleHouse.admin, source: OAuthHouse.source, at: house.now)
        }
        await house.house.people.sweep(at: house.now)
        #expect(house.oauth.apps.apps.map(\.id) == [kept.id])
        #expect(try house.house.store.entries(.app).count == 1)
        let event = try #require(try house.house.log.events(with: [], limit: 1).first?.event)
        #expect(event.kind == .appRemoved && event.decision == "expired" && event.subject == "app/\(app.id)")
        #expect(try house.house.reopened().people.oauth.apps.apps.map(\.id) == [kept.id])
        await house.house.people.sweep(at: house.now)
        #expect(try house.house.log.events(with: [], limit: 1).first?.event.subject == "app/\(app.id)")
    }

    // MARK: Questions

    @Test func `who asks very often drops questions of their own network alone`() async throws {
        let app = try await house.app()
        let mine = try house.begin(app)
        let first = try house.begin(app, from: source("2001:db8::1"))
        house.house.pass(1)
        for host in 0..<100 { _ = try house.begin(app, from: source("2001:db8::\(String(host, radix: 16))")) }
        #expect(!waits(first) && waits(mine))
        // Behind the same address, whoever decides at this moment goes on.
        let (_, principal) = try await house.member()
        _ = try house.oauth.pending(mine, for: principal, at: house.now)
        for _ in 0..<150 { _ = try house.begin(app) }
        #expect(waits(mine))
    }

    @Test func `with very many networks drops what the busiest of them asked`() async throws {
        let app = try await house.app()
        let mine = try house.begin(app)
        for network in 0..<30 {
            for _ in 0..<100 { _ = try house.begin(app, from: source("198.51.100.\(network)")) }
        }
        #expect(waits(mine))
    }

    @Test func `who has signed in has twenty questions open at most`() async throws {
        let (_, principal) = try await house.member()
        let (_, other) = try await house.member("berta")
        let app = try await house.app()
        let theirs = try house.begin(app)
        _ = try house.oauth.pending(theirs, for: other, at: house.now)
        var mine: [String] = []
        for number in 0..<21 {
            let id = try house.begin(app, from: source("192.0.2.\(number)"))
            _ = try house.oauth.pending(id, for: principal, at: house.now)
            mine.append(id)
            house.house.pass(1)
        }
        #expect(mine.map(waits) == [false] + [Bool](repeating: true, count: 20) && waits(theirs))
    }

    // MARK: Tokens

    @Test func `with a grant has ten access tokens at most, and the oldest ends`() async throws {
        let key = ProofKey()
        let (_, app, tokens) = try await house.bound(key)
        var all = [tokens]
        for _ in 0..<10 {
            house.house.pass(1)
            let refresh = try #require(all.last?.refresh)
            all.append(try await house.refresh(refresh, app, proof: try key.proof(at: house.now)))
        }
        let good = try all.map { try house.principal($0.access, key: key) != nil }
        #expect(good == [false] + [Bool](repeating: true, count: 10))
    }
}
