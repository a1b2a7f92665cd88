import Foundation
import Testing
import WardCore
import WardCrypto
import WardKeys

private func bytes(_ material: KeyMaterial) -> [UInt8] { material.withBytes { $0 } }

/// A key service that keeps what it is given under a number.
private func made(_ storeID: String = "s", boot: String = "boot") throws -> (key: ServiceKey, wrapped: [UInt8]) {
    let draft = try ServiceKey.Draft(storeID: storeID)
    let place = draft.place(sealed: Array("sealed".utf8), boot: sha256(Array(boot.utf8)))
    return (
        try ServiceKey(place, wrapped: draft.wrapped, storeID: storeID, credentials: nil), draft.wrapped
    )
}

@Suite struct `A key that a service wraps` {
    private let keyFile = KeyMaterial.random()
    private let recovery = RecoveryCode()
    private let ring: Keyring
    private let material: [UInt8]

    init() throws {
        let made = try Keyring.create(storeID: "s", unlock: .keyFile(keyFile), recovery: recovery, today: 100)
        (ring, material) = (made.keyring, bytes(made.material))
    }

    private func moved(_ key: ServiceKey) throws -> Keyring {
        let open = try OpenKeyring(ring, storeID: "s", unlock: .keyFile(keyFile))
        return try Keyring(decoding: try open.withNewRoot(.keyService(key), today: 200).encoded())
    }

    @Test func `opens the store, and the key file of before does not`() throws {
        let (key, wrapped) = try made()
        let ring = try moved(key)
        #expect(ring.provider == .keyService && ring.service == key.place)
        #expect(try bytes(ring.open(storeID: "s", unlock: .keyService(key))) == material)
        #expect(try bytes(ring.open(storeID: "s", unlock: .recovery(recovery))) == material)
        #expect(throws: KeyFailure.notConfigured) { try ring.open(storeID: "s", unlock: .keyFile(keyFile)) }
        // As at a start: from what the keyring holds and the service gives back.
        let place = try #require(ring.service)
        let again = try ServiceKey(place, wrapped: wrapped, storeID: "s", credentials: nil)
        try ring.prove(again, storeID: "s")
        let open = try OpenKeyring(ring, storeID: "s", unlock: .keyService(again))
        #expect(try open.withNewRoot(.keyFile(keyFile), today: 300).service == nil)
    }

    @Test func `is nothing without the keyring's part, or with another store's`() throws {
        let ((key, wrapped), (other, _)) = (try made(), try made())
        let ring = try moved(key)
        #expect(throws: KeyFailure.notConfigured) { try ring.open(storeID: "s", unlock: .keyService(other)) }
        #expect(throws: KeyFailure.refused) {
            try ServiceKey(other.place, wrapped: wrapped, storeID: "s", credentials: nil)
        }
        #expect(throws: KeyFailure.refused) {
            try ServiceKey(key.place, wrapped: wrapped, storeID: "t", credentials: nil)
        }
        for place in wrapped.indices {
            var changed = wrapped
            changed[place] ^= 1
            #expect(throws: KeyFailure.refused) {
                try ServiceKey(key.place, wrapped: changed, storeID: "s", credentials: nil)
            }
        }
    }

    @Test func `cannot be given another boot file by whoever can write the store`() throws {
        let (key, wrapped) = try made()
        let ring = try moved(key)
        var json = try #require(
            JSONSerialization.jsonObject(with: Data(try ring.encoded())) as? [String: Any])
        var service = try #require(json["service"] as? [String: Any])
        service["boot"] = sha256(Array("evil".utf8)).bytes.map { Int($0) }
        json["service"] = service
        let forged = try Keyring(decoding: Array(try JSONSerialization.data(withJSONObject: json)))
        let place = try #require(forged.service)
        let opened = try ServiceKey(place, wrapped: wrapped, storeID: "s", credentials: nil)
        #expect(throws: KeyFailure.malformedKeyring) { try forged.open(storeID: "s", unlock: .keyService(opened)) }
    }

    @Test func `goes to the service wrapped, and is never shown`() throws {
        let draft = try ServiceKey.Draft(storeID: "s")
        #expect(draft.wrapped.count > 32)
        let (key, _) = try made()
        #expect(!"\(draft) \(key) \(key.place) \(String(reflecting: key))".contains("["))
    }
}
