import Testing
import WardCore
import WardCrypto
import WardIdentity

/// A relying party with its challenges, and one person.
struct PasskeyHouse {
    let party: RelyingParty
    let challenges = PasskeyChallenges()
    let ticket = sha256(Array("ticket".utf8))
    let person = "k3x9q2m7w5t8z4r6"
    let now = Instant(microseconds: 1_800_000_000_000_000)

    init() throws {
        party = try #require(RelyingParty(id: SoftAuthenticator.rpID, origin: SoftAuthenticator.origin))
    }

    func register(
        _ authenticator: SoftAuthenticator, _ ceremony: Ceremony = .registration, after seconds: Int64 = 0,
        taken: [UInt8] = []
    ) throws -> Passkey {
        let challenge = challenges.issue(.registration, person: person, ticket: ticket, now: now)
        let credential = authenticator.attestedCredential(
            ceremony.coseKey ?? authenticator.coseKey, length: ceremony.idLength)
        let data = SoftAuthenticator.data(
            rpID: ceremony.rpID, flags: ceremony.flags, count: ceremony.count,
            rest: (ceremony.flags & 0x40 == 0 ? [] : credential) + ceremony.trailing)
        let object = ceremony.attestation(
            authenticator.attestationObject(of: data, format: ceremony.format, statement: ceremony.statement))
        let json = Self.json(
            ceremony, id: authenticator.id,
            #""clientDataJSON":"\#(base64URL(ceremony.clientDataBytes(challenge)))","attestationObject":"#
                + #""\#(base64URL(object))","transports":["usb","internal","carrier-pigeon","usb"]"#)
        let response = try PasskeyRegistration(json: Array(json.utf8))
        let taking = try challenges.taking(.registration, ticket, now)
        return try Passkeys.register(
            response, challenge: taking, party: party, name: "blue key", now: now.adding(seconds: seconds)
        ) { $0 == taken }
    }

    func verify(
        _ authenticator: SoftAuthenticator, _ passkey: Passkey, _ ceremony: Ceremony = .assertion,
        for person: String?? = .none, after seconds: Int64 = 0
    ) throws -> Passkey {
        let challenge = challenges.issue(
            .authentication, person: person ?? self.person, ticket: ticket, now: now)
        let client = ceremony.clientDataBytes(challenge)
        let data = ceremony.authenticatorData(
            SoftAuthenticator.data(
                rpID: ceremony.rpID, flags: ceremony.flags, count: ceremony.count, rest: ceremony.trailing))
        let signature = ceremony.signature(try authenticator.sign(data + sha256(client).bytes))
        let handle = ceremony.userHandle.map { #","userHandle":"\#(base64URL(Array($0.utf8)))""# } ?? ""
        let json = Self.json(
            ceremony, id: authenticator.id,
            #""clientDataJSON":"\#(base64URL(client))","authenticatorData":"\#(base64URL(ceremony.sentData(data)))","signature":"#
                + #""\#(base64URL(signature))"\#(handle)"#)
        let assertion = try PasskeyAssertion(json: Array(json.utf8))
        let taking = try challenges.taking(.authentication, ticket, now)
        return try Passkeys.verify(
            assertion, passkey: passkey, challenge: taking, party: party, now: now.adding(seconds: seconds))
    }

    private static func json(_ ceremony: Ceremony, id: [UInt8], _ response: String) -> String {
        let id = base64URL(ceremony.rawID ?? id)
        return ceremony.json(
            #"{"id":"\#(id)","rawId":"\#(id)","type":"public-key","clientExtensionResults":{},"#
                + #""authenticatorAttachment":"platform","response":{\#(response)}}"#)
    }
}

extension PasskeyChallenges {
    /// `#require` takes nothing that cannot be copied.
    func taking(_ ceremony: PasskeyCeremony, _ ticket: Digest, _ now: Instant) throws -> PasskeyChallenge {
        guard let challenge = take(ceremony, ticket: ticket, now: now) else { throw Missing() }
        return challenge
    }

    struct Missing: Error {}
}

/// One way in which a ceremony breaks a rule.
struct Offence: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let failure: PasskeyFailure
    let change: @Sendable (inout Ceremony) -> Void

    init(_ description: String, _ failure: PasskeyFailure, _ change: @escaping @Sendable (inout Ceremony) -> Void) {
        testDescription = description
        self.failure = failure
        self.change = change
    }

    /// What both ceremonies refuse.
    static let ofBoth: [Offence] = [
        Offence("swapped type", .wrongType) {
            $0.type = $0.type == "webauthn.get" ? "webauthn.create" : "webauthn.get"
        },
        Offence("another type", .wrongType) { $0.type = "payment.get" },
        Offence("type in capitals", .wrongType) { $0.type = $0.type.uppercased() },
        Offence("another challenge", .wrongChallenge) { $0.challenge = base64URL(randomBytes(32)) },
        Offence("empty challenge", .wrongChallenge) { $0.challenge = "" },
        Offence("half a challenge", .wrongChallenge) { $0.challenge = base64URL(randomBytes(16)) },
        Offence("http", .wrongOrigin) { $0.origin = "http://ward.lindenhof.example" },
        Offence("a subdomain", .wrongOrigin) { $0.origin = "https://a.ward.lindenhof.example" },
        Offence("the domain above", .wrongOrigin) { $0.origin = "https://lindenhof.example" },
        Offence("another port", .wrongOrigin) { $0.origin = "https://ward.lindenhof.example:8443" },
        Offence("a path", .wrongOrigin) { $0.origin = "https://ward.lindenhof.example/" },
        Offence("a look-alike", .wrongOrigin) { $0.origin = "https://ward.lindenhof.examp1e" },
        Offence("capitals", .wrongOrigin) { $0.origin = "https://Ward.lindenhof.example" },
        Offence("a longer name", .wrongOrigin) { $0.origin = "https://ward.lindenhof.example.evil.example" },
        Offence("an app", .wrongOrigin) { $0.origin = "android:apk-key-hash:abc" },
        Offence("no origin", .wrongOrigin) { $0.origin = "null" },
        Offence("cross-origin frame", .crossOrigin) { $0.more = #","crossOrigin":true"# },
        Offence("cross-origin as text", .crossOrigin) { $0.more = #","crossOrigin":"false""# },
        Offence("cross-origin null", .crossOrigin) { $0.more = #","crossOrigin":null"# },
        Offence("a top origin", .crossOrigin) { $0.more = #","crossOrigin":false,"topOrigin":"https://evil.example""# },
        Offence("a second type", .malformedClientData) { $0.more = #","type":"webauthn.get""# },
        Offence("a second origin", .malformedClientData) { $0.more = #","origin":"https://evil.example""# },
        Offence("a second origin, escaped", .malformedClientData) {
            $0.more = #","\u006frigin":"https://evil.example""#
        },
        Offence("client data of nothing", .malformedClientData) { $0.clientData = [] },
        Offence("client data that is a list", .malformedClientData) { $0.clientData = Array("[]".utf8) },
        Offence("client data without members", .malformedClientData) { $0.clientData = Array("{}".utf8) },
        Offence("client data with numbers", .malformedClientData) {
            $0.clientData = Array(#"{"type":1,"challenge":2,"origin":3}"#.utf8)
        },
        Offence("client data in UTF-16", .malformedClientData) {
            $0.clientData = [0xFE, 0xFF, 0x00, 0x7B, 0x00, 0x7D]
        },
        Offence("client data without end", .malformedClientData) { $0.more = #","x":{"a":1"# },
        Offence("very long client data", .malformedClientData) {
            $0.more = #","x":""# + String(repeating: "a", count: 9000) + #"""#
        },
        Offence("another site's authenticator data", .wrongRelyingParty) { $0.rpID = "evil.example" },
        Offence("the domain above as id", .wrongRelyingParty) { $0.rpID = "lindenhof.example" },
        Offence("the origin as id", .wrongRelyingParty) { $0.rpID = SoftAuthenticator.origin },
        Offence("nobody there", .userNotPresent) { $0.flags &= 0xFE },
        Offence("nobody verified", .userNotVerified) { $0.flags &= 0xFB },
        Offence("neither", .userNotPresent) { $0.flags &= 0xFA },
        Offence("backed up, but cannot be", .badBackupFlags) { $0.flags |= 0x10 },
        Offence("a byte too many", .malformedAuthenticatorData) { $0.trailing = [0] },
        Offence("extensions announced, none there", .cbor(.truncated)) { $0.flags |= 0x80 },
        Offence("extensions that are no map", .malformedAuthenticatorData) {
            $0.flags |= 0x80
            $0.trailing = [0x01]
        },
        Offence("extensions of indefinite length", .cbor(.indefiniteLength)) {
            $0.flags |= 0x80
            $0.trailing = [0xBF, 0xFF]
        },
        Offence("extensions and a byte", .malformedAuthenticatorData) {
            $0.flags |= 0x80
            $0.trailing = [0xA0, 0x00]
        },
        Offence("extensions that were not announced", .malformedAuthenticatorData) { $0.trailing = [0xA0] },
        Offence("another credential id", .wrongCredential) { $0.rawID = randomBytes(32) },
        Offence("a cut credential id", .wrongCredential) { $0.rawID = [1] },
        Offence("no credential id", .malformedResponse) { $0.rawID = [] },
        Offence("another type of credential", .malformedResponse) {
            $0.json = { $0.replacing("public-key", with: "password") }
        },
        Offence("two ids", .malformedResponse) { $0.json = { $0.replacing(#""id":""#, with: #""id":"AA"#) } },
        Offence("padding", .malformedResponse) { $0.json = { $0.replacing(#"","type""#, with: #"=","type""#) } },
        Offence("no response", .malformedResponse) { $0.json = { $0.replacing(#""response""#, with: #""request""#) } },
        Offence("no client data", .malformedResponse) {
            $0.json = { $0.replacing("clientDataJSON", with: "clientdata") }
        },
        Offence("text behind", .malformedResponse) { $0.json = { $0 + "}" } },
        Offence("nothing", .malformedResponse) { $0.json = { _ in "" } },
        Offence("a list", .malformedResponse) { $0.json = { "[\($0)]" } },
    ]
}
