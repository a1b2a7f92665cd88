import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIndex
import WardStorage

/// Reads stored versions and seals anew those that are under an earlier key of their patient.
struct ResealReader: Sendable {
    struct Batch: Sendable {
        var reseals: [RecordReseal] = []
        /// Versions that are not what was sealed there, or whose card is not.
        var faults: [Int64] = []
        var last: Int64 = 0
        var rows = 0
        var bytes = 0
    }

    private let vault: Vault
    /// The one key that is exchanged; nil for all.
    private let target: Locator?

    init(_ vault: Vault, of patient: String?) {
        self.vault = vault
        target = patient.map { vault.keys.owner(ofPatient: $0) }
    }

    /// The next stored versions; nil at the end.
    func batch(after position: Int64, limit: Int) throws(VaultFailure) -> Batch? {
        let (page, cards): ([StoredVersion], [StoredCard])
        do throws(StorageFailure) {
            page = try vault.store.versions(after: RecordNumber(position), limit: limit)
            cards = try page.isEmpty ? [] : vault.store.cards(after: RecordNumber(position), limit: page.count)
        } catch {
            throw .storage
        }
        guard let last = page.last else { return nil }
        let own = Dictionary(cards.map { ($0.record, $0) }) { first, _ in first }
        var batch = Batch(last: last.record.value, rows: page.count)
        var known: Set<Locator> = []
        for stored in page {
            batch.bytes += stored.body.count
            let context = vault.context(of: stored)
            if let target, target != context.owner {
                // What is under a key that nobody ever had may be the one patient's.
                if context.owner != .none, !known.contains(context.owner) {
                    if try isKnown(context.owner) {
                        known.insert(context.owner)
                    } else {
                        batch.faults.append(stored.record.value)
                    }
                }
                continue
            }
            let keys: PatientKeys?
            do throws(VaultFailure) { keys = try vault.keys.keys(of: context.owner, store: vault.store) } catch {
                // Destroyed: it stays, sealed for good.
                if error == .keyDestroyed { continue }
                guard error == .damaged else { throw error }
                keys = nil
            }
            // One key alone: of a patient who came since, or the store's for records of nobody or of several.
            if let keys, keys.earlier == nil {
                if (try? keys.newest.body.open(stored.body, boundTo: context.bytes("ward/body/1"))) == nil {
                    batch.faults.append(stored.record.value)
                }
                continue
            }
            guard let keys, let result = sealed(stored, own[stored.record], context, keys) else {
                batch.faults.append(stored.record.value)
                continue
            }
            if case .anew(let reseal) = result { batch.reseals.append(reseal) }
        }
        return batch
    }

    /// Whether an owner has a key, or had one that was destroyed.
    private func isKnown(_ owner: Locator) throws(VaultFailure) -> Bool {
        do throws(StorageFailure) {
            if try vault.store.patientKey(owner) != nil { return true }
        } catch {
            throw .storage
        }
        do throws(VaultFailure) { return try vault.keys.storedDestruction(of: owner, vault.store) != nil } catch {
            guard error == .damaged else { throw error }
            return false
        }
    }

    private enum Result {
        case anew(RecordReseal)
        /// It is under the newest key already.
        case asItIs
    }

    /// Nil for what does not open.
    private func sealed(
        _ stored: StoredVersion, _ card: StoredCard?, _ context: RecordContext, _ keys: PatientKeys
    ) -> Result? {
        let bound = context.bytes("ward/body/1")
        guard let old = keys.earlier, let content = try? old.body.open(stored.body, boundTo: bound) else {
            return (try? keys.newest.body.open(stored.body, boundTo: bound)) == nil ? nil : .asItIs
        }
        guard
            let body = RecordBody(decoding: content), body.isDeleted == stored.isDeleted,
            vault.keys.isOwner(context.owner, of: body),
            let sealed = try? keys.newest.body.seal(content, boundTo: bound)
        else { return nil }
        guard let card else {
            return .anew(RecordReseal(stored: stored, body: sealed, card: nil, keyID: context.owner))
        }
        let own = vault.context(of: card)
        let bounds = own.bytes("ward/card/1")
        guard
            own.owner == context.owner, card.locator == stored.locator, card.version == stored.version,
            let content = try? old.card.open(card.card, boundTo: bounds),
            let sealedCard = try? keys.newest.card.seal(content, boundTo: bounds)
        else { return nil }
        return .anew(RecordReseal(stored: stored, body: sealed, card: sealedCard, keyID: context.owner))
    }
}

extension VaultKeys {
    /// Whether a record is of the one patient whose key it is under.
    fileprivate func isOwner(_ owner: Locator, of body: RecordBody) -> Bool {
        body.patients.count == 1 && self.owner(ofPatient: body.patients[0]) == owner
    }
}

/// Finds out whose the versions are that could not be sealed anew: by their rows, and by what the log says was written.
///
/// A row that was altered may name another owner than the one whose key it is under, or another place.
struct ResealFaults {
    private(set) var owners: Set<Locator> = []
    private(set) var names: [String] = []
    /// Whether one of them may be anybody's.
    private(set) var isUnsure = false

    private struct Place: Hashable {
        let locator: Locator
        let version: Int64
    }

    private struct Fault {
        let hash: Locator
        /// Whose key the row says, and whether there is such a key.
        let owner: Locator
        var isResolved: Bool
        var name: String?
    }

    init(_ vault: Vault, of records: [Int64]) throws(VaultFailure) {
        var faults: [Place: Fault] = [:]
        var places: [Locator: Place] = [:]
        for record in records {
            let stored: StoredVersion?
            var hasKey = false
            do throws(StorageFailure) {
                stored = try vault.store.version(RecordNumber(record))
                if let stored { hasKey = try vault.store.patientKey(vault.context(of: stored).owner) != nil }
            } catch {
                throw .storage
            }
            guard let stored else {
                (isUnsure, names) = (true, names + ["record \(record)"])
                continue
            }
            let place = Place(locator: stored.locator, version: stored.version)
            let fault = Fault(hash: shortHash(stored.body), owner: vault.context(of: stored).owner, isResolved: hasKey)
            if hasKey { owners.insert(fault.owner) }
            // Two rows of one place: one of them is not of there.
            if let other = faults.updateValue(fault, forKey: place) { isUnsure = isUnsure || !other.isResolved }
            places[fault.hash] = place
        }
        guard !faults.isEmpty else { return }
        var found: Set<String> = []
        try vault.tail(after: .start) { event in
            for record in event.records {
                guard let hash = record.hash.flatMap(Locator.init(hex:)) else { continue }
                let locator = vault.keys.locators.locator(type: record.type, id: record.id)
                let place = Place(locator: locator, version: record.version)
                let (isPlace, moved) = (faults[place] != nil, places[hash])
                guard isPlace || moved != nil else { continue }
                let name = "\(record.type.name)/\(record.id)/_history/\(record.version)"
                if isPlace {
                    faults[place]?.name = name
                    // Of nobody or of several by row and log: under the key of the store.
                    if faults[place]?.owner == Locator.none { faults[place]?.isResolved = true }
                }
                // The very bytes that were written for them.
                if let moved {
                    faults[moved]?.isResolved = true
                    if faults[moved]?.name == nil { faults[moved]?.name = name }
                }
                found.formUnion(
                    record.owners?.compactMap { event.patients.indices.contains($0) ? event.patients[$0] : nil }
                        ?? event.patients)
            }
            for sealed in event.resealed {
                let place = Place(locator: sealed.locator, version: sealed.version)
                // By an exchange before, in this place.
                if faults[place]?.name != nil, faults[place]?.hash == sealed.new { faults[place]?.isResolved = true }
            }
        }
        for patient in found { owners.insert(vault.keys.owner(ofPatient: patient)) }
        for (place, fault) in faults {
            // Of which the log knows nothing.
            names.append(fault.name ?? "a version \(place.version) that the log never wrote")
            isUnsure = isUnsure || !fault.isResolved
        }
        names.sort()
    }
}
