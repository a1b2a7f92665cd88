import Synchronization
import WardCore
import WardCrypto
import WardIndex
import WardStorage

/// Every key that opens records.
///
/// Made from the tenant key, held by the vault alone.
struct VaultKeys: Sendable {
    let tenant: TenantID
    let locators: LocatorKey
    let index: KeyMaterial
    private let ownerMask: MacKey
    private let keyIDs: MacKey
    private let wrapping: SealingKey
    private let importMarks: MacKey
    /// For records that belong to no single patient.
    private let shared: RecordKeys
    private let cache = PatientKeyCache()
    let verification: VerificationKeys
    let destruction: SealingKey

    init(_ material: KeyMaterial, tenant: TenantID) {
        self.tenant = tenant
        locators = LocatorKey(material.derived("ward/locator/1"))
        index = material.derived("ward/search/1")
        ownerMask = MacKey(material.derived("ward/owner-mask/1"))
        keyIDs = MacKey(material.derived("ward/patient-key-id/1"))
        wrapping = SealingKey(material.derived("ward/patient-key-wrap/1"))
        importMarks = MacKey(material.derived("ward/import-mark/1"))
        shared = RecordKeys(material.derived("ward/shared-records/1"))
        verification = VerificationKeys(material.derived("ward/verification/1"))
        destruction = SealingKey(material.derived("ward/destroyed-key/1"))
    }

    /// The key id of a patient; unrelated to the locator of the Patient resource, so that rows do not point at it.
    func owner(ofPatient id: String) -> Locator { keyIDs.tag(Array(id.utf8)).locator }

    /// A keyed hash of a part of an import.
    func importMark(_ bytes: [UInt8]) -> Locator { importMarks.tag(ofWhole: bytes).locator }

    /// Hides or reveals which key sealed a version: each (locator, version) has its own pad.
    func masked(_ owner: Locator, locator: Locator, version: Int64) -> Locator {
        let pad = ownerMask.tag(locator.bytes, bigEndian(version)).locator
        return Locator(high: owner.high ^ pad.high, low: owner.low ^ pad.low)
    }

    /// Keys of an owner; nil for a patient who has none yet.
    ///
    /// - Throws: ``VaultFailure/keyDestroyed`` for one whose key the store says was destroyed.
    func keys(of owner: Locator, store: any SealedStore) throws(VaultFailure) -> RecordKeys? {
        if owner == .none { return shared }
        switch cache.standing(of: owner) {
        case .known(let keys): return keys
        case .ended: throw .keyDestroyed
        case .unknown: break
        }
        let wrapped: [UInt8]?
        do throws(StorageFailure) { wrapped = try store.patientKey(owner) } catch { throw .storage }
        guard let wrapped else {
            guard try storedDestruction(of: owner, store) != nil else { return nil }
            cache.end(owner)
            throw .keyDestroyed
        }
        guard let material = try? wrapping.unwrap(wrapped, boundTo: context(owner)) else { throw .damaged }
        let keys = RecordKeys(material)
        cache.put(keys, of: owner)
        return keys
    }

    /// A fresh key for an owner who has none, and its wrapped form for the store.
    ///
    /// Not cached before it is committed.
    func newKeys(of owner: Locator) throws(VaultFailure) -> (keys: RecordKeys, wrapped: [UInt8]) {
        let material = KeyMaterial.random()
        guard let wrapped = try? wrapping.wrap(material, boundTo: context(owner)) else { throw .damaged }
        return (RecordKeys(material), wrapped)
    }

    func remember(_ keys: RecordKeys, of owner: Locator) { cache.put(keys, of: owner) }

    /// Lets go of an owner's keys for good: nobody who is just reading them puts them back.
    func forget(_ owner: Locator) { cache.end(owner) }

    /// What the store says of the destruction of an owner's key; nil where it says nothing.
    func storedDestruction(of owner: Locator, _ store: any SealedStore) throws(VaultFailure) -> KeyDestruction? {
        let entry: StoredEntry?
        do throws(StorageFailure) { entry = try store.entry(owner, kind: .destroyedKey) } catch { throw .storage }
        guard let entry else { return nil }
        guard let found = KeyDestruction(entry, self) else { throw .damaged }
        return found
    }

    private func context(_ owner: Locator) -> [UInt8] {
        Array("ward/patient-key/1".utf8) + bigEndian(Int64(tenant.number)) + owner.bytes
    }
}

/// Body and card keys of one patient, or of the tenant's shared records.
struct RecordKeys: Sendable {
    let body: SealingKey
    let card: SealingKey

    init(_ material: KeyMaterial) {
        body = SealingKey(material.derived("ward/body/1"))
        card = SealingKey(material.derived("ward/card/1"))
    }
}

/// What a sealed record is bound to: taken from the request, never from the row.
struct RecordContext: Sendable {
    let tenant: TenantID
    let locator: Locator
    let version: Int64
    let owner: Locator
    let isDeleted: Bool

    func bytes(_ part: StaticString) -> [UInt8] {
        var bytes = Array("\(part)".utf8)
        bytes += bigEndian(Int64(tenant.number))
        bytes += locator.bytes
        bytes += bigEndian(version)
        bytes += owner.bytes
        bytes.append(isDeleted ? 1 : 0)
        return bytes
    }
}

/// Unwrapped patient keys, bounded; an evicted key is zeroed with its last user.
private final class PatientKeyCache: Sendable {
    enum Standing {
        case ended
        case known(RecordKeys)
        case unknown
    }

    private struct State {
        var keys: [Locator: RecordKeys] = [:]
        /// Whose keys were destroyed: none of theirs is kept again.
        var ended: Set<Locator> = []
    }

    private static let capacity = 20_000
    private let state = Mutex(State())

    func standing(of owner: Locator) -> Standing {
        state.withLock { state in
            if let known = state.keys[owner] { return .known(known) }
            return state.ended.contains(owner) ? .ended : .unknown
        }
    }

    func put(_ keys: RecordKeys, of owner: Locator) {
        state.withLock { state in
            guard !state.ended.contains(owner) else { return }
            if state.keys.count >= Self.capacity, let victim = state.keys.keys.randomElement() {
                state.keys[victim] = nil
            }
            state.keys[owner] = keys
        }
    }

    func end(_ owner: Locator) {
        state.withLock { state in
            state.keys[owner] = nil
            state.ended.insert(owner)
        }
    }
}

func bigEndian(_ value: Int64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: value >> Int64(56 - 8 * $0)) }
}
