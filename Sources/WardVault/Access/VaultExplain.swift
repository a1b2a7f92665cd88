public import WardAudit
import WardCore
public import WardFHIR
public import WardGate
import WardIdentity
import WardIndex
public import WardPolicy
import WardStorage

extension Vault {
    /// Why somebody can or cannot do something with one record; nothing of the record but its facts is looked at.
    ///
    /// - Parameter filter: of ``Gate/filter(explaining:)``.
    /// - Throws: ``VaultFailure/notFound(_:)`` with the receipt of the look.
    public func explain(
        _ action: Action, _ type: ResourceType, _ id: String, as filter: ResidualFilter,
        by actor: AuditActor, source: RequestSource
    ) async throws(VaultFailure) -> Explanation {
        guard isReady else { throw .indexNotReady }
        var event = AuditEvent(
            kind: .policyExplained, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: source, decision: action.rawValue, type: type)
        event.subject = "person/\(filter.standpoint.id)"
        event.records = [AuditedRecord(type: type, id: id, version: 0)]
        let locator = keys.locators.locator(type: type, id: id)
        guard let stored = try current(of: locator), !stored.isDeleted else {
            event.outcome = .failed
            throw .notFound(try await append(event))
        }
        guard let body = try openIfThere(stored, at: locator) else {
            event.outcome = .failed
            throw .destroyed(try await append(event))
        }
        event.records = [AuditedRecord(type: type, id: id, version: stored.version)]
        event.patients = body.patients
        let explanation = try RecordAccess(filter, self).explain(action, on: body)
        _ = try await append(event)
        return explanation
    }
}
