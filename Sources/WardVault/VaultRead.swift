import WardAudit
import WardCore
import WardFHIR
public import WardGate
import WardIndex
import WardPolicy
import WardStorage

extension Vault {
    /// Opens the current version of one resource (FHIR R4 http.html#read).
    ///
    /// A record that may not be seen is answered as one that is not there; the log says which it was.
    ///
    /// - Throws: ``VaultFailure/notFound(_:)`` and ``VaultFailure/gone(_:)`` with the receipt of the look.
    public func read(with grant: consuming AccessGrant<Read>) async throws(VaultFailure) -> Disclosure {
        guard let type = grant.subject.type, let id = grant.subject.id else { throw .damaged }
        let locator = keys.locators.locator(type: type, id: id)
        guard let stored = try current(of: locator) else {
            throw .notFound(try await append(grant.missed(type, id)))
        }
        return try await disclose(
            stored, .read, at: locator, event: grant.event(.success, time: .now()), type: type, id: id,
            access: RecordAccess(grant.residual, self))
    }

    /// Opens one version of one resource (FHIR R4 http.html#vread).
    public func read(
        version: Int64, with grant: consuming AccessGrant<VersionRead>
    ) async throws(VaultFailure) -> Disclosure {
        guard let type = grant.subject.type, let id = grant.subject.id else { throw .damaged }
        let locator = keys.locators.locator(type: type, id: id)
        guard let head = try history(of: locator).first(where: { $0.version == version }) else {
            throw .notFound(try await append(grant.missed(type, id)))
        }
        let stored: StoredVersion = try await accounted(grant.missed(type, id, version: version)) {
            () throws(VaultFailure) in
            let stored = try self.version(head.record)
            guard stored.version == version else { throw .damaged }
            return stored
        }
        return try await disclose(
            stored, .history, at: locator, event: grant.event(.success, time: .now()), type: type, id: id,
            access: RecordAccess(grant.residual, self))
    }

    /// Opens the versions of one resource, newest first, deletions among them (FHIR R4 http.html#history).
    ///
    /// - Returns: one page, and how many versions there are in all.
    public func history(
        offset: Int, limit: Int, with grant: consuming AccessGrant<InstanceHistory>
    ) async throws(VaultFailure) -> (disclosure: Disclosure, total: Int) {
        guard let type = grant.subject.type, let id = grant.subject.id else { throw .damaged }
        let locator = keys.locators.locator(type: type, id: id)
        let heads = try history(of: locator)
        guard !heads.isEmpty else { throw .notFound(try await append(grant.missed(type, id))) }
        let access = RecordAccess(grant.residual, self)
        var event = grant.event(.success, time: .now())
        var shown: [DisclosedRecord] = []
        var decision: RecordDecision?
        for head in heads {
            let found = try await accounted(grant.missed(type, id, version: head.version)) { () throws(VaultFailure) in
                try openIfThere(try version(head.record), at: locator)
            }
            guard let body = found else {
                // What is destroyed now is not told through an earlier version either.
                if decision == nil { throw try await destroyed(.history, head, at: locator, type, id, event, access) }
                continue
            }
            let own = try access.decide(.history, on: body)
            // What may not be seen today cannot be seen through an earlier version.
            if !head.isDeleted, decision == nil { decision = own }
            event.add(patients: body.patients)
            guard let json = own.shown(body) else { continue }
            shown.append(DisclosedRecord(body, version: head.version, own, json: json))
        }
        guard decision?.isPermitted ?? false, !shown.isEmpty else {
            event.deny(decision, type, id)
            throw .notFound(try await append(event))
        }
        let page = Array(shown.dropFirst(offset).prefix(limit))
        event.records = page.map { AuditedRecord(type: type, id: id, version: $0.version) }
        event.note(decision)
        return (Disclosure(records: page, receipt: try await append(event)), shown.count)
    }

    private func disclose(
        _ stored: StoredVersion, _ action: Action, at locator: Locator, event: AuditEvent, type: ResourceType,
        id: String, access: RecordAccess
    ) async throws(VaultFailure) -> Disclosure {
        var event = event
        var failed = event
        failed.miss(type, id, version: stored.version)
        let found = try await accounted(failed) { () throws(VaultFailure) -> (RecordBody, RecordDecision)? in
            guard let body = try openIfThere(stored, at: locator) else { return nil }
            guard body.type == type, body.id == id else { throw .damaged }
            var decision = try access.decide(action, on: body)
            if decision.isPermitted, body.isDeleted || action == .history {
                do throws(VaultFailure) { decision = try newest(action, at: locator, access) ?? decision } catch {
                    if error == .keyDestroyed { return nil }
                    throw error
                }
            }
            return (body, decision)
        }
        guard let (body, decision) = found else {
            let head = Head(record: stored.record, version: stored.version, isDeleted: stored.isDeleted)
            throw try await destroyed(action, head, at: locator, type, id, event, access)
        }
        event.patients = body.patients
        guard let json = decision.shown(body) else {
            event.deny(decision, type, id)
            throw .notFound(try await append(event))
        }
        event.records = [AuditedRecord(type: type, id: id, version: stored.version)]
        event.note(decision)
        let receipt = try await append(event)
        if body.isDeleted { throw .gone(receipt) }
        return Disclosure(
            records: [DisclosedRecord(body, version: stored.version, decision, json: json)], receipt: receipt)
    }

    /// The decision on the newest version that is no deletion: what may not be seen there is not seen in another.
    func newest(
        _ action: Action, at locator: Locator, _ access: RecordAccess
    ) throws(VaultFailure) -> RecordDecision? {
        guard let head = try history(of: locator).first(where: { !$0.isDeleted }) else { return nil }
        let decision = try access.decide(action, on: try open(try version(head.record), at: locator))
        return decision.isPermitted ? nil : decision
    }

    /// Puts a look at something that does not open into the log before that is answered.
    private func accounted<Result>(
        _ failed: AuditEvent, _ look: () throws(VaultFailure) -> Result
    ) async throws(VaultFailure) -> Result {
        do throws(VaultFailure) { return try look() } catch { throw try await accounted(error, failed) }
    }

    /// The same for what has failed already: damage, and searches that were given up after records were opened. Of the
    /// rest nothing was there to be seen.
    func accounted(_ failure: VaultFailure, _ event: AuditEvent) async throws(VaultFailure) -> VaultFailure {
        switch failure {
        case .damaged, .tooManyToDecide, .tooManyTied, .noCodes, .tooManyIncluded: break
        default: return failure
        }
        var event = event
        event.outcome = .failed
        event.time = .now()
        _ = try await append(event)
        return failure
    }

    private func history(of locator: Locator) throws(VaultFailure) -> [Head] {
        do throws(StorageFailure) { return try store.history(of: locator) } catch { throw .storage }
    }
}

extension AccessGrant {
    /// The event of a look at something that is not there, or does not open.
    func missed(_ type: ResourceType, _ id: String, version: Int64 = 0) -> AuditEvent {
        var event = event(.failed, time: .now())
        event.miss(type, id, version: version)
        return event
    }
}

extension AuditEvent {
    /// Makes it the event of a look at that version that showed nothing.
    mutating func miss(_ type: ResourceType, _ id: String, version: Int64) {
        outcome = .failed
        records = [AuditedRecord(type: type, id: id, version: version)]
        if type.name == "Patient" { patients = [id] }
    }

    /// Makes it the event of a look at a record that may not be seen.
    mutating func deny(_ decision: RecordDecision?, _ type: ResourceType, _ id: String) {
        outcome = .denied
        records = [AuditedRecord(type: type, id: id, version: 0)]
        note(decision)
    }

    /// The rule that decided on the record, in place of the one that let the request in, and the emergency under which
    /// it was looked at; the first emergency of a request stays.
    mutating func note(_ decision: RecordDecision?) {
        guard let decision, emergency == nil else { return }
        self.decision = decision.code
        emergency = decision.emergency
    }

    mutating func add(patients ids: [String]) {
        for id in ids where !patients.contains(id) { patients.append(id) }
    }

    /// The same; answers their positions.
    mutating func positions(of ids: [String]) -> [Int] {
        ids.map { id in
            if let known = patients.firstIndex(of: id) { return known }
            patients.append(id)
            return patients.count - 1
        }
    }
}
