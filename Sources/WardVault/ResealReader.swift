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
        for stored in page {
            batch.bytes += stored.body.count
            let context = vault.context(of: stored)
            // Records of nobody, or of several, are under a key of the store.
            guard context.owner != .none, target == nil || target == context.owner else { continue }
            let keys: PatientKeys?
            do throws(VaultFailure) { keys = try vault.keys.keys(of: context.owner, store: vault.store) } catch {
                // Destroyed: it stays, sealed for good.
                if error == .keyDestroyed { continue }
                guard error == .damaged else { throw error }
                keys = nil
            }
            // One key alone: of a patient who came since, or nothing is left of an earlier one.
            if let keys, keys.earlier == nil { continue }
            guard let keys, let result = sealed(stored, own[stored.record], context, keys) else {
                batch.faults.append(stored.record.value)
                continue
            }
            if case .anew(let reseal) = result { batch.reseals.append(reseal) }
        }
        return batch
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

/// Names versions that could not be sealed anew, by what the log says was written there.
struct ResealFaults {
    private let vault: Vault

    init(_ vault: Vault) {
        self.vault = vault
    }

    /// The keys that they are under, and their names.
    func owners(of records: [Int64]) throws(VaultFailure) -> (owners: Set<Locator>, names: [String]) {
        var (owners, names): (Set<Locator>, [String]) = ([], [])
        var places: [Locator: Set<Int64>] = [:]
        for record in records {
            let stored: StoredVersion?
            do throws(StorageFailure) { stored = try vault.store.version(RecordNumber(record)) } catch {
                throw .storage
            }
            guard let stored else {
                names.append("record \(record)")
                continue
            }
            owners.insert(vault.context(of: stored).owner)
            places[stored.locator, default: []].insert(stored.version)
        }
        guard !places.isEmpty else { return (owners, names) }
        try vault.tail(after: .start) { event in
            for record in event.records where record.hash != nil {
                let locator = vault.keys.locators.locator(type: record.type, id: record.id)
                guard places[locator]?.remove(record.version) != nil else { continue }
                names.append("\(record.type.name)/\(record.id)/_history/\(record.version)")
            }
        }
        // Of which the log knows nothing.
        for (_, versions) in places { names += versions.map { "a version \($0) that the log never wrote" } }
        return (owners, names.sorted())
    }
}
