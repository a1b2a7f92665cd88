import WardAudit
import WardCore
import WardFHIR
public import WardGate
import WardIndex
import WardStorage

extension Vault {
    /// Opens the current version of one resource (FHIR R4 http.html#read).
    ///
    /// - Throws: ``VaultFailure/notFound(_:)`` and ``VaultFailure/gone(_:)`` with the receipt of the look.
    public func read(with grant: consuming AccessGrant<Read>) async throws(VaultFailure) -> Disclosure {
        guard let type = grant.subject.type, let id = grant.subject.id else { throw .damaged }
        let locator = keys.locators.locator(type: type, id: id)
        guard let stored = try current(of: locator) else {
            throw .notFound(try await append(grant.missed(type, id)))
        }
        return try await disclose(stored, at: locator, event: grant.event(.success, time: .now()), type: type, id: id)
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
        return try await disclose(stored, at: locator, event: grant.event(.success, time: .now()), type: type, id: id)
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
        var event = grant.event(.success, time: .now())
        var records: [DisclosedRecord] = []
        for head in heads.dropFirst(offset).prefix(limit) {
            let body = try await accounted(grant.missed(type, id, version: head.version)) { () throws(VaultFailure) in
                try open(try version(head.record), at: locator)
            }
            records.append(DisclosedRecord(body, version: head.version))
            event.records.append(AuditedRecord(type: type, id: id, version: head.version))
            event.add(patients: body.patients)
        }
        return (Disclosure(records: records, receipt: try await append(event)), heads.count)
    }

    private func disclose(
        _ stored: StoredVersion, at locator: Locator, event: AuditEvent, type: ResourceType, id: String
    ) async throws(VaultFailure) -> Disclosure {
        var event = event
        var failed = event
        failed.miss(type, id, version: stored.version)
        let body = try await accounted(failed) { () throws(VaultFailure) in
            let body = try open(stored, at: locator)
            guard body.type == type, body.id == id else { throw .damaged }
            return body
        }
        event.records = [AuditedRecord(type: type, id: id, version: stored.version)]
        event.patients = body.patients
        let receipt = try await append(event)
        if body.isDeleted { throw .gone(receipt) }
        return Disclosure(records: [DisclosedRecord(body, version: stored.version)], receipt: receipt)
    }

    /// Puts a look at something that does not open into the log before that is answered.
    private func accounted<Result>(
        _ failed: AuditEvent, _ look: () throws(VaultFailure) -> Result
    ) async throws(VaultFailure) -> Result {
        do throws(VaultFailure) { return try look() } catch { throw try await accounted(error, failed) }
    }

    /// The same for what has failed already; only damage is told, as nothing else was there to be seen.
    func accounted(_ failure: VaultFailure, _ event: AuditEvent) async throws(VaultFailure) -> VaultFailure {
        guard failure == .damaged else { return failure }
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

    mutating func add(patients ids: [String]) {
        for id in ids where !patients.contains(id) { patients.append(id) }
    }
}
