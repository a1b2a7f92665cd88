import Testing
import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit

/// A clinic's people over a store, with a clock of its own and a browser that keeps cookies.
final class PeopleHouse {
    static let password = "plum tractor violet anchorage"
    static let admin = AuditActor(id: "operator", name: "operator", role: "operator")
    static let start = Instant(microseconds: 1_800_000_000_000_000)

    let store: any SealedStore
    let keys: TestHouse.Keys
    let log: AuditLog
    let people: People
    let party: RelyingParty
    var now = PeopleHouse.start
    var deviceMark: String?
    var address = "192.0.2.1"

    init(
        _ store: any SealedStore = MemoryStore(), keys: TestHouse.Keys = TestHouse.Keys(),
        now: Instant = PeopleHouse.start, policy: Policy = Policy()
    ) throws {
        self.store = store
        self.keys = keys
        self.now = now
        log = try AuditLog(store: store, keys: TestHouse.auditKeys(keys), origin: TestHouse.origin)
        people = try People(
            store: store, material: keys.tenant.derived("ward/identities/1"), log: log, clinic: "Lindenhof",
            policy: policy,
            hashing: Argon2id.Parameters(memoryKiB: 19_456, passes: 2, lanes: 1), started: now)
        party = try #require(RelyingParty(id: SoftAuthenticator.rpID, origin: SoftAuthenticator.origin))
    }

    func reopened(policy: Policy = Policy()) throws -> PeopleHouse {
        try PeopleHouse(store, keys: keys, now: now, policy: policy)
    }

    var source: RequestSource { RequestSource(address: address, request: "r1") }
    var context: SignInContext { SignInContext(source: source, device: "Firefox, Linux", deviceMark: deviceMark) }

    func pass(_ seconds: Int64) { now = now.adding(seconds: seconds) }

    // MARK: People

    /// Somebody with rights and a link, and nothing else.
    func invited(
        _ login: String, _ roles: [Role] = [.clinician], listed: Bool = false, practitioner: String? = nil
    ) async throws -> (person: Person, link: String) {
        let person = try await people.directory.add(
            login: login, displayName: "Dr \(login)", practitioner: practitioner, byOperator: Self.admin,
            source: source, at: now)
        try await people.grant(
            Rights(roles: roles, mayUseEmergencyAccess: listed), to: person.id, byOperator: Self.admin, source: source)
        let link = try await people.invite(person.id, byOperator: Self.admin, source: source, at: now)
        return (person, link)
    }

    /// Somebody with a password and an authenticator app, signed in.
    func member(
        _ login: String, _ roles: [Role] = [.clinician], listed: Bool = false, practitioner: String? = nil
    ) async throws -> Member {
        let (person, link) = try await invited(login, roles, listed: listed, practitioner: practitioner)
        let token = try people.beginEnrolment(link, at: now).token
        let seed = try await people.enrol(token, password: Password(typed: Self.password), at: now)
        let enrolled = try await people.enrol(token, code: code(seed), context: context, at: now)
        pass(30)
        return Member(
            id: person.id, login: login, seed: seed, token: enrolled.signedIn.token,
            mark: enrolled.signedIn.deviceMark, codes: enrolled.recoveryCodes)
    }

    struct Member {
        let id: String
        let login: String
        let seed: TOTPSeed
        var token: String
        let mark: String
        let codes: [SavedRecoveryCode]
    }

    func code(_ seed: TOTPSeed, _ offset: Int64 = 0) throws -> OneTimeCode {
        let step = now.microseconds / 30_000_000 + offset
        return try #require(OneTimeCode(typed: seed.digits(step: step, count: 6)))
    }

    @discardableResult
    func signIn(
        _ login: String, _ password: String = PeopleHouse.password, code: OneTimeCode
    ) async throws -> SignedIn {
        try await people.signIn(
            login: login, Password(typed: password), code: code, context: context, at: now)
    }

    func principal(_ token: String, isActivity: Bool = true) -> Principal? {
        if case .active(let principal, _) = people.standing(of: token, at: now, isActivity: isActivity) {
            principal
        } else {
            nil
        }
    }

    func isLocked(_ token: String) -> Bool {
        if case .locked = people.standing(of: token, at: now, isActivity: true) { true } else { false }
    }

    // MARK: Passkeys

    func registration(_ authenticator: SoftAuthenticator, options: [UInt8]) throws -> PasskeyRegistration {
        let client = Ceremony.registration.clientDataBytes(try challenge(options))
        let object = authenticator.attestationObject(of: authenticator.registrationData())
        let id = base64URL(authenticator.id)
        return try PasskeyRegistration(
            json: Array(
                (#"{"id":"\#(id)","rawId":"\#(id)","type":"public-key","response":{"clientDataJSON":"#
                    + #""\#(base64URL(client))","attestationObject":"\#(base64URL(object))"}}"#).utf8))
    }

    func assertion(
        _ authenticator: SoftAuthenticator, options: [UInt8], person: String?, count: UInt32 = 0,
        _ ceremony: Ceremony = .assertion
    ) throws -> PasskeyAssertion {
        let client = ceremony.clientDataBytes(try challenge(options))
        let data = SoftAuthenticator.data(rpID: ceremony.rpID, flags: ceremony.flags, count: count)
        let signature = try authenticator.sign(data + sha256(client).bytes)
        let id = base64URL(authenticator.id)
        let handle = person.map { #","userHandle":"\#(base64URL(Array($0.utf8)))""# } ?? ""
        return try PasskeyAssertion(
            json: Array(
                (#"{"id":"\#(id)","rawId":"\#(id)","type":"public-key","response":{"clientDataJSON":"#
                    + #""\#(base64URL(client))","authenticatorData":"\#(base64URL(data))","signature":"#
                    + #""\#(base64URL(signature))"\#(handle)}}"#).utf8))
    }

    /// The challenge in what a page is given.
    func challenge(_ options: [UInt8]) throws -> [UInt8] {
        let text = String(decoding: options, as: UTF8.self)
        let start = try #require(text.firstRange(of: #""challenge":""#)?.upperBound)
        return try #require(base64URLDecoded(text[start...].prefix { $0 != "\"" }))
    }

    // MARK: The log

    func kinds() throws -> [AuditEventKind] { try log.events(with: [], limit: 1000).reversed().map(\.event.kind) }
}
