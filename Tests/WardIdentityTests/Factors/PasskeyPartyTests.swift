import Testing
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity

@Suite struct `A challenge` {
    private let challenges = PasskeyChallenges()
    private let ticket = sha256([1])
    private let now = Instant(microseconds: 1_800_000_000_000_000)

    private func taken(_ ceremony: PasskeyCeremony, _ ticket: Digest, after seconds: Int64 = 0) -> [UInt8]? {
        guard let challenge = challenges.take(ceremony, ticket: ticket, now: now.adding(seconds: seconds)) else {
            return nil
        }
        return challenge.bytes
    }

    @Test func `is 32 random bytes and taken once`() {
        let first = challenges.issue(.authentication, person: nil, ticket: ticket, now: now)
        #expect(first.count == 32)
        #expect(taken(.authentication, ticket) == first)
        #expect(taken(.authentication, ticket) == nil)
        #expect(challenges.issue(.authentication, person: nil, ticket: ticket, now: now) != first)
    }

    @Test func `belongs to its session and its ceremony`() {
        let bytes = challenges.issue(.authentication, person: nil, ticket: ticket, now: now)
        #expect(taken(.authentication, sha256([2])) == nil)
        #expect(taken(.registration, ticket) == nil)
        #expect(taken(.authentication, ticket) == bytes)
    }

    @Test func `ends after five minutes, and when the next is issued`() {
        _ = challenges.issue(.authentication, person: nil, ticket: ticket, now: now)
        #expect(taken(.authentication, ticket, after: 300) == nil)
        let first = challenges.issue(.authentication, person: nil, ticket: ticket, now: now)
        #expect(taken(.authentication, ticket, after: 299) == first)
        _ = challenges.issue(.authentication, person: nil, ticket: ticket, now: now)
        let second = challenges.issue(.authentication, person: nil, ticket: ticket, now: now)
        #expect(taken(.authentication, ticket) == second)
        #expect(taken(.authentication, ticket) == nil)
    }

    @Test func `of a person stays when strangers ask for very many`() {
        let mine = challenges.issue(.registration, person: "me", ticket: ticket, now: now)
        for number in 0..<45_000 as Range<UInt32> {
            let ticket = sha256((0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }, [9])
            _ = challenges.issue(.authentication, person: nil, ticket: ticket, now: now.adding(seconds: 1))
        }
        #expect(taken(.registration, ticket) == mine)
    }

    @Test func `of one ceremony does nothing in the other`() throws {
        let house = try PasskeyHouse()
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        let json =
            #"{"rawId":"\#(base64URL(authenticator.id))","type":"public-key","response":{"clientDataJSON":"","#
            + #""authenticatorData":"","signature":"","attestationObject":""}}"#
        _ = house.challenges.issue(.registration, person: "p", ticket: ticket, now: now)
        let assertion = try PasskeyAssertion(json: Array(json.utf8))
        #expect(throws: PasskeyFailure.wrongCeremony) {
            let registration = try house.challenges.taking(.registration, ticket, now)
            return try Passkeys.verify(
                assertion, passkey: passkey, challenge: registration, party: house.party, now: now)
        }
        let response = try PasskeyRegistration(json: Array(json.utf8))
        for ceremony in [PasskeyCeremony.authentication, .registration] {
            // A registration of nobody is as wrong as an authentication.
            _ = house.challenges.issue(ceremony, person: nil, ticket: ticket, now: now)
            #expect(throws: PasskeyFailure.wrongCeremony) {
                let challenge = try house.challenges.taking(ceremony, ticket, now)
                return try Passkeys.register(
                    response, challenge: challenge, party: house.party, name: "", now: now, isTaken: { _ in false })
            }
        }
    }
}

@Suite struct `A relying party` {
    @Test(arguments: [
        ("ward.example", "https://ward.example"), ("example", "https://ward.example"),
        ("ward.example", "https://ward.example:8443"),
        ("ward.example", "https://a.b.ward.example"), ("localhost", "http://localhost:8443"),
        ("localhost", "https://localhost"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ])
    func `is a domain and an origin on it`(id: String, origin: String) {
        #expect(RelyingParty(id: id, origin: origin) != nil)
    }

    @Test(arguments: [
        ("", ""), ("ward.example", ""), ("ward.example", "ward.example"), ("ward.example", "http://ward.example"),
        ("ward.example", "https://"), ("ward.example", "https://ward.example/"),
        ("ward.example", "https://ward.example:"),
        ("ward.example", "https://ward.example:443"), ("localhost", "http://localhost:80"),
        ("ward.example", "https://ward.example:08443"),
        ("ward.example", "https://ward.example:99999"), ("ward.example", "https://ward.example:1:2"),
        ("ward.example", "HTTPS://ward.example"),
        ("ward.example", "https://WARD.example"), ("WARD.example", "https://WARD.example"),
        ("a.ward.example", "https://ward.example"),
        ("ard.example", "https://ward.example"), ("ward.example", "https://evil.example"),
        ("ward.example", "https://user@ward.example"),
        ("ward.example", "https://ward.example.evil"), ("ward..example", "https://ward..example"),
        (".example", "https://ward.example"),
        ("127.0.0.1", "https://127.0.0.1"), ("[::1]", "https://[::1]"), ("bücher.example", "https://bücher.example"),
        ("-ward.example", "https://-ward.example"), ("ward.example", "https://ward.example?x"),
        ("localhost", "http://localhost.evil"),
    ])
    func `is nothing else`(id: String, origin: String) {
        #expect(RelyingParty(id: id, origin: origin) == nil)
    }

    @Test func `asks for what it checks`() throws {
        let house = try PasskeyHouse()
        let passkey = try house.register(SoftAuthenticator(.p256))
        let challenge = randomBytes(32)
        let creation = try JSONTape(
            parsing: PasskeyOptions.creation(
                challenge: challenge, party: house.party, clinic: "Lindenhof", person: house.person, loginName: "mara",
                displayName: "Mara", existing: [passkey])
        ).root
        #expect(creation["rp"]?["id"]?.string == SoftAuthenticator.rpID)
        #expect(creation["user"]?["id"]?.string == base64URL(Array(house.person.utf8)))
        #expect(creation["challenge"]?.string == base64URL(challenge))
        #expect(creation["attestation"]?.string == "none")
        #expect(creation["authenticatorSelection"]?["userVerification"]?.string == "required")
        #expect(creation["excludeCredentials"]?.elements.first?["id"]?.string == base64URL(passkey.id))
        #expect(
            creation["pubKeyCredParams"]?.elements.compactMap { $0["alg"].map { $0.tape.text($0.index) } }
                == ["-7", "-8", "-257"])
        let request = try JSONTape(
            parsing: PasskeyOptions.request(challenge: challenge, party: house.party, allowed: [passkey])
        ).root
        #expect(request["rpId"]?.string == SoftAuthenticator.rpID)
        #expect(request["userVerification"]?.string == "required")
        #expect(request["allowCredentials"]?.elements.count == 1)
    }
}
