import Testing
import WardCore
import WardCrypto
import WardIdentity

/// W3C Web Authentication Level 3 §16: made by others, for `example.org`.
@Suite struct `The vectors of the W3C` {
    private let ticket = sha256([1])
    private let now = Instant(microseconds: 1_800_000_000_000_000)

    private func register(_ vector: Vector) throws -> Passkey {
        let party = try #require(RelyingParty(id: "example.org", origin: "https://example.org"))
        let challenges = PasskeyChallenges(predictable: bytes(vector.challenge))
        _ = challenges.issue(.registration, person: "p", ticket: ticket, now: now)
        let challenge = try challenges.taking(.registration, ticket, now)
        let id = base64URL(bytes(vector.id))
        let json =
            #"{"id":"\#(id)","rawId":"\#(id)","type":"public-key","response":{"clientDataJSON":"#
            + #""\#(base64URL(bytes(vector.clientData)))","attestationObject":"\#(base64URL(bytes(vector.object)))"}}"#
        return try Passkeys.register(
            try PasskeyRegistration(json: Array(json.utf8)), challenge: challenge, party: party, name: "vector",
            now: now, isTaken: { _ in false })
    }

    @Test func `with a verified user and an attestation register (§16.3)`() throws {
        let passkey = try register(.packedSelf)
        #expect(passkey.id == bytes(Vector.packedSelf.id) && passkey.isBackupEligible && passkey.isBackedUp)
        #expect(hex(passkey.model) == "df850e09db6afbdfab51697791506cfc")
    }

    @Test func `without a verified user go no further than that (§16.2)`() throws {
        #expect(throws: PasskeyFailure.userNotVerified) { try register(.none) }
    }

    @Test(arguments: [
        // §16.2, §16.3, §16.11: key, authenticator data, client data, signature.
        (
            "a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61"
                + "225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
            "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000",
            #"{"type":"webauthn.get","challenge":"OcDnUhQXulTUPo3JUXT0I97pvzzYBP9tZchXyav01Ag","#
                + #""origin":"https://example.org","crossOrigin":false}"#,
            "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd38"
                + "0221008480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87"
        ),
        (
            "a5010203262001215820eb151c8176b225cc651559fecf07af450fd85802046656b34c18f6cf193843c5"
                + "225820927b8aa427a2be1b8834d233a2d34f61f13bfd44119c325d5896e183fee484f2",
            "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50900000000",
            #"{"type":"webauthn.get","challenge":"RHihCxNSNI3RYME1Ow1Gm12xnrkcJ_ffpv7Tn-Jq8gs","#
                + #""origin":"https://example.org","crossOrigin":false,"extraData":"clientDataJSON may be extended "#
                + #"with additional fields in the future, such as this: gTb53rz6EhSWomXGzimC1Q"}"#,
            "304402203310b9431903c401f1be2bdc8d23a4007682dbbddcf846994947b7f465daf840"
                + "02204e94dd00047b316061b3b99772b7efd95994a83ef584b3b6b825ea3550251b66"
        ),
        (
            "a401010327200621582044e06ddd331c36a8dc667bab52bcae63486c916aa5e339e6acebaa84934bf832",
            "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50100000000",
            #"{"type":"webauthn.get","challenge":"iVlX4BxjOmmDSKLYoxpUt9sn6MHEOyCA15riGQJnv9I","#
                + #""origin":"https://example.org","crossOrigin":false}"#,
            "f5c59c7e46c34f6f8cc197101ddf9934fa2595f68eb1913a637e8419eb9ba4cf"
                + "dfc48f85393bc0d40b011f0d6fecb097d6607525713223a0dc0d453993dae00b"
        ),
    ])
    func `carry signatures that fit, and only as they are`(
        key: String, data: String, client: String, signature: String
    ) throws {
        let key = try PasskeyKey(bytes(key))
        let message = bytes(data) + sha256(Array(client.utf8)).bytes
        #expect(key.isValid(bytes(signature), of: message))
        for place in message.indices {
            var changed = message
            changed[place] ^= 1
            #expect(!key.isValid(bytes(signature), of: changed))
        }
    }

    private struct Vector {
        let challenge: String
        let id: String
        let clientData: String
        let object: String

        static let none = Vector(
            challenge: "00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130",
            id: "f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4",
            clientData: """
                7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22414d4d507434557878475453746e
                63647134313759447742466938767049612d7077386f4f755657345441222c226f726967696e223a2268747470733a2f2f6578616d
                706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a
                534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e2074686520667574
                7572652c207375636820617320746869733a20426b5165446a646354427258426941774a544c453551227d
                """,
            object: """
                a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd465
                92a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba612
                2b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61
                225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220
                """)

        static let packedSelf = Vector(
            challenge: "7869c2b772d4b58eba9378cf8f29e26cf935aa77df0da89fa99c0bdc0a76f7e5",
            id: "455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58c",
            clientData: """
                7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a2265476e4374334c55745936366b33
                6a506a796e6962506b31716e666644616966715a774c33417032392d55222c226f726967696e223a2268747470733a2f2f6578616d
                706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a
                534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e2074686520667574
                7572652c207375636820617320746869733a205539685458764b453255526b4d6e625f307859485667227d
                """,
            object: """
                a363666d74667061636b65646761747453746d74a263616c672663736967584630440220067a20754ab925005dbf378097c9212003
                1581c73228d1fb4f5b881bcd7da98302207fc7b147558c7c0eba3af18bd9d121fa3d3a26d17fe3f220272178f473b6006d68617574
                684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b55d00000000df850e09db6afbdfab
                51697791506cfc0020455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58ca5010203262001215820eb15
                1c8176b225cc651559fecf07af450fd85802046656b34c18f6cf193843c5225820927b8aa427a2be1b8834d233a2d34f61f13bfd44
                119c325d5896e183fee484f2
                """)
    }
}
