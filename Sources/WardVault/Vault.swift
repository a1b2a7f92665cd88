import Synchronization
public import WardAudit
public import WardCore
public import WardCrypto
import WardFHIR
import WardIndex
public import WardStorage

/// The only place where ciphertext becomes plaintext, and only under a grant whose use stands in the log.
///
/// Search, preconditions and references are decided in here too, on plans that name values: nothing outside holds an
/// opened record before its receipt.
public final class Vault: Sendable {
    let store: any SealedStore
    let keys: VaultKeys
    let log: AuditLog
    let index: SealedIndex
    let cards: IndexCardBuilder
    /// The server's own base, so that absolute references to it count as local.
    let ownBase: String
    let pages: SearchPages
    let turns = Turns()
    let relationships = Relationships()
    let consents = Consents()
    /// For digests of names and homes that odd access is compared by.
    let watching: MacKey
    let marked = MarksCache()
    private let readiness = Mutex(false)
    /// Whether an exchange of patients' keys runs in this process.
    let resealingWork = Mutex(false)
    let lastResealingFailure = Mutex<ResealFailure?>(nil)
    /// How many keys were destroyed when their places were written over last.
    let erasedDestructions = Mutex<Int?>(nil)
    /// The cards that the check at the start says there are.
    private let expectedCards = Mutex<DigestSum?>(nil)

    /// - Parameter material: derived from the tenant key for records alone; nobody else keeps it.
    public init(store: any SealedStore, material: KeyMaterial, tenant: TenantID, log: AuditLog, ownBase: String) {
        self.ownBase = ownBase
        self.store = store
        self.log = log
        keys = VaultKeys(material, tenant: tenant)
        let indexKeys = IndexKeys(root: keys.index, epoch: 1)
        cards = IndexCardBuilder(keys: indexKeys, locators: keys.locators, extractorVersion: 1)
        index = SealedIndex(keys: indexKeys, locators: keys.locators)
        watching = MacKey(material.derived("ward/watch/1"))
        pages = SearchPages(material.derived("ward/page-links/1"))
    }

    /// Whether the index is complete; until then searches fail with ``VaultFailure/indexNotReady``.
    public var isReady: Bool { readiness.withLock { $0 } }

    /// Rebuilds the index from the sealed cards.
    ///
    /// Reads by id work meanwhile; writes wait until it has returned.
    ///
    /// - Parameter progress: called with the number of cards opened so far.
    public func rebuildIndex(progress: (Int) -> Void = { _ in }) throws(VaultFailure) {
        var last = RecordNumber(0)
        var count = 0
        var sum = DigestSum()
        while true {
            let page: [StoredCard]
            do throws(StorageFailure) { page = try store.cards(after: last, limit: 1000) } catch { throw .storage }
            guard let final = page.last else { break }
            var changes: [IndexChange] = []
            changes.reserveCapacity(page.count)
            for stored in page {
                sum.add(keys.verification.card(stored.locator, stored.version, stored.record))
                do throws(VaultFailure) {
                    changes.append(.add(stored.record, stored.locator, try open(stored)))
                } catch  where error == .keyDestroyed {
                    // It stays, sealed for good, and is found by nobody.
                    continue
                }
            }
            index.apply(changes)
            last = final.record
            count += page.count
            progress(count)
        }
        // One too many would bring back what was changed or deleted; without one a record is hidden.
        guard expectedCards.withLock({ $0 ?? sum }) == sum else { throw .damaged }
        // Writes follow.
        expectedCards.withLock { $0 = nil }
        readiness.withLock { $0 = true }
    }

    /// Notes which cards the index must be built of.
    func expectCards(_ sum: DigestSum) { expectedCards.withLock { $0 = sum } }

    /// How many current records of each type there are.
    public var counts: [(type: String, count: Int)] {
        ResourceType.allCases.map { (type: $0.name, count: index.count(of: $0)) }.filter { $0.count > 0 }
    }

    /// Opens a card after checking what it is bound to.
    func open(_ stored: StoredCard) throws(VaultFailure) -> IndexCard {
        if let card = try opened(stored) { return card }
        // Sealed anew since it was read, perhaps.
        keys.reconsider(context(of: stored).owner)
        let again: StoredCard?
        do throws(StorageFailure) {
            again = try store.cards(after: RecordNumber(stored.record.value - 1), limit: 1).first
        } catch {
            throw .storage
        }
        guard let again, again.record == stored.record, again.locator == stored.locator,
            again.version == stored.version, again.maskedOwner == stored.maskedOwner, let card = try opened(again)
        else { throw .damaged }
        return card
    }

    private func opened(_ stored: StoredCard) throws(VaultFailure) -> IndexCard? {
        let context = context(of: stored)
        guard let keys = try keys.keys(of: context.owner, store: store) else { throw .damaged }
        let bound = context.bytes("ward/card/1")
        for key in keys.all {
            guard let bytes = try? key.card.open(stored.card, boundTo: bound) else { continue }
            return try? IndexCard(decoding: bytes)
        }
        return nil
    }

    func context(of stored: StoredCard) -> RecordContext {
        RecordContext(
            tenant: keys.tenant, locator: stored.locator, version: stored.version,
            owner: keys.masked(stored.maskedOwner, locator: stored.locator, version: stored.version),
            isDeleted: false)
    }

    func context(of stored: StoredVersion) -> RecordContext {
        RecordContext(
            tenant: keys.tenant, locator: stored.locator, version: stored.version,
            owner: keys.masked(stored.maskedOwner, locator: stored.locator, version: stored.version),
            isDeleted: stored.isDeleted)
    }

    /// Opens a version; the context comes from what was asked for, so a swapped, rolled-back or flipped row fails.
    func open(_ stored: StoredVersion, at locator: Locator) throws(VaultFailure) -> RecordBody {
        guard stored.locator == locator else { throw .damaged }
        if let body = try opened(stored) { return body }
        // Sealed anew since it was read, or since the keys were, perhaps.
        keys.reconsider(context(of: stored).owner)
        let again = try version(stored.record)
        guard again.locator == locator, again.version == stored.version, again.isDeleted == stored.isDeleted,
            again.maskedOwner == stored.maskedOwner, let body = try opened(again)
        else { throw .damaged }
        return body
    }

    private func opened(_ stored: StoredVersion) throws(VaultFailure) -> RecordBody? {
        let context = context(of: stored)
        guard let keys = try keys.keys(of: context.owner, store: store) else { throw .damaged }
        let bound = context.bytes("ward/body/1")
        for key in keys.all {
            guard let bytes = try? key.body.open(stored.body, boundTo: bound) else { continue }
            guard let body = RecordBody(decoding: bytes), body.isDeleted == stored.isDeleted else { throw .damaged }
            return body
        }
        return nil
    }

    /// The same; nil for one whose key was destroyed.
    func openIfThere(_ stored: StoredVersion, at locator: Locator) throws(VaultFailure) -> RecordBody? {
        do throws(VaultFailure) { return try open(stored, at: locator) } catch {
            if error == .keyDestroyed { return nil }
            throw error
        }
    }

    func version(_ record: RecordNumber) throws(VaultFailure) -> StoredVersion {
        let found: StoredVersion?
        do throws(StorageFailure) { found = try store.version(record) } catch { throw .storage }
        guard let found, found.record == record else { throw .damaged }
        return found
    }

    func current(of locator: Locator) throws(VaultFailure) -> StoredVersion? {
        do throws(StorageFailure) { return try store.current(of: locator) } catch { throw .storage }
    }

    func append(_ event: AuditEvent) async throws(VaultFailure) -> AuditReceipt {
        do throws(AuditFailure) { return try await log.append(event) } catch { throw .auditUnavailable }
    }
}
