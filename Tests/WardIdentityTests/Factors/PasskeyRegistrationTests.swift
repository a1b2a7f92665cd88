import Crypto
import Testing
import WardCore
import WardCrypto
import WardIdentity

private func replaced(_ bytes: [UInt8], _ old: [UInt8], _ new: [UInt8]) -> [UInt8] {
    guard let range = bytes.firstRange(of: old) else { return [] }
    return Array(bytes[..<range.lowerBound]) + new + Array(bytes[range.upperBound...])
}

@Suite struct `A new passkey` {
    private let house: PasskeyHouse

    init() throws {
        house = try PasskeyHouse()
    }

    @Test(arguments: SoftAuthenticator.Kind.allCases)
    func `that keeps every rule is taken`(kind: SoftAuthenticator.Kind) throws {
        let authenticator = SoftAuthenticator(kind)
        let passkey = try house.register(authenticator)
        #expect(passkey.id == authenticator.id && passkey.person == house.person && passkey.name == "blue key")
        #expect(passkey.signCount == 0 && passkey.lastUsed == nil && passkey.added == house.now)
        #expect(passkey.transports == ["internal", "usb"] && passkey.model == authenticator.model)
        #expect(!passkey.isBackupEligible && !passkey.isBackedUp)
        let algorithms: [SoftAuthenticator.Kind: PasskeyAlgorithm] = [.p256: .es256, .ed25519: .edDSA, .rsa: .rs256]
        #expect(passkey.key.algorithm == algorithms[kind])
    }

    @Test func `may count, be backed up, and bring extensions or an attestation that nobody trusts`() throws {
        var ceremony = Ceremony.registration
        (ceremony.count, ceremony.flags) = (.max, 0x5D)
        let passkey = try house.register(SoftAuthenticator(.p256), ceremony)
        #expect(passkey.signCount == .max && passkey.isBackupEligible && passkey.isBackedUp)
        ceremony = .registration
        // {"credProtect": 3}
        ceremony.flags = 0xC5
        ceremony.trailing = [0xA1, 0x6B] + Array("credProtect".utf8) + [0x03]
        _ = try house.register(SoftAuthenticator(.p256), ceremony)
        ceremony = .registration
        ceremony.format = "packed"
        // {"alg": -7, "sig": nonsense, "x5c": [nonsense]}
        ceremony.statement =
            [0xA3, 0x63] + Array("alg".utf8) + [0x26, 0x63] + Array("sig".utf8) + [0x42, 1, 2, 0x63]
            + Array("x5c".utf8) + [0x81, 0x41, 9]
        _ = try house.register(SoftAuthenticator(.p256), ceremony)
        ceremony = .registration
        ceremony.more = #","other_keys_can_be_added_here":"do not compare","x":[1,{}]"#
        _ = try house.register(SoftAuthenticator(.p256), ceremony)
    }

    @Test(arguments: Offence.ofBoth)
    func `is refused for`(offence: Offence) throws {
        var ceremony = Ceremony.registration
        offence.change(&ceremony)
        #expect(throws: offence.failure) { try house.register(SoftAuthenticator(.p256), ceremony) }
    }

    @Test(arguments: [
        Offence("no key", .malformedAuthenticatorData) { $0.flags = 0x05 },
        Offence("an id longer than the data", .malformedAuthenticatorData) { $0.idLength = 65_000 },
        Offence("an id that runs into the key", .malformedKey) { $0.idLength = 33 },
        Offence("an id without bytes", .malformedAuthenticatorData) { $0.idLength = 0 },
        Offence("an id over 1023 bytes", .malformedAuthenticatorData) { $0.idLength = 1024 },
        Offence("attestation none with a statement", .malformedAttestation) { $0.statement = [0xA1, 0x01, 0x01] },
        Offence("a statement that is no map", .malformedAttestation) { $0.statement = [0x80] },
        Offence("a statement of indefinite length", .cbor(.indefiniteLength)) { $0.statement = [0xBF, 0xFF] },
        Offence("a statement nested too deep", .cbor(.tooDeep)) {
            $0.format = "packed"
            $0.statement = [0xA1, 0x01, 0x81, 0x81, 0x80]
        },
        Offence("bytes behind the object", .cbor(.trailingBytes)) { $0.attestation = { $0 + [0] } },
        Offence("a cut object", .cbor(.truncated)) { $0.attestation = { Array($0.dropLast()) } },
        Offence("no object", .cbor(.truncated)) { $0.attestation = { _ in [] } },
        Offence("a list for an object", .malformedAttestation) { $0.attestation = { _ in [0x80] } },
        Offence("an empty object", .malformedAttestation) { $0.attestation = { _ in [0xA0] } },
        Offence("a format that is a number", .malformedAttestation) {
            $0.attestation = { replaced($0, [0x64] + Array("none".utf8), [0x01]) }
        },
        Offence("data as text", .cbor(.badUTF8)) { $0.attestation = { replaced($0, [0x58], [0x78]) } },
        Offence("an unsorted object", .cbor(.unsortedKeys)) {
            $0.attestation = { object in
                let format = [0x63] + Array("fmt".utf8) + [0x64] + Array("none".utf8)
                return replaced(object, format, []) + format
            }
        },
        Offence("two formats", .cbor(.duplicateKey)) {
            $0.attestation = { object in
                let format = [0x63] + Array("fmt".utf8) + [0x64] + Array("none".utf8)
                return [0xA4] + format + Array(object.dropFirst())
            }
        },
        Offence("a fourth member", .malformedAttestation) {
            $0.attestation = { [0xA4] + $0.dropFirst() + [0x69] + Array("epAttests".utf8) + [0xF5] }
        },
        Offence("an object of indefinite length", .cbor(.indefiniteLength)) {
            $0.attestation = { [0xBF] + $0.dropFirst() + [0xFF] }
        },
    ])
    func `with a wrong attestation is refused for`(offence: Offence) throws {
        var ceremony = Ceremony.registration
        offence.change(&ceremony)
        #expect(throws: offence.failure) { try house.register(SoftAuthenticator(.p256), ceremony) }
    }

    @Test func `cut at any byte of its data is refused`() throws {
        let authenticator = SoftAuthenticator(.ed25519)
        let whole = authenticator.registrationData()
        for end in whole.indices {
            var ceremony = Ceremony.registration
            let cut = authenticator.attestationObject(of: Array(whole[..<end]))
            ceremony.attestation = { _ in cut }
            #expect(throws: PasskeyFailure.self, "\(end)") { try house.register(authenticator, ceremony) }
        }
    }

    @Test func `that is somebody's already is refused`() throws {
        let authenticator = SoftAuthenticator(.p256)
        #expect(throws: PasskeyFailure.credentialTaken) { try house.register(authenticator, taken: authenticator.id) }
    }

    @Test func `that comes too late is refused`() throws {
        _ = try house.register(SoftAuthenticator(.p256), after: 299)
        #expect(throws: PasskeyFailure.challengeExpired) { try house.register(SoftAuthenticator(.p256), after: 300) }
    }

    @Test func `reads back from storage, and nothing else does`() throws {
        for kind in SoftAuthenticator.Kind.allCases {
            let passkey = try house.register(SoftAuthenticator(kind)).renamed(#"grey "key" ü"#)
            #expect(Passkey(decoding: passkey.encoded()) == passkey)
            #expect(Passkey(decoding: Array(passkey.encoded().dropLast())) == nil)
        }
        #expect(Passkey(decoding: Array("{}".utf8)) == nil)
        #expect(
            try house.register(SoftAuthenticator(.p256)).renamed(String(repeating: "x", count: 99)).name.count == 64)
    }
}

@Suite struct `A passkey's key` {
    private static let point = Array(P256.Signing.PrivateKey().publicKey.x963Representation)
    private static let x = Array(point[1..<33])
    private static let y = Array(point[33...])
    private static let ed = Array(Curve25519.Signing.PrivateKey().publicKey.rawRepresentation)
    private static let modulus = [UInt8](repeating: 0xD5, count: 256)

    private static func key(_ pairs: [([UInt8], [UInt8])]) -> [UInt8] {
        [0xA0 | UInt8(pairs.count)] + pairs.flatMap { $0.0 + $0.1 }
    }

    private static func string(_ bytes: [UInt8]) -> [UInt8] { SoftAuthenticator.byteString(bytes) }

    @Test(
        arguments: [
            ("not on the curve", .malformedKey, SoftAuthenticator.ec2(x: x, y: x)),
            (
                "at infinity", .malformedKey,
                SoftAuthenticator.ec2(x: [UInt8](repeating: 0, count: 32), y: [UInt8](repeating: 0, count: 32))
            ),
            ("beyond the field", .malformedKey, SoftAuthenticator.ec2(x: [UInt8](repeating: 0xFF, count: 32), y: y)),
            ("with a short coordinate", .malformedKey, SoftAuthenticator.ec2(x: Array(x.dropFirst()), y: y)),
            ("with a long coordinate", .malformedKey, SoftAuthenticator.ec2(x: [0] + x, y: y)),
            (
                "compressed", .malformedKey,
                key([([1], [2]), ([3], [0x26]), ([0x20], [1]), ([0x21], string(x)), ([0x22], [0xF5])])
            ),
            ("without y", .malformedKey, key([([1], [2]), ([3], [0x26]), ([0x20], [1]), ([0x21], string(x))])),
            (
                "on another curve", .malformedKey,
                key([([1], [2]), ([3], [0x26]), ([0x20], [2]), ([0x21], string(x)), ([0x22], string(y))])
            ),
            (
                "of another type", .malformedKey,
                key([([1], [1]), ([3], [0x26]), ([0x20], [1]), ([0x21], string(x)), ([0x22], string(y))])
            ),
            (
                "without algorithm", .malformedKey,
                key([([1], [2]), ([0x20], [1]), ([0x21], string(x)), ([0x22], string(y))])
            ),
            (
                "for ES384", .unsupportedAlgorithm,
                key([([1], [2]), ([3], [0x38, 34]), ([0x20], [1]), ([0x21], string(x)), ([0x22], string(y))])
            ),
            (
                "for ES256K", .unsupportedAlgorithm,
                key([([1], [2]), ([3], [0x38, 46]), ([0x20], [8]), ([0x21], string(x)), ([0x22], string(y))])
            ),
            (
                "for RS1", .unsupportedAlgorithm,
                key([([1], [3]), ([3], [0x39, 0xFF, 0xFE]), ([0x20], string(modulus)), ([0x21], string([1, 0, 1]))])
            ),
            (
                "for an algorithm by name", .unsupportedAlgorithm,
                key([
                    ([1], [2]), ([3], [0x65] + Array("ES256".utf8)), ([0x20], [1]), ([0x21], string(x)),
                    ([0x22], string(y)),
                ])
            ),
            (
                "with key operations", .malformedKey,
                key([
                    ([1], [2]), ([3], [0x26]), ([4], [0x81, 0x02]), ([0x20], [1]), ([0x21], string(x)),
                    ([0x22], string(y)),
                ])
            ),
            (
                "with a private part", .malformedKey,
                key([
                    ([1], [2]), ([3], [0x26]), ([0x20], [1]), ([0x21], string(x)), ([0x22], string(y)),
                    ([0x23], string(x)),
                ])
            ),
            (
                "unsorted", .cbor(.unsortedKeys),
                key([([3], [0x26]), ([1], [2]), ([0x20], [1]), ([0x21], string(x)), ([0x22], string(y))])
            ),
            (
                "twice x", .cbor(.duplicateKey),
                key([([1], [2]), ([3], [0x26]), ([0x20], [1]), ([0x21], string(x)), ([0x21], string(y))])
            ),
            ("of EdDSA, too short", .malformedKey, SoftAuthenticator.okp(x: Array(ed.dropLast()))),
            ("of EdDSA, too long", .malformedKey, SoftAuthenticator.okp(x: ed + [0])),
            ("of EdDSA, zero", .malformedKey, SoftAuthenticator.okp(x: [UInt8](repeating: 0, count: 32))),
            ("of EdDSA, one", .malformedKey, SoftAuthenticator.okp(x: [1] + [UInt8](repeating: 0, count: 31))),
            (
                "of EdDSA, minus one", .malformedKey,
                SoftAuthenticator.okp(x: [0xEC] + [UInt8](repeating: 0xFF, count: 30) + [0x7F])
            ),
            (
                "of EdDSA, minus one, other sign", .malformedKey,
                SoftAuthenticator.okp(x: [0xEC] + [UInt8](repeating: 0xFF, count: 31))
            ),
            (
                "of EdDSA, of order eight", .malformedKey,
                SoftAuthenticator.okp(x: bytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))
            ),
            ("of X25519", .malformedKey, key([([1], [1]), ([3], [0x27]), ([0x20], [4]), ([0x21], string(ed))])),
            (
                "of RSA, 1024 bits", .malformedKey,
                SoftAuthenticator.rsa(modulus: Array(modulus.prefix(128)), exponent: [1, 0, 1])
            ),
            (
                "of RSA, 2047 bits", .malformedKey,
                SoftAuthenticator.rsa(modulus: [0x75] + modulus.dropFirst(), exponent: [1, 0, 1])
            ),
            (
                "of RSA, leading zero", .malformedKey,
                SoftAuthenticator.rsa(modulus: [0] + modulus, exponent: [1, 0, 1])
            ),
            (
                "of RSA, even", .malformedKey,
                SoftAuthenticator.rsa(modulus: modulus.dropLast() + [0xD4], exponent: [1, 0, 1])
            ),
            (
                "of RSA, 8192 bits", .malformedKey,
                SoftAuthenticator.rsa(modulus: [UInt8](repeating: 0xD5, count: 1024), exponent: [1, 0, 1])
            ),
            ("of RSA, exponent 3", .malformedKey, SoftAuthenticator.rsa(modulus: modulus, exponent: [3])),
            ("of RSA, exponent 1", .malformedKey, SoftAuthenticator.rsa(modulus: modulus, exponent: [1])),
            (
                "of RSA, padded exponent", .malformedKey,
                SoftAuthenticator.rsa(modulus: modulus, exponent: [0, 1, 0, 1])
            ),
            ("that is a number", .malformedKey, [0x01]), ("that is empty", .malformedKey, [0xA0]),
        ] as [(String, PasskeyFailure, [UInt8])])
    func `is refused when it is`(what: String, failure: PasskeyFailure, cose: [UInt8]) throws {
        let house = try PasskeyHouse()
        var ceremony = Ceremony.registration
        ceremony.coseKey = cose
        #expect(throws: failure) { try house.register(SoftAuthenticator(.p256), ceremony) }
    }
}
