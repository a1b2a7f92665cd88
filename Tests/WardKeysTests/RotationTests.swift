import Foundation
import Testing
import WardCore
import WardCrypto
import WardKeys

private func bytes(_ material: KeyMaterial) -> [UInt8] { material.withBytes { $0 } }

@Suite struct `A rotation of keys` {
    private let keyFile = KeyMaterial.random()
    private let recovery = RecoveryCode()
    private let ring: Keyring
    private let material: [UInt8]

    init() throws {
        let made = try Keyring.create(storeID: "s", unlock: .keyFile(keyFile), recovery: recovery, today: 100)
        (ring, material) = (made.keyring, bytes(made.material))
    }

    private func opens(_ ring: Keyring, _ way: Keyring.Unlock) -> Bool {
        (try? ring.open(storeID: "s", unlock: way)).map(bytes) == material
    }

    private func open(_ ring: Keyring, _ way: Keyring.Unlock) throws -> OpenKeyring {
        try OpenKeyring(ring, storeID: "s", unlock: way)
    }

    @Test func `ends the old key file and leaves material and recovery code as they are`() throws {
        let fresh = KeyMaterial.random()
        for changed in [
            try open(ring, .keyFile(keyFile)).withNewRoot(.keyFile(fresh), today: 200),
            try open(ring, .keyFile(keyFile)).withNewTenant(.keyFile(fresh), today: 200),
            try open(ring, .recovery(recovery)).withNewRoot(.keyFile(fresh), today: 200),
        ] {
            let stored = try Keyring(decoding: try changed.encoded())
            #expect(opens(stored, .keyFile(fresh)) && opens(stored, .recovery(recovery)))
            #expect(!opens(stored, .keyFile(keyFile)))
            #expect(stored.made.root == 200 && stored.made.recovery == 100)
        }
        #expect(opens(ring, .keyFile(keyFile)), "what was kept from before still opens: the documentation says so")
    }

    @Test func `of the tenant key wraps everything anew`() throws {
        let changed = try open(ring, .keyFile(keyFile)).withNewTenant(.keyFile(.random()), today: 7)
        let (old, new) = (fields(ring), fields(changed))
        for name in ["root", "tenant", "material", "recovery", "tag"] { #expect(old[name] != new[name]) }
        #expect(old["recipient"] == new["recipient"])
        #expect(changed.made.tenant == 7)
    }

    @Test func `of the recovery code ends the printed one`() throws {
        let code = RecoveryCode()
        let changed = try open(ring, .keyFile(keyFile)).withNewRecovery(code, today: 300)
        #expect(opens(changed, .recovery(code)) && opens(changed, .keyFile(keyFile)))
        #expect(!opens(changed, .recovery(recovery)))
        #expect(changed.made.recovery == 300 && changed.made.root == 100)
    }

    @Test func `moves a store from a key file to a passphrase and back`() throws {
        let phrase = Keyring.Unlock.passphrase(SecretBytes(copying: Array("correct horse battery".utf8)))
        let moved = try open(ring, .keyFile(keyFile)).withNewRoot(phrase, today: 1)
        #expect(moved.provider == .passphrase && opens(moved, phrase) && !opens(moved, .keyFile(keyFile)))
        let back = try open(moved, phrase).withNewRoot(.keyFile(keyFile), today: 2)
        #expect(back.provider == .keyFile && opens(back, .keyFile(keyFile)))
        #expect(throws: KeyFailure.notConfigured) { try back.open(storeID: "s", unlock: phrase) }
    }

    @Test func `does not begin without the right key`() {
        for way in [Keyring.Unlock.keyFile(.random()), .recovery(RecoveryCode())] {
            #expect(throws: KeyFailure.refused) { try open(ring, way) }
        }
        #expect(throws: KeyFailure.tooShortPassphrase) {
            try open(ring, .keyFile(keyFile)).withNewRoot(.passphrase(SecretBytes(copying: [0x61])), today: 1)
        }
        #expect(throws: KeyFailure.notConfigured) {
            try open(ring, .keyFile(keyFile)).withNewRoot(.recovery(recovery), today: 1)
        }
    }

    /// Whoever can write to the store would have the next rotation wrap the keys for them.
    @Test func `refuses a keyring with another recipient, or parts of two`() throws {
        let other = try Keyring.create(storeID: "s", unlock: .keyFile(keyFile), recovery: RecoveryCode(), today: 100)
        let later = try open(ring, .keyFile(keyFile)).withNewRecovery(RecoveryCode(), today: 101)
        for foreign in [other.keyring, later] {
            for name in ["recipient", "recovery", "made", "tag"] {
                guard fields(foreign)[name] != fields(ring)[name] else { continue }
                let mixed = try mixed(ring, with: foreign, name)
                #expect(throws: KeyFailure.malformedKeyring, "\(name)") {
                    try mixed.open(storeID: "s", unlock: .keyFile(keyFile))
                }
            }
        }
    }

    private func fields(_ ring: Keyring) -> [String: String] {
        var fields: [String: String] = [:]
        let text = (try? ring.encoded()).map { String(decoding: $0, as: UTF8.self) } ?? ""
        for name in ["made", "material", "recipient", "recovery", "root", "tag", "tenant"] {
            guard let start = text.range(of: "\"\(name)\":") else { continue }
            let rest = text[start.upperBound...]
            guard let end = rest.firstIndex(where: { $0 == "]" || $0 == "}" }) else { continue }
            fields[name] = String(rest[...end])
        }
        return fields
    }

    private func mixed(_ ring: Keyring, with other: Keyring, _ name: String) throws -> Keyring {
        let text = String(decoding: try ring.encoded(), as: UTF8.self)
        let (old, new) = (try #require(fields(ring)[name]), try #require(fields(other)[name]))
        return try Keyring(decoding: Array(text.replacing("\"\(name)\":\(old)", with: "\"\(name)\":\(new)").utf8))
    }
}
