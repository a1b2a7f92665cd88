import WardAudit
import WardCore
public import WardFHIR
public import WardGate
import WardIdentity
import WardIndex
import WardPolicy
import WardStorage

/// A whole-store exit in progress: chunks of records, each accounted for before it is handed over.
public struct ExportCursor: Sendable {
    /// Records still to come, at most.
    public var remaining: Int { hits.count }

    fileprivate var hits: ArraySlice<SearchHit>
    fileprivate let frame: SearchFrame
}

extension Vault {
    /// Starts an export of all current records of some types, fixed at this instant.
    public func export(
        _ types: [ResourceType], with grant: consuming AccessGrant<Export>
    ) async throws(VaultFailure) -> ExportCursor {
        guard isReady else { throw .indexNotReady }
        let permitted = types.filter { grant.permits(.export, on: $0) }
        let frame = SearchFrame(
            event: grant.event(.success, time: .now()),
            permits: { permitted.contains($0) }, principal: grant.principal.id)
        let query = SearchQuery.everything(of: permitted)
        let residual = SearchResidual.byType(Dictionary(uniqueKeysWithValues: permitted.map { ($0, .always) }))
        let hits = index.evaluate(query, residual: residual).hits
        _ = try await append(frame.event)
        return ExportCursor(hits: hits[...], frame: frame)
    }

    /// The next chunk; nil at the end.
    ///
    /// Records deleted since the start are left out.
    public func next(_ cursor: inout ExportCursor, limit: Int = 500) async throws(VaultFailure) -> Disclosure? {
        guard !cursor.hits.isEmpty else { return nil }
        var event = cursor.frame.event
        event.time = .now()
        var records: [DisclosedRecord] = []
        for hit in cursor.hits.prefix(limit) where index.record(for: hit.locator) != nil {
            let (stored, body): (StoredVersion, RecordBody)
            do throws(VaultFailure) {
                stored = try version(hit.record)
                body = try open(stored, at: hit.locator)
                guard cursor.frame.permits(body.type) else { throw .damaged }
            } catch {
                throw try await accounted(error, cursor.frame.event)
            }
            records.append(DisclosedRecord(body, version: stored.version))
            event.add(body, version: stored.version)
        }
        cursor.hits = cursor.hits.dropFirst(limit)
        return Disclosure(records: records, receipt: try await append(event))
    }
}
