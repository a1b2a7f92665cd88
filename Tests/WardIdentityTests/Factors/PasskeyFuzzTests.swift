import Testing
import WardCore
import WardCrypto
import WardIdentity

/// Changes one to four places of a text or its bytes.
private func mutated(_ input: [UInt8], _ generator: inout Steps) -> [UInt8] {
    var output = input
    for _ in 0...Int.random(in: 0...3, using: &generator) where !output.isEmpty {
        let place = Int.random(in: 0..<output.count, using: &generator)
        switch Int.random(in: 0...4, using: &generator) {
        case 0: output[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
        case 1: output[place] = UInt8.random(in: 0...255, using: &generator)
        case 2: output.remove(at: place)
        case 3: output.insert(output[Int.random(in: 0..<output.count, using: &generator)], at: place)
        default: output.removeSubrange(place..<min(output.count, place + Int.random(in: 1...40, using: &generator)))
        }
    }
    return output
}

@Suite struct `Mutated messages` {
    private let house: PasskeyHouse

    init() throws {
        house = try PasskeyHouse()
    }

    @Test(arguments: SoftAuthenticator.Kind.allCases)
    func `of an authenticator that signed are never taken`(kind: SoftAuthenticator.Kind) throws {
        var generator = Steps(state: 3)
        let authenticator = SoftAuthenticator(kind)
        let passkey = try house.register(authenticator)
        for round in 0..<300 {
            var ceremony = Ceremony.assertion
            let seed = generator.next()
            // The data is changed after it was signed, the client data in the message only.
            let (isData, change): (Bool, @Sendable ([UInt8]) -> [UInt8]) = (
                round % 2 == 0,
                { bytes in
                    var generator = Steps(state: seed)
                    var changed = bytes
                    while changed == bytes { changed = mutated(bytes, &generator) }
                    return changed
                }
            )
            if isData { ceremony.sentData = change } else { ceremony.signature = change }
            #expect(throws: PasskeyFailure.self, "round \(round)") {
                try house.verify(authenticator, passkey, ceremony)
            }
        }
    }

    @Test func `of a registration are refused, or are a registration of the same person`() throws {
        var generator = Steps(state: 5)
        let authenticator = SoftAuthenticator(.ed25519)
        var taken = 0
        for _ in 0..<1500 {
            var ceremony = Ceremony.registration
            let object = mutated(authenticator.attestationObject(of: authenticator.registrationData()), &generator)
            ceremony.attestation = { _ in object }
            guard let passkey = try? house.register(authenticator, ceremony) else { continue }
            taken += 1
            #expect(passkey.person == house.person && passkey.id == authenticator.id)
            #expect(Passkey(decoding: passkey.encoded()) == passkey)
        }
        // Another model, another counter, another key: nobody vouches for those.
        #expect(taken > 0)
    }

    @Test func `in JSON are refused, or say what was said`() throws {
        var generator = Steps(state: 9)
        let authenticator = SoftAuthenticator(.p256)
        let passkey = try house.register(authenticator)
        for _ in 0..<1500 {
            var ceremony = Ceremony.assertion
            let seed = generator.next()
            ceremony.json = { json in
                var generator = Steps(state: seed)
                return String(decoding: mutated(Array(json.utf8), &generator), as: UTF8.self)
            }
            if let used = try? house.verify(authenticator, passkey, ceremony) {
                #expect(used.id == passkey.id && used.key == passkey.key && used.person == passkey.person)
            }
        }
    }

    @Test func `from storage are refused, or are read`() throws {
        var generator = Steps(state: 13)
        let passkey = try house.register(SoftAuthenticator(.p256))
        let verifier = Array(
            "$argon2id$v=19$m=65536,t=3,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".utf8)
        for _ in 0..<1500 {
            if let read = Passkey(decoding: mutated(passkey.encoded(), &generator)) {
                #expect(Passkey(decoding: read.encoded()) == read)
            }
            let changed = mutated(verifier, &generator)
            if let read = PasswordVerifier(decoding: changed) { #expect(read.encoded() == changed) }
        }
    }
}
