internal import Dispatch
public import WardAudit
public import WardCore
import WardCrypto
import WardFHIR
import WardGate
import WardIndex
import WardPolicy
public import WardStorage

/// Why a patient's key was not destroyed.
public enum ShredFailure: Error, Hashable, Sendable {
    case log(DestructionFailure)
    /// It was destroyed before.
    case already
    /// The store has no key of this patient.
    case unknownPatient
    case vault(VaultFailure)
}

/// What destroying a patient's key came to, or would.
public struct Shredding: Sendable {
    /// Nil if nothing was done.
    public internal(set) var receipt: AuditReceipt?
    /// Current records that nobody opens again; their earlier versions go with them.
    public let records: Int
    /// Current records that concern the patient and are not sealed under this key: of several patients.
    public let others: [String]
}

extension Vault {
    /// Destroys a patient's key: what it sealed, in every version, is unreadable for ever (crypto-shredding).
    ///
    /// Versions, cards and history stay as ciphertext, so that the log goes on accounting for each of them. Records that
    /// concern several patients are sealed under the tenant's key and are not touched: ``Shredding/others``.
    ///
    /// - Parameter isDryRun: say what would go, and destroy nothing.
    public func shred(
        _ patient: String, basis: DestructionBasis, reason: String, as event: AuditEvent, at now: Instant,
        isDryRun: Bool = false
    ) async throws(ShredFailure) -> Shredding {
        guard isReady else { throw .vault(.indexNotReady) }
        let owner = keys.owner(ofPatient: patient)
        let wrapped: [UInt8]?
        do throws(StorageFailure) { wrapped = try store.patientKey(owner) } catch { throw .vault(.storage) }
        let known: KeyDestruction?
        do throws(VaultFailure) { known = try keys.storedDestruction(of: owner, store) } catch { throw .vault(error) }
        guard known == nil else { throw .already }
        guard let wrapped else { throw .unknownPatient }
        do throws(DestructionFailure) { try log.checkDestruction(of: patient, basis, at: now) } catch {
            throw .log(error)
        }
        let (found, last) = try await scanned(owner, after: RecordNumber(0))
        let own = Set(found)
        var shredding = Shredding(records: found.count, others: try others(patient, but: own))
        if isDryRun { return shredding }
        let destruction = KeyDestruction(
            patient: patient, basis: basis, reason: reason, time: now, by: event.actor?.name ?? "",
            keyHash: hex(shortHash(wrapped).bytes))
        guard let entry = destruction.entry(keys) else { throw .vault(.damaged) }
        var event = event
        event.query = reason
        do throws(DestructionFailure) {
            shredding.receipt = try await log.destroyKey(
                of: patient, id: owner, wrapped: wrapped, basis: basis, entry: entry, as: event, at: now,
                applied: { [self] in leave(owner, patient, found) })
        } catch {
            throw .log(error)
        }
        // Written since they were looked for; after the commit none can come any more.
        let late = try await scanned(owner, after: last).records
        if !late.isEmpty { leave(owner, patient, late) }
        return shredding
    }

    /// Carries out again what a restore went back behind, by the list that lies beside the backups.
    ///
    /// - Returns: how many of them this store did not know.
    public func shredAgain(_ entries: [StoredEntry], as event: AuditEvent) async throws(ShredFailure) -> Int {
        var count = 0
        for entry in entries {
            guard let destruction = KeyDestruction(entry, keys) else { throw .vault(.damaged) }
            let (wrapped, known): ([UInt8]?, StoredEntry?)
            do throws(StorageFailure) {
                (wrapped, known) = (try store.patientKey(entry.id), try store.entry(entry.id, kind: .destroyedKey))
            } catch {
                throw .vault(.storage)
            }
            if known != nil, wrapped == nil { continue }
            let found = try await scanned(entry.id, after: RecordNumber(0)).records
            var event = event
            event.time = .now()
            event.query = destruction.reason
            do throws(DestructionFailure) {
                _ = try await log.destroyKey(
                    of: destruction.patient, id: entry.id, wrapped: wrapped, basis: destruction.basis, entry: entry,
                    as: event, at: event.time, isAgain: true,
                    applied: { [self] in leave(entry.id, destruction.patient, found) })
            } catch {
                throw .log(error)
            }
            count += 1
        }
        return count
    }

    /// Every destruction that the store tells of, oldest first.
    public func destructions() throws(VaultFailure) -> [KeyDestruction] {
        let stored: [StoredEntry]
        do throws(StorageFailure) { stored = try store.entries(.destroyedKey) } catch { throw .storage }
        var found: [KeyDestruction] = []
        for entry in stored {
            guard let destruction = KeyDestruction(entry, keys) else { throw .damaged }
            found.append(destruction)
        }
        return found.sorted { $0.time < $1.time }
    }

    /// The id that a patient's key is stored under.
    public func keyID(ofPatient id: String) -> Locator { keys.owner(ofPatient: id) }

    /// Lets go of everything in memory that was opened with the key.
    private func leave(_ owner: Locator, _ patient: String, _ records: [RecordNumber]) {
        keys.forget(owner)
        index.apply(records.map(IndexChange.remove))
        if let type = ResourceType("Patient") { marked.forget(keys.locators.locator(type: type, id: patient)) }
    }

    /// Current records under a key, and how far was looked; on a queue of its own, since it reads every card's row.
    private func scanned(
        _ owner: Locator, after first: RecordNumber
    ) async throws(ShredFailure) -> (records: [RecordNumber], last: RecordNumber) {
        let result: Result<([RecordNumber], RecordNumber), StorageFailure> = await withCheckedContinuation {
            continuation in
            DispatchQueue(label: "ward.shred").async { [self] in
                continuation.resume(
                    returning: Result { () throws(StorageFailure) in
                        var (found, last): ([RecordNumber], RecordNumber) = ([], first)
                        while true {
                            let page = try store.cards(after: last, limit: 1000)
                            guard let end = page.last else { return (found, last) }
                            for card in page
                            where keys.masked(card.maskedOwner, locator: card.locator, version: card.version) == owner {
                                found.append(card.record)
                            }
                            last = end.record
                        }
                    })
            }
        }
        do throws(StorageFailure) { return try result.get() } catch { throw .vault(.storage) }
    }

    /// Records that refer to the patient, or are the patient, and are not among `own`.
    private func others(_ patient: String, but own: Set<RecordNumber>) throws(ShredFailure) -> [String] {
        guard let type = ResourceType("Patient") else { return [] }
        var hits = index.records(at: [keys.locators.locator(type: type, id: patient)], residual: .unrestricted).hits
        for source in ResourceType.allCases {
            for parameter in Definitions.r4.patientCompartment(of: source) {
                hits += index.referrers(of: type, id: patient, parameter: parameter, residual: .unrestricted).hits
            }
        }
        var names: Set<String> = []
        for hit in hits where !own.contains(hit.record) {
            do throws(VaultFailure) {
                guard let body = try openIfThere(try version(hit.record), at: hit.locator) else { continue }
                if body.patients.contains(patient) { names.insert("\(body.type.name)/\(body.id)") }
            } catch {
                throw .vault(error)
            }
        }
        return names.sorted()
    }
}

extension Vault {
    /// What is known of a version whose key was destroyed, and the decision on that much.
    ///
    /// Which labels it had nobody can tell any more: it counts as one without. Relationships that rested on the patient's
    /// records are gone with them.
    func standIn(
        _ action: Action, _ head: Head, at locator: Locator, _ type: ResourceType, _ id: String, _ access: RecordAccess
    ) throws(VaultFailure) -> (patient: String, decision: RecordDecision) {
        let stored = try version(head.record)
        let owner = keys.masked(stored.maskedOwner, locator: locator, version: stored.version)
        guard let destruction = try keys.storedDestruction(of: owner, store) else { throw .damaged }
        let body = RecordBody(
            type: type, id: id, isDeleted: true, lastUpdated: destruction.time, patients: [destruction.patient],
            isAboutFirst: true, json: [])
        return (destruction.patient, try access.decide(action, on: body))
    }

    /// Puts a look at what was destroyed into the log; told as destroyed to whoever might see such a record.
    func destroyed(
        _ action: Action, _ head: Head, at locator: Locator, _ type: ResourceType, _ id: String, _ event: AuditEvent,
        _ access: RecordAccess
    ) async throws(VaultFailure) -> VaultFailure {
        var event = event
        // Of an older version under another key, the newest one's key is the one that was destroyed.
        let gone = try openIfThere(try version(head.record), at: locator) == nil
        let newest = try gone ? head : newestDestroyed(at: locator) ?? head
        let (patient, decision) = try standIn(action, newest, at: locator, type, id, access)
        event.patients = [patient]
        event.candidates = 0
        guard decision.isPermitted else {
            event.deny(decision, type, id)
            return .notFound(try await append(event))
        }
        event.records = [AuditedRecord(type: type, id: id, version: newest.version)]
        event.note(decision)
        return .destroyed(try await append(event))
    }

    /// The newest version of a record whose key was destroyed.
    func newestDestroyed(at locator: Locator) throws(VaultFailure) -> Head? {
        let heads: [Head]
        do throws(StorageFailure) { heads = try store.history(of: locator) } catch { throw .storage }
        for head in heads where try openIfThere(try version(head.record), at: locator) == nil { return head }
        return nil
    }
}
