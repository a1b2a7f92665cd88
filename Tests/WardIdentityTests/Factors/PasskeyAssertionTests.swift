import Crypto
import Testing
import WardCore
import WardCrypto
import WardIdentity

@Suite struct `A signature of a passkey` {
    private let house: PasskeyHouse

    init() throws {
        house = try PasskeyHouse()
    }

    @Test(arguments: SoftAuthenticator.Kind.allCases)
    func `that keeps every rule is taken`(kind: SoftAuthenticator.Kind) throws {
        let authenticator = SoftAuthenticator(kind)
        let passkey = try house.register(authenticator)
        let used = try house.verify(authenticator, passkey, after: 20)
        #expect(used.lastUsed == house.now.adding(seconds: 20) && used.added == passkey.added)
        #expect(used.id == passkey.id && used.key == passkey.key && used.signCount == 0)
        #expect(Passkey(decoding: used.encoded()) == used)
    }

    @Test(arguments: Offence.ofBoth)
    func `is refused for`(offence: Offence) throws {
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        var ceremony = Ceremony.assertion
        offence.change(&ceremony)
        #expect(throws: offence.failure) { try house.verify(authenticator, passkey, ceremony) }
    }

    @Test(arguments: SoftAuthenticator.Kind.allCases)
    func `with any bit of it changed is refused`(kind: SoftAuthenticator.Kind) throws {
        let authenticator = SoftAuthenticator(kind)
        let passkey = try house.register(authenticator)
        for place in 0..<64 {
            var ceremony = Ceremony.assertion
            ceremony.signature = { signature in
                var changed = signature
                changed[place % changed.count] ^= 1 << UInt8(place % 8)
                return changed
            }
            #expect(throws: PasskeyFailure.badSignature) { try house.verify(authenticator, passkey, ceremony) }
        }
        let changes: [@Sendable ([UInt8]) -> [UInt8]] = [
            { _ in [] }, { Array($0.dropLast()) }, { $0 + [0] }, { [0] + $0 },
            { [UInt8](repeating: 0, count: $0.count) },
            { [UInt8](repeating: 0xFF, count: $0.count) }, { $0.reversed() },
        ]
        for change in changes {
            var ceremony = Ceremony.assertion
            ceremony.signature = change
            #expect(throws: PasskeyFailure.badSignature) { try house.verify(authenticator, passkey, ceremony) }
        }
    }

    @Test func `of P-256 in the raw format of JOSE is refused`() throws {
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        var ceremony = Ceremony.assertion
        ceremony.signature = { der in
            guard let signature = try? P256.Signing.ECDSASignature(derRepresentation: der) else { return [] }
            return Array(signature.rawRepresentation)
        }
        #expect(throws: PasskeyFailure.badSignature) { try house.verify(authenticator, passkey, ceremony) }
    }

    @Test func `by another key is refused`() throws {
        for kind in SoftAuthenticator.Kind.allCases {
            let authenticator = SoftAuthenticator(kind)
            let passkey = try house.register(authenticator)
            for foreign in [SoftAuthenticator.Kind.p256, .ed25519] {
                var forger = SoftAuthenticator(foreign)
                forger.id = authenticator.id
                #expect(throws: PasskeyFailure.badSignature) { try house.verify(forger, passkey) }
            }
        }
    }

    @Test func `over other data than what came is refused`() throws {
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        var ceremony = Ceremony.assertion
        // Signed: without a verified user. Sent: with one.
        ceremony.flags = 0x01
        ceremony.sentData = { _ in SoftAuthenticator.data(rpID: SoftAuthenticator.rpID, flags: 0x05, count: 0) }
        #expect(throws: PasskeyFailure.badSignature) { try house.verify(authenticator, passkey, ceremony) }
    }

    @Test func `has to count on, if the authenticator counts`() throws {
        let authenticator = SoftAuthenticator(.p256)
        var ceremony = Ceremony.registration
        ceremony.count = 7
        var passkey = try house.register(authenticator, ceremony)
        for (count, isTaken) in [
            (7, false), (0, false), (6, false), (8, true), (8, false), (100, true), (99, false),
            (UInt32.max, true), (0, false), (1, false), (UInt32.max, false),
        ] as [(UInt32, Bool)] {
            var ceremony = Ceremony.assertion
            ceremony.count = count
            if isTaken {
                passkey = try house.verify(authenticator, passkey, ceremony)
                #expect(passkey.signCount == count)
            } else {
                #expect(throws: PasskeyFailure.counterNotGrown) { try house.verify(authenticator, passkey, ceremony) }
            }
        }
    }

    @Test func `keeps what it said about backups`() throws {
        let authenticator = SoftAuthenticator(.p256)
        let bound = try house.register(authenticator)
        var ceremony = Ceremony.registration
        ceremony.flags = 0x4D
        let copied = try house.register(authenticator, ceremony)
        #expect(copied.isBackupEligible && !copied.isBackedUp)
        ceremony = .assertion
        ceremony.flags = 0x1D
        #expect(try house.verify(authenticator, copied, ceremony).isBackedUp)
        #expect(throws: PasskeyFailure.badBackupFlags) { try house.verify(authenticator, bound, ceremony) }
        ceremony.flags = 0x0D
        #expect(throws: PasskeyFailure.badBackupFlags) { try house.verify(authenticator, bound, ceremony) }
        ceremony.flags = 0x05
        #expect(throws: PasskeyFailure.badBackupFlags) { try house.verify(authenticator, copied, ceremony) }
    }

    @Test func `that brings a key is refused`() throws {
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        var ceremony = Ceremony.assertion
        ceremony.flags = 0x45
        ceremony.trailing = authenticator.attestedCredential(authenticator.coseKey)
        #expect(throws: PasskeyFailure.malformedAuthenticatorData) {
            try house.verify(authenticator, passkey, ceremony)
        }
    }

    @Test func `cut at any byte of its data is refused`() throws {
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        for end in 0..<37 {
            var ceremony = Ceremony.assertion
            ceremony.authenticatorData = { Array($0[..<end]) }
            #expect(throws: PasskeyFailure.malformedAuthenticatorData) {
                try house.verify(authenticator, passkey, ceremony)
            }
        }
    }

    @Test func `is the person's, by the session and by the authenticator`() throws {
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        var ceremony = Ceremony.assertion
        ceremony.userHandle = house.person
        _ = try house.verify(authenticator, passkey, ceremony)
        _ = try house.verify(authenticator, passkey, ceremony, for: .some(nil))
        #expect(throws: PasskeyFailure.wrongPerson) {
            try house.verify(authenticator, passkey, ceremony, for: "somebody else")
        }
        #expect(throws: PasskeyFailure.wrongPerson) { try house.verify(authenticator, passkey, for: "somebody else") }
        #expect(throws: PasskeyFailure.wrongPerson) { try house.verify(authenticator, passkey, for: .some(nil)) }
        for handle in ["somebody else", "", house.person + " ", house.person.uppercased()] {
            ceremony.userHandle = handle
            #expect(throws: PasskeyFailure.wrongPerson) { try house.verify(authenticator, passkey, ceremony) }
            #expect(throws: PasskeyFailure.wrongPerson) {
                try house.verify(authenticator, passkey, ceremony, for: .some(nil))
            }
        }
    }

    @Test func `of another passkey is refused`() throws {
        let (first, second) = (SoftAuthenticator(.p256), SoftAuthenticator(.p256))
        let passkey = try house.register(first)
        #expect(throws: PasskeyFailure.wrongCredential) { try house.verify(second, passkey) }
    }

    @Test func `that comes too late is refused`() throws {
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        _ = try house.verify(authenticator, passkey, after: 299)
        #expect(throws: PasskeyFailure.challengeExpired) { try house.verify(authenticator, passkey, after: 300) }
    }
}
