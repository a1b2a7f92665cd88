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
        var frame = SearchFrame(grant, self)
        frame.event.recipient = frame.event.actor?.app ?? frame.event.actor?.name
        let permitted = types.filter { frame.access.outlook(.export, on: $0).isPermitted }
        let query = SearchQuery.everything(of: permitted)
        let residual = SearchResidual.byType(Dictionary(uniqueKeysWithValues: permitted.map { ($0, .always) }))
        let hits = index.evaluate(query, residual: residual).hits
        _ = try await append(frame.event)
        return ExportCursor(hits: hits[...], frame: frame)
    }

    /// The next chunk; nil at the end.
    ///
    /// Records deleted since the start are left out, and those that may not be taken out.
    public func next(_ cursor: inout ExportCursor, limit: Int = 500) async throws(VaultFailure) -> Disclosure? {
        guard !cursor.hits.isEmpty else { return nil }
        var event = cursor.frame.event
        event.time = .now()
        var records: [DisclosedRecord] = []
        // Rights and consents may have changed since the last chunk.
        let access = RecordAccess(cursor.frame.access.residual, self)
        for hit in cursor.hits.prefix(limit) where index.record(for: hit.locator) != nil {
            let (stored, body, decision): (StoredVersion, RecordBody, RecordDecision?)
            do throws(VaultFailure) {
                stored = try version(hit.record)
                body = try open(stored, at: hit.locator)
                decision = try isStillOpen(hit, .export, access) ? access.decide(.export, on: body) : nil
            } catch  where error == .keyDestroyed {
                continue
            } catch {
                throw try await accounted(error, cursor.frame.event)
            }
            guard let decision, let json = decision.shown(body) else {
                event.candidates += 1
                continue
            }
            records.append(DisclosedRecord(body, version: stored.version, decision, json: json))
            event.add(body, version: stored.version)
        }
        cursor.hits = cursor.hits.dropFirst(limit)
        return Disclosure(records: records, receipt: try await append(event))
    }
}
