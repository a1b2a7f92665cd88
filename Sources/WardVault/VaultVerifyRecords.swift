import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIndex
import WardStorage

/// One place and what is wrong there.
struct Finding {
    let locator: Locator?
    let record: String
    let fault: StoreVerification.Fault
}

/// Sums over the stored versions up to one.
struct RecordScan: Equatable, Sendable {
    var last = RecordNumber(0)
    /// Over what the versions hold.
    var versions = DigestSum()
    /// Over where they lie.
    var rows = DigestSum()
    /// Over where heads and histories say that they lie.
    var places = DigestSum()
    /// Whether something is to be looked at closely.
    var isDoubtful = false

    mutating func take(_ stored: StoredVersion, in vault: Vault, upTo limit: RecordNumber) throws(VaultFailure) {
        let keys = vault.keys.verification
        last = stored.record
        versions.add(
            keys.version(
                stored.locator, stored.version, isDeleted: stored.isDeleted, hash: shortHash(stored.body)))
        rows.add(
            keys.row(
                stored.locator,
                Head(record: stored.record, version: stored.version, isDeleted: stored.isDeleted)))
        var body: RecordBody?
        // Nil without a doubt where its key was destroyed, as the log says.
        do throws(VaultFailure) { body = try vault.openIfThere(stored, at: stored.locator) } catch { isDoubtful = true }
        do throws(StorageFailure) {
            guard let head = try vault.store.head(of: stored.locator) else { return isDoubtful = true }
            if head.record <= limit {
                guard head.version >= stored.version else { return isDoubtful = true }
                if head.version > stored.version { return }
            }
            // What is newer than the log that was replayed stands aside.
            let history = try vault.store.history(of: stored.locator).filter { $0.record <= limit }
            guard history.first?.version == stored.version else { return }
            for place in history { places.add(keys.row(stored.locator, place)) }
            guard head.record == stored.record, let body, !body.isDeleted else { return }
        } catch {
            throw .storage
        }
        if let body, try !vault.isCardTrue(of: body, record: stored.record) { isDoubtful = true }
    }
}

extension Vault {
    /// Whether the card of a version is the one that its content makes.
    func isCardTrue(of body: RecordBody, record: RecordNumber) throws(VaultFailure) -> Bool {
        let stored: StoredCard?
        do throws(StorageFailure) {
            stored = try store.cards(after: RecordNumber(record.value - 1), limit: 1).first
        } catch {
            throw .storage
        }
        guard
            let stored, stored.record == record, let card = try? open(stored),
            let tape = try? JSONTape(parsing: body.json)
        else { return false }
        let values = SearchExtractor.values(of: tape, at: JSONTape.rootIndex, type: body.type, ownBase: ownBase)
        return cards.card(type: body.type, lastUpdated: body.lastUpdated, values: values) == card
    }

    /// Sums over all heads, and over the cards that there must be.
    func headSums() throws(VaultFailure) -> (heads: DigestSum, cards: DigestSum, count: Int64) {
        var (heads, cards) = (DigestSum(), DigestSum())
        var count: Int64 = 0
        let keys = keys.verification
        do throws(StorageFailure) {
            try store.eachHead { locator, head in
                heads.add(keys.head(locator, head.version))
                if !head.isDeleted { cards.add(keys.card(locator, head.version, head.record)) }
                count += 1
            }
        } catch {
            throw .storage
        }
        return (heads, cards, count)
    }

    func patientKeySum() throws(VaultFailure) -> DigestSum {
        var sum = DigestSum()
        let keys = keys.verification
        do throws(StorageFailure) {
            try store.eachPatientKey { id, wrapped in sum.add(keys.patientKey(id, hash: shortHash(wrapped))) }
        } catch {
            throw .storage
        }
        return sum
    }

    /// Whether a sum over the store, taken since `replay`, is that of the log there or after one of the events since.
    func agrees(
        _ sum: DigestSum, _ part: KeyPath<StoreReplay, DigestSum>, _ replay: StoreReplay
    ) throws(VaultFailure) -> Bool {
        if replay[keyPath: part] == sum { return true }
        var later = replay
        var isFound = false
        try tail(after: replay.position) { event in
            later.take(event, keys)
            if later[keyPath: part] == sum { isFound = true }
        }
        return isFound
    }

    /// The events after a place, in their order.
    func tail(after position: LogPosition, _ body: (AuditEvent) -> Void) throws(VaultFailure) {
        do throws(AuditFailure) {
            _ = try log.verify(from: position, event: { body($0.event) })
        } catch {
            throw .storage
        }
    }
}
