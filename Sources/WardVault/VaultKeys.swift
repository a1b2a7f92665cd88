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
    private let shared: PatientKeys
    private let cache = PatientKeyCache()
    let verification: VerificationKeys
    let destruction: SealingKey
    let resealing: SealingKey

    init(_ material: KeyMaterial, tenant: TenantID) {
        self.tenant = tenant
        locators = LocatorKey(material.derived("ward/locator/1"))
        index = material.derived("ward/search/1")
        ownerMask = MacKey(material.derived("ward/owner-mask/1"))
        keyIDs = MacKey(material.derived("ward/patient-key-id/1"))
        wrapping = SealingKey(material.derived("ward/patient-key-wrap/1"))
        importMarks = MacKey(material.derived("ward/import-mark/1"))
        shared = PatientKeys(number: 1, newest: RecordKeys(material.derived("ward/shared-records/1")))
        verification = VerificationKeys(material.derived("ward/verification/1"))
        destruction = SealingKey(material.derived("ward/destroyed-key/1"))
        resealing = SealingKey(material.derived("ward/resealing/1"))
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
    func keys(of owner: Locator, store: any SealedStore) throws(VaultFailure) -> PatientKeys? {
        if owner == .none { return shared }
        let generation: UInt64
        switch cache.standing(of: owner) {
        case .known(let keys): return keys
        case .ended: throw .keyDestroyed
        case .unknown(let now): generation = now
        }
        let wrapped: [UInt8]?
        do throws(StorageFailure) { wrapped = try store.patientKey(owner) } catch { throw .storage }
        guard let wrapped else {
            guard try storedDestruction(of: owner, store) != nil else { return nil }
            cache.end(owner)
            throw .keyDestroyed
        }
        guard let opened = WrappedKeys(opening: wrapped, wrapping, boundTo: context(owner)) else { throw .damaged }
        let keys = PatientKeys(opened)
        cache.put(keys, of: owner, readIn: generation)
        return keys
    }

    /// A stored wrapped key with another one beside it: the newer is for what is written from now on.
    ///
    /// Nil for one that has two already: its exchange goes on.
    func exchanged(_ wrapped: [UInt8], of owner: Locator) throws(VaultFailure) -> (wrapped: [UInt8], keys: PatientKeys)?
    {
        guard let opened = WrappedKeys(opening: wrapped, wrapping, boundTo: context(owner)) else { throw .damaged }
        guard opened.earlier == nil else { return nil }
        let next = WrappedKeys(number: opened.number + 1, newest: .random(), earlier: opened.newest)
        guard let sealed = next.sealed(wrapping, boundTo: context(owner)) else { throw .damaged }
        return (sealed, PatientKeys(next))
    }

    /// The same without the earlier of two; nil where there is none.
    func withoutEarlier(
        _ wrapped: [UInt8], of owner: Locator
    ) throws(VaultFailure) -> (wrapped: [UInt8], keys: PatientKeys)? {
        guard let opened = WrappedKeys(opening: wrapped, wrapping, boundTo: context(owner)) else { throw .damaged }
        guard opened.earlier != nil else { return nil }
        let next = WrappedKeys(number: opened.number, newest: opened.newest, earlier: nil)
        guard let sealed = next.sealed(wrapping, boundTo: context(owner)) else { throw .damaged }
        return (sealed, PatientKeys(next))
    }

    /// A fresh key for an owner who has none, and its wrapped form for the store.
    ///
    /// Not cached before it is committed.
    func newKeys(of owner: Locator) throws(VaultFailure) -> (keys: PatientKeys, wrapped: [UInt8]) {
        let fresh = WrappedKeys(number: 1, newest: .random(), earlier: nil)
        guard let wrapped = fresh.sealed(wrapping, boundTo: context(owner)) else { throw .damaged }
        return (PatientKeys(fresh), wrapped)
    }

    func remember(_ keys: PatientKeys, of owner: Locator) { cache.put(keys, of: owner, readIn: nil) }

    /// Takes keys in the place of those that were known; whoever is just reading those does not put them back.
    func replace(_ keys: PatientKeys, of owner: Locator) { cache.replace(keys, of: owner) }

    /// Has an owner's keys read from the store again.
    func reconsider(_ owner: Locator) { cache.drop(owner) }

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

/// A patient's key, or two while one takes the place of the other.
struct PatientKeys: Sendable {
    /// Of the newest, from 1.
    let number: UInt32
    let newest: RecordKeys
    /// The one before it, until everything that it sealed is sealed anew.
    let earlier: RecordKeys?

    init(number: UInt32, newest: RecordKeys) {
        self.number = number
        self.newest = newest
        earlier = nil
    }

    fileprivate init(_ wrapped: WrappedKeys) {
        number = wrapped.number
        newest = RecordKeys(wrapped.newest)
        earlier = wrapped.earlier.map(RecordKeys.init)
    }

    /// What may have sealed something, most likely first.
    ///
    /// Rows do not say which it was: a number in them would tell those of one patient together, whose key alone was exchanged.
    var all: [RecordKeys] { [newest] + (earlier.map { [$0] } ?? []) }
}

/// The same as it is stored.
///
/// A first key alone is its bare 32 bytes; any other form is a mark (2), the number of the newest (4), its 32 bytes, and
/// those of the one before it. Sealed under the wrapping key, bound to whose they are.
private struct WrappedKeys {
    let number: UInt32
    let newest: KeyMaterial
    let earlier: KeyMaterial?

    init(number: UInt32, newest: KeyMaterial, earlier: KeyMaterial?) {
        self.number = number
        self.newest = newest
        self.earlier = earlier
    }

    init?(opening wrapped: [UInt8], _ wrapping: SealingKey, boundTo context: [UInt8]) {
        if let first = try? wrapping.unwrap(wrapped, boundTo: context) {
            self.init(number: 1, newest: first, earlier: nil)
            return
        }
        guard
            var content = try? wrapping.open(wrapped, boundTo: context), content.count == 37 || content.count == 69,
            content[0] == 2
        else { return nil }
        defer { wipe(&content) }
        let number = content[1..<5].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard number >= 2, let newest = KeyMaterial(Array(content[5..<37])) else { return nil }
        self.init(
            number: number, newest: newest,
            earlier: content.count == 69 ? KeyMaterial(Array(content[37...])) : nil)
    }

    func sealed(_ wrapping: SealingKey, boundTo context: [UInt8]) -> [UInt8]? {
        if number == 1, earlier == nil { return try? wrapping.wrap(newest, boundTo: context) }
        var content: [UInt8] = []
        content.reserveCapacity(69)
        content.append(2)
        content += (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
        for material in [newest, earlier].compactMap({ $0 }) { material.withBytes { content += $0 } }
        defer { wipe(&content) }
        return try? wrapping.seal(content, boundTo: context)
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
        case known(PatientKeys)
        /// Not in memory; in which generation it is looked for.
        case unknown(UInt64)
    }

    private struct State {
        var keys: [Locator: PatientKeys] = [:]
        /// Counts exchanges.
        var generation: UInt64 = 0
        /// Whose keys were destroyed: none of theirs is kept again.
        var ended: Set<Locator> = []
    }

    private static let capacity = 20_000
    private let state = Mutex(State())

    func standing(of owner: Locator) -> Standing {
        state.withLock { state in
            if let known = state.keys[owner] { return .known(known) }
            return state.ended.contains(owner) ? .ended : .unknown(state.generation)
        }
    }

    /// - Parameter generation: in which it was read; nil for one that was just made.
    func put(_ keys: PatientKeys, of owner: Locator, readIn generation: UInt64?) {
        state.withLock { state in
            guard !state.ended.contains(owner), generation.map({ $0 == state.generation }) ?? true else { return }
            if let known = state.keys[owner], known.number > keys.number { return }
            if state.keys.count >= Self.capacity, let victim = state.keys.keys.randomElement() {
                state.keys[victim] = nil
            }
            state.keys[owner] = keys
        }
    }

    func replace(_ keys: PatientKeys, of owner: Locator) {
        state.withLock { state in
            state.generation += 1
            if state.keys[owner] != nil { state.keys[owner] = keys }
        }
    }

    func drop(_ owner: Locator) { state.withLock { $0.keys[owner] = nil } }

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
