import Synchronization
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardStorage
import WardTestKit

/// A postman over a planned mail server.
private struct Office {
    let house: EgressHouse
    let postman: Postman

    init(_ script: [String], security: Destination.Security = .tls, user: String? = nil, password: String? = "pw")
        async throws
    {
        house = try EgressHouse(network: PlannedNetwork(script: script))
        try await house.ready(EgressHouse.destination(security: security))
        postman = try Self.postman(house, password)
        let (from, to) = (
            try #require(MailAddress("ward@clinic.example")), try #require(MailAddress("it@clinic.example"))
        )
        try await postman.set(
            NoticeSettings(destination: "out", from: from, to: to, user: user, passwordFile: nil), told: ["old"],
            by: EgressHouse.actor, source: EgressHouse.source)
    }

    static func postman(_ house: EgressHouse, _ password: String?) throws -> Postman {
        let clock = house.clock
        return try Postman(
            store: house.store, material: house.material, log: house.log, broker: house.broker,
            origin: "https://ward.example:8443", clock: { clock.now },
            password: { _ in password.map { Array($0.utf8) } })
    }

    func failure() async -> EgressFailure? {
        do throws(EgressFailure) {
            try await postman.send(.test)
            return nil
        } catch { return error }
    }

    var stream: PlannedStream { house.network.streams[0] }
}

private let welcome = ["220 mx\r\n", "250-mx\r\n250 AUTH LOGIN PLAIN\r\n"]
private let taken = ["250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 queued\r\n"]

@Suite struct `Mail` {
    @Test func `says a notice and nothing else, in plain ASCII`() async throws {
        let office = try await Office(welcome + taken)
        #expect(await office.failure() == nil)
        let said = office.stream.written
        #expect(
            said.hasPrefix(
                "EHLO ward.invalid\r\nMAIL FROM:<ward@clinic.example>\r\nRCPT TO:<it@clinic.example>\r\nDATA\r\n"))
        #expect(said.contains("Subject: \(Notice.subject)\r\n") && said.hasSuffix("\r\n.\r\nQUIT\r\n"))
        #expect(said.contains("Sign in to see more: https://ward.example:8443/app\r\n"))
        #expect(said.utf8.allSatisfy { $0 == 0x0A || $0 == 0x0D || 0x20...0x7E ~= $0 })
        #expect(office.stream.plain.isEmpty)
    }

    @Test func `begins TLS with STARTTLS and says nothing of itself before, nor believes what was said before`()
        async throws
    {
        let office = try await Office(
            ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n", "250 mx\r\n"] + taken, security: .startTLS)
        #expect(await office.failure() == nil)
        #expect(office.stream.plain == "EHLO ward.invalid\r\nSTARTTLS\r\n")
        // AUTH offered in the clear alone is none.
        let stripped = try await Office(
            ["220 mx\r\n", "250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", "220 go\r\n", "250 mx\r\n"] + taken,
            security: .startTLS, user: "me")
        #expect(await stripped.failure() == .withoutSecret)
    }

    @Test(arguments: [
        ["220 mx\r\n", "250 mx\r\n"], ["220 mx\r\n", "250-mx\r\n250 XSTARTTLS\r\n"],
        ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 not now\r\n"],
        ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"],
        ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n250 more\r\n"], ["554 no\r\n"], ["220 mx\r\n220 mx\r\n"], [],
    ])
    func `ends where STARTTLS is not offered, not begun, or followed by more`(_ script: [String]) async throws {
        let office = try await Office(script, security: .startTLS, user: "me")
        #expect(await office.failure() != nil)
        for word in ["MAIL", "AUTH", "pw", "RCPT", "ward.example:"] { #expect(!office.stream.written.contains(word)) }
    }

    @Test func `signs in by PLAIN, else by LOGIN, else not at all`() async throws {
        let plain = try await Office(welcome + ["235 ok\r\n"] + taken, user: "me")
        #expect(await plain.failure() == nil)
        #expect(plain.stream.written.contains("AUTH PLAIN \(base64(Array("\0me\0pw".utf8)))\r\n"))
        let login = try await Office(
            ["220 mx\r\n", "250-mx\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", "334 x\r\n", "235 ok\r\n"] + taken,
            user: "me")
        #expect(await login.failure() == nil)
        #expect(
            login.stream.written.contains(
                "AUTH LOGIN\r\n\(base64(Array("me".utf8)))\r\n\(base64(Array("pw".utf8)))\r\n"))
        let none = try await Office(["220 mx\r\n", "250 mx\r\n"] + taken, user: "me")
        #expect(await none.failure() == .withoutSecret)
        let refused = try await Office(welcome + ["535 no\r\n"], user: "me")
        #expect(await refused.failure() == .answered(535))
        let unset = try await Office(welcome, user: "me", password: nil)
        #expect(await unset.failure() == .withoutSecret)
        #expect(unset.house.network.attempts == 0)
    }

    @Test(arguments: [
        "", "\n", "\r\n", "2", "22", "220", "220\n", "abc\r\n", "220 a\nb\r\n", "220 a\r", "99 x\r\n", "620 x\r\n",
        "120 x\r\n",
        "220+x\r\n", "220-a\r\n221 b\r\n", "220 \u{0}\r\n", "220 a\r\r\n", "220-a\r\nxyz\r\n", " 220 a\r\n",
        "220 \(String(repeating: "a", count: 600))\r\n", String(repeating: "a", count: 600),
        String(repeating: "220-a\r\n", count: 200), "220 a\r\n220 b\r\n", "-220 a\r\n", "+22 a\r\n",
    ])
    func `takes no answer that is not one`(_ hostile: String) async throws {
        let office = try await Office([hostile])
        let failure = try #require(await office.failure())
        #expect([.malformedAnswer, .peerClosed, .tooLarge].contains(failure))
        #expect(office.stream.written.isEmpty)
    }

    @Test func `takes an answer in pieces as it takes it whole, and random bytes never as one that is good`()
        async throws
    {
        let office = try await Office(["2", "20", "-a\r", "\n220 ", "b\r\n"] + welcome.dropFirst() + taken)
        #expect(await office.failure() == nil)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var bytes = Array("220-mail.example\r\n220 ready\r\n".utf8)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...127, using: &generator)
            }
            let other = try await Office([String(decoding: bytes, as: UTF8.self)])
            // The greeting may have survived; the rest never comes, and nothing more than EHLO was said.
            #expect(await other.failure() != nil)
            #expect(["", "EHLO ward.invalid\r\n"].contains(other.stream.written))
        }
    }

    @Test(arguments: [
        "", "a", "a@", "@b.c", "a@b@c.d", "a b@c.d", "a@c.d\r\nRCPT TO:<x@y.z>", "a>@c.d", "a@c d", ".a@c.d", "ü@c.d",
        "\"a\"@c.d",
        "a@[127.0.0.1]", "a@c.d>",
    ])
    func `goes to no address that could be another command`(_ text: String) { #expect(MailAddress(text) == nil) }
}

@Suite struct `Notices that wait` {
    @Test func `are told once, survive a restart, and are let go of when they were taken`() async throws {
        let office = try await Office(welcome + taken)
        try await office.postman.tell(["old"]) { _ in .alerts(count: 1, severe: 0) }
        #expect(office.postman.waiting.isEmpty)
        try await office.postman.tell(["new", "old"]) { .alerts(count: $0.count, severe: 1) }
        try await office.postman.tell(["new", "old"]) { .alerts(count: $0.count, severe: 1) }
        #expect(office.postman.waiting.map(\.notice) == [.alerts(count: 1, severe: 1)])
        let again = try Office.postman(office.house, "pw")
        #expect(again.waiting == office.postman.waiting && again.settings == office.postman.settings)
        await again.deliver()
        #expect(again.waiting.isEmpty && office.stream.written.contains("1 alert of odd access waits"))
        #expect(try Office.postman(office.house, "pw").waiting.isEmpty)
        #expect(try office.house.events(.noticeEnded).map(\.outcome) == [.success])
    }

    @Test func `are tried again with growing pauses, and given up after a week`() async throws {
        let office = try await Office(["421 later\r\n"])
        try await office.postman.tell(["new"]) { _ in .test }
        await office.postman.deliver()
        await office.postman.deliver()
        #expect(office.house.network.attempts == 1)
        office.house.clock.move(seconds: 61)
        await office.postman.deliver()
        office.house.clock.move(seconds: 61)
        await office.postman.deliver()
        #expect(office.house.network.attempts == 2)
        office.house.clock.move(seconds: 61)
        await office.postman.deliver()
        #expect(office.house.network.attempts == 3 && office.postman.waiting.count == 1)
        office.house.clock.move(seconds: 8 * EgressHouse.day)
        await office.postman.deliver()
        #expect(office.postman.waiting.isEmpty && office.house.network.attempts == 3)
        #expect(try office.house.events(.noticeEnded).map(\.decision) == ["given-up"])
    }

    @Test func `go nowhere once that was said, also while one is being queued`() async throws {
        let office = try await Office(welcome + taken)
        let (postman, settings) = (office.postman, office.postman.settings)
        for round in 0..<40 {
            try await postman.set(settings, told: [], by: EgressHouse.actor, source: EgressHouse.source)
            async let telling: Void = postman.tell(["round \(round)"]) { _ in .test }
            async let clearing: Void = postman.set(nil, told: [], by: EgressHouse.actor, source: EgressHouse.source)
            _ = try await (telling, clearing)
            #expect(postman.settings == nil)
            #expect(try Office.postman(office.house, nil).settings == nil)
        }
    }

    @Test func `of several matters are each told once, and are sentences with counts alone`() async throws {
        let office = try await Office(welcome + taken)
        for _ in 0..<2 {
            try await office.postman.tell([
                (["a1"], { .alerts(count: $0.count, severe: 0) }), (["b1", "b2"], { .backupTrouble(count: $0.count) }),
                (["p1"], { .postureRed(count: $0.count) }), (["e1"], { .agreementsEnding(count: $0.count) }),
                ([], { _ in .test }),
            ])
        }
        let told: [Notice] = [
            .alerts(count: 1, severe: 0), .backupTrouble(count: 2), .postureRed(count: 1), .agreementsEnding(count: 1),
        ]
        #expect(office.postman.waiting.map(\.notice) == told)
        // Queued at one moment, they come back in any order.
        #expect(try Set(Office.postman(office.house, "pw").waiting.map(\.notice)) == Set(told))
        try await office.postman.tell([(["a1", "b1", "b2", "p1", "e1", "e2"], { .agreementsEnding(count: $0.count) })])
        #expect(office.postman.waiting.last?.notice == .agreementsEnding(count: 1))
    }

    @Test func `are bounded, and the newest stay`() async throws {
        let office = try await Office([])
        for number in 0..<Postman.mostWaiting + 5 {
            try await office.postman.tell(["n\(number)"]) { _ in .alerts(count: number, severe: 0) }
        }
        #expect(office.postman.waiting.count == Postman.mostWaiting)
        #expect(office.postman.waiting.last?.notice == .alerts(count: Postman.mostWaiting + 4, severe: 0))
        #expect(try Office.postman(office.house, nil).waiting.count == Postman.mostWaiting)
    }

    @Test func `stay where no agreement covers their way`() async throws {
        let office = try await Office(welcome + taken)
        try await office.postman.tell(["new"]) { _ in .test }
        _ = try await office.house.register.revoke("posthaste", by: EgressHouse.actor, source: EgressHouse.source)
        await office.postman.deliver()
        #expect(office.house.network.attempts == 0 && office.postman.waiting.count == 1)
    }
}
