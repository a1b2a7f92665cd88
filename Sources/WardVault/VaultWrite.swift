import WardAudit
import WardCore
import WardCrypto
import WardFHIR
public import WardGate
import WardIndex
import WardPolicy
import WardStorage

extension Vault {
    /// Creates one resource (FHIR R4 http.html#create).
    public func create(
        _ change: RecordChange, with grant: consuming AccessGrant<Create>
    ) async throws(VaultFailure) -> (disclosure: Disclosure, result: ChangeResult) {
        try await single(change, under: WriteFrame(grant, self))
    }

    /// Stores a resource under its id, new or not (FHIR R4 http.html#update).
    public func update(
        _ change: RecordChange, with grant: consuming AccessGrant<Update>
    ) async throws(VaultFailure) -> (disclosure: Disclosure, result: ChangeResult) {
        try await single(change, under: WriteFrame(grant, self))
    }

    /// Ends a resource; its history stays (FHIR R4 http.html#delete).
    public func delete(
        _ change: RecordChange, with grant: consuming AccessGrant<Delete>
    ) async throws(VaultFailure) -> (disclosure: Disclosure, result: ChangeResult) {
        try await single(change, under: WriteFrame(grant, self))
    }

    /// Carries out all changes or none (FHIR R4 http.html#transaction): one commit, one account in the log.
    ///
    /// - Parameter mark: remembered in the same commit, for imports that may be interrupted.
    public func transact(
        _ changes: [RecordChange], mark: ImportMark? = nil, with grant: consuming AccessGrant<Transaction>
    ) async throws(VaultFailure) -> (disclosure: Disclosure, results: [ChangeResult]) {
        try await carryOut(changes, mark: mark, under: WriteFrame(grant, self))
    }

    /// Puts the start of an import into the log; its writes follow as transactions.
    public func beginImport(with grant: consuming AccessGrant<Import>) async throws(VaultFailure) {
        _ = try await append(grant.event(.success, time: .now()))
    }

    /// The mark of a part of an import: a keyed hash of its bytes.
    public func mark(ofPart bytes: [UInt8]) -> ImportMark { ImportMark(id: keys.importMark(bytes)) }

    /// Whether that part was imported before.
    public func isDone(_ mark: ImportMark) throws(VaultFailure) -> Bool {
        do throws(StorageFailure) { return try store.entry(mark.id, kind: .importMark) != nil } catch { throw .storage }
    }

    private func single(
        _ change: RecordChange, under frame: WriteFrame
    ) async throws(VaultFailure) -> (disclosure: Disclosure, result: ChangeResult) {
        let (disclosure, results) = try await carryOut([change], under: frame)
        guard let result = results.first else { throw .damaged }
        return (disclosure, result)
    }

    /// Carries changes out; those that depend on a search wait for others that could change what it finds.
    private func carryOut(
        _ changes: [RecordChange], mark: ImportMark? = nil, under frame: WriteFrame
    ) async throws(VaultFailure) -> (disclosure: Disclosure, results: [ChangeResult]) {
        guard isReady else { throw .indexNotReady }
        guard changes.allSatisfy({ frame.covers($0.operation.action, $0.type, $0.id) }) else { throw .notGranted }
        let conditional = Set(changes.filter { $0.condition != nil }.map(\.type))
        guard !conditional.isEmpty else { return try await attempt(changes, mark: mark, under: frame) }
        await turns.enter(conditional)
        defer { turns.leave(conditional) }
        return try await attempt(changes, mark: mark, under: frame)
    }

    /// Prepares against what is current, commits, and starts over if another writer came first.
    private func attempt(
        _ asked: [RecordChange], mark: ImportMark?, under frame: WriteFrame
    ) async throws(VaultFailure) -> (disclosure: Disclosure, results: [ChangeResult]) {
        for number in 1...Self.attempts {
            var draft = WriteDraft(event: frame.event, now: .now())
            var changes = asked
            do throws(VaultFailure) {
                let existing = try existing(for: &changes, frame: frame, into: &draft)
                for (entry, change) in changes.enumerated() {
                    switch existing.found[entry] {
                    case .stored(let body, let version):
                        draft.reuse(body, version: version, try frame.access.decide(.search, on: body))
                    case .created(let first): draft.reuse(first)
                    case nil: try prepare(change, entry: entry, existing: existing, frame: frame, into: &draft)
                    }
                }
            } catch {
                guard draft.isStale, number < Self.attempts else { throw try await accounted(error, draft, frame) }
                // The index follows within moments.
                try? await Task.sleep(for: .milliseconds(1))
                continue
            }
            let cards = draft.cards
            let index = index
            let entries = mark.map { [EntryWrite.put(StoredEntry(id: $0.id, sealed: []), .importMark)] } ?? []
            do throws(SubmissionFailure) {
                let committed = try await log.commit(draft.event, writes: draft.writes, entries: entries) { records in
                    index.apply(zip(records, cards).compactMap { record, entry in entry.change(record) })
                }
                for (owner, fresh) in draft.newKeys { keys.remember(fresh, of: owner) }
                return (Disclosure(records: draft.disclosed, receipt: committed.receipt), draft.results)
            } catch {
                if error == .unavailable { throw .auditUnavailable }
                // A key was exchanged meanwhile, perhaps.
                for write in draft.writes { write.keyID.map(keys.reconsider) }
            }
        }
        throw .conflict
    }

    private static let attempts = 16

    private func prepare(
        _ change: RecordChange, entry: Int, existing: ExistingRecords, frame: WriteFrame,
        into draft: inout WriteDraft
    ) throws(VaultFailure) {
        draft.attempted = change
        let locator = keys.locators.locator(type: change.type, id: change.id)
        let head: Head?
        do throws(StorageFailure) { head = try store.head(of: locator) } catch { throw .storage }
        // Another writer came after the search: whether this version matches is not known.
        if let matched = change.matched, head?.version != matched {
            draft.isStale = true
            throw .conflict
        }
        let stored = try before(change, head, at: locator, frame, into: &draft)
        if change.isOfNone, stored != nil { throw .idTaken(entry: entry) }
        switch change.operation {
        case .update(let wanted?), .patch(_, let wanted?):
            if head.flatMap({ $0.isDeleted ? nil : $0.version }) != wanted { throw .preconditionMissed }
        default: break
        }
        // A create never becomes an update, whoever chose the id.
        if case .create = change.operation, head != nil { throw .conflict }
        var given = change.resource
        var keepsLabels = true
        if case .patch(let patch, _) = change.operation {
            given = try patched(patch, change, stored, entry: entry, frame: frame, now: draft.now)
            keepsLabels = !patch.namesLabels
        }
        guard let resource = given else {
            return try prepareDeletion(change, stored, locator: locator, head: head, into: &draft)
        }
        var replacements = existing.resolved(change.replacements)
        for reference in change.conditionalReferences {
            let found = try matches(reference.query, access: frame.access, limit: 2)
            draft.event.candidates += found.candidates
            guard let body = found.records.first?.body, found.records.count == 1 else {
                draft.ask(reference.query)
                draft.looks += found.records
                throw .matchCount(entry: entry, found: found.records.count)
            }
            replacements.append((range: reference.range, text: "\(body.type.name)/\(body.id)"))
        }
        let version = (head?.version ?? 0) + 1
        let json = ResourceRewriter.rewritten(
            resource.tape, at: resource.index, id: change.id, versionId: String(version), lastUpdated: draft.now,
            replacing: replacements,  // A patch saw the labels: what it takes out is taken out on purpose.
            keepingLabelsOf: keepsLabels ? stored?.labelledTape : nil)
        guard let given = try? JSONTape(parsing: json) else { throw .damaged }
        let tape = try stored?.completed(given, version: version, now: draft.now) ?? given
        let values = SearchExtractor.values(
            of: tape, at: JSONTape.rootIndex, type: change.type, ownBase: ownBase)
        let (patients, isAboutFirst) = Self.patients(
            of: tape, type: change.type, id: change.id, values: values, ownBase: ownBase)
        let body = RecordBody(
            type: change.type, id: change.id, isDeleted: false, lastUpdated: draft.now, patients: patients,
            isAboutFirst: isAboutFirst, isUnlabelled: Policy.isUnlabelled(tape, type: change.type), json: tape.bytes)
        let decision = try frame.access.decide(change.operation.action, on: body, isOwn: true)
        guard decision.isPermitted else {
            draft.event.add(patients: patients)
            throw .writeRefused(code: decision.code)
        }
        guard frame.access.leavesSomebody(body, tape) else { throw .writeRefused(code: "label-hides-from-all") }
        if stored == nil { try decision.checkWhole(tape) }
        // Who loses the record must see it in the log as well as who gets it.
        if stored == nil, let head {
            draft.event.add(patients: try earlierPatients(head, at: locator, now: patients))
        }
        let card = cards.card(type: change.type, lastUpdated: draft.now, values: values)
        try seal(body, card: card, locator: locator, version: version, ending: nil, into: &draft)
        draft.add(
            body, version: version, outcome: head.map(\.isDeleted) ?? true ? .created : .updated,
            kind: head.map(\.isDeleted) ?? true ? .create : .update, decision: decision)
        if let stored, stored.loses(frame.access.policy.labels(of: tape)) { draft.event.decision = "label-removed" }
    }

    private func prepareDeletion(
        _ change: RecordChange, _ stored: StoredRecord?, locator: Locator, head: Head?, into draft: inout WriteDraft
    ) throws(VaultFailure) {
        guard let head, let stored else {
            if change.isOfKnownID {
                draft.event.records.append(AuditedRecord(type: change.type, id: change.id, version: 0))
            }
            return draft.keepAbsent(change)
        }
        let body = RecordBody(
            type: change.type, id: change.id, isDeleted: true, lastUpdated: draft.now, patients: stored.body.patients,
            isAboutFirst: stored.body.isAboutFirst, json: [])
        try seal(body, card: nil, locator: locator, version: head.version + 1, ending: head.record, into: &draft)
        draft.add(body, version: head.version + 1, outcome: .deleted, kind: .delete, decision: stored.decision)
    }

    /// Seals body and card under the key of the one patient concerned, or the tenant's where there is none or several.
    private func seal(
        _ body: RecordBody, card: IndexCard?, locator: Locator, version: Int64, ending ended: RecordNumber?,
        into draft: inout WriteDraft
    ) throws(VaultFailure) {
        let owner = body.patients.count == 1 ? keys.owner(ofPatient: body.patients[0]) : .none
        var newKey: (id: Locator, wrapped: [UInt8])?
        let recordKeys: PatientKeys
        if let fresh = draft.newKeys[owner] {
            recordKeys = fresh
        } else if let known = try keys.keys(of: owner, store: store) {
            recordKeys = known
        } else {
            let (fresh, wrapped) = try keys.newKeys(of: owner)
            draft.newKeys[owner] = fresh
            newKey = (id: owner, wrapped: wrapped)
            recordKeys = fresh
        }
        let context = RecordContext(
            tenant: keys.tenant, locator: locator, version: version, owner: owner, isDeleted: body.isDeleted)
        let sealed: [UInt8]
        var sealedCard: [UInt8]?
        do throws(SealFailure) {
            sealed = try recordKeys.newest.body.seal(
                body.encoded(), boundTo: context.bytes("ward/body/1"))
            if let card {
                sealedCard = try recordKeys.newest.card.seal(
                    card.encoded(), boundTo: context.bytes("ward/card/1"))
            }
        } catch {
            throw .damaged
        }
        draft.writes.append(
            RecordWrite(
                locator: locator, expectedVersion: version - 1, isDeleted: body.isDeleted,
                maskedOwner: keys.masked(owner, locator: locator, version: version), body: sealed, card: sealedCard,
                newKey: newKey, keyID: owner == .none ? nil : owner, keyNumber: recordKeys.number))
        draft.cards.append(CardEntry(locator: locator, card: card, ended: ended))
    }
}

/// Says that a part of an import is done; see ``Vault/mark(ofPart:)``.
public struct ImportMark: Hashable, Sendable {
    let id: Locator
}

/// What a write needs of its grant: the event to fill, and the decision on every record it touches.
struct WriteFrame: Sendable {
    let event: AuditEvent
    let access: RecordAccess
    /// What may be carried out at all.
    let covers: @Sendable (Action, ResourceType, String) -> Bool

    init<Leave: Interaction>(_ grant: consuming AccessGrant<Leave>, _ vault: Vault) {
        access = RecordAccess(grant.residual, vault)
        covers = grant.coverage
        event = grant.event(.success, time: .now())
    }
}

/// Index change of one write, waiting for its record number.
struct CardEntry: Sendable {
    let locator: Locator
    let card: IndexCard?
    /// The version that a deletion ends.
    let ended: RecordNumber?

    func change(_ record: RecordNumber) -> IndexChange? {
        if let card { .add(record, locator, card) } else { ended.map(IndexChange.remove) }
    }
}

/// One attempt at a commit.
struct WriteDraft {
    var event: AuditEvent
    let now: Instant
    var writes: [RecordWrite] = []
    var cards: [CardEntry] = []
    var newKeys: [Locator: PatientKeys] = [:]
    var disclosed: [DisclosedRecord] = []
    var results: [ChangeResult] = []
    /// The change being prepared, for the account of a refusal.
    var attempted: RecordChange?
    /// What conditions asked, and the versions that they found, for the same.
    var queries: [String] = []
    var looks: [(body: RecordBody, version: Int64)] = []
    /// Whether a version that a condition found is not the current one any more.
    var isStale = false

    init(event: AuditEvent, now: Instant) {
        self.event = event
        self.event.time = now
        self.now = now
    }

    mutating func add(
        _ body: RecordBody, version: Int64, outcome: ChangeResult.Outcome, kind: AuditEventKind,
        decision: RecordDecision
    ) {
        let hash = writes.last.map { hex(Array(sha256($0.body).bytes.prefix(16))) }
        let owners = event.positions(of: body.patients)
        event.records.append(
            AuditedRecord(
                type: body.type, id: body.id, version: version, hash: hash, interaction: kind, owners: owners))
        event.note(decision)
        finish(body, version: version, outcome: outcome, decision)
    }

    /// Remembers what was asked; where the event is of several types, with the one that it was asked of.
    mutating func ask(_ query: SearchQuery) {
        let type = event.type == nil ? query.plans.first.map { "\($0.type.name)?" } : nil
        queries.append((type ?? "") + query.asked)
    }

    /// What conditions asked, as far as it fits into a leaf; nil where nothing was asked.
    var asked: String? {
        guard !queries.isEmpty else { return nil }
        let text = queries.joined(separator: "\n")
        return text.utf8.count <= 4096 ? text : "\(text.prefix(4096))..."
    }

    /// A record that was found instead of written.
    mutating func reuse(_ body: RecordBody, version: Int64, _ decision: RecordDecision) {
        event.add(body, version: version)
        finish(body, version: version, outcome: .unchanged, decision)
    }

    /// A record that an earlier change of the same transaction writes.
    mutating func reuse(_ earlier: Int) {
        let first = results[earlier]
        results.append(
            ChangeResult(
                outcome: .unchanged, type: first.type, id: first.id, version: first.version,
                lastUpdated: first.lastUpdated, record: first.record))
    }

    mutating func keepAbsent(_ change: RecordChange) {
        results.append(
            ChangeResult(
                outcome: .unchanged, type: change.type, id: change.id, version: 0, lastUpdated: now, record: nil))
    }

    /// Answers with what may be seen of the record; nothing where it may not.
    private mutating func finish(
        _ body: RecordBody, version: Int64, outcome: ChangeResult.Outcome, _ decision: RecordDecision
    ) {
        let shown = body.isDeleted ? nil : decision.shown(body)
        results.append(
            ChangeResult(
                outcome: outcome, type: body.type, id: body.id, version: version, lastUpdated: body.lastUpdated,
                record: shown == nil ? nil : disclosed.count))
        if let shown { disclosed.append(DisclosedRecord(body, version: version, decision, json: shown)) }
    }
}
