import WardAudit
import WardCore
import WardFHIR
public import WardGate
import WardPolicy

extension Vault {
    /// Changes parts of the current version of a resource (FHIR R4 http.html#patch).
    ///
    /// The patch works on what the caller may see of it: what policy hides can neither be tested, copied nor changed,
    /// and stays.
    public func patch(
        _ change: RecordChange, with grant: consuming AccessGrant<Update>
    ) async throws(VaultFailure) -> (disclosure: Disclosure, result: ChangeResult) {
        guard case .patch = change.operation else { throw .notGranted }
        return try await update(change, with: grant)
    }

    /// What becomes of the stored version, valid; it goes the way of any other update from here.
    func patched(
        _ patch: RecordPatch, _ change: RecordChange, _ stored: StoredRecord?, entry: Int, frame: WriteFrame,
        now: Instant
    ) throws(VaultFailure) -> ValidatedResource {
        // As of what is not there: a patch makes nothing new.
        guard let stored else { throw .hidden(code: "update-of-none") }
        let reading = try frame.access.decide(.read, on: stored.body)
        guard reading.isPermitted else { throw .hidden(code: reading.code) }
        guard let seen = stored.decision.shown(stored.body), let read = reading.shown(stored.body) else {
            throw .hidden(code: reading.code)
        }
        // Who may write more than they may read must not learn of it by testing, nor lose it by writing.
        guard seen == read else { throw .writeRefused(code: "field-not-granted") }
        guard let document = try? JSONTape(parsing: seen) else { throw .damaged }
        if let number = patch.replacingWhole {
            throw .patch(entry: entry, PatchFailure(operation: number, reason: .otherResource))
        }
        let bytes: [UInt8]
        do throws(PatchFailure) { bytes = try patch.applied(to: document, now: now) } catch {
            throw .patch(entry: entry, error)
        }
        guard let tape = try? JSONTape(parsing: bytes) else {
            throw .patch(entry: entry, PatchFailure(operation: 0, reason: .tooLarge))
        }
        guard tape.root["resourceType"]?.string == change.type.name, tape.root["id"]?.string == change.id else {
            throw .patch(entry: entry, PatchFailure(operation: 0, reason: .otherResource))
        }
        // What holds for every other write holds for what a patch makes.
        guard !RecordView.isMarked(tape) else {
            throw .patch(entry: entry, PatchFailure(operation: 0, reason: .partOfRecord))
        }
        let known = Set(SearchExtractor.references(in: document, at: JSONTape.rootIndex).map(\.text))
        for reference in SearchExtractor.references(in: tape, at: JSONTape.rootIndex)
        where reference.text.lowercased().hasPrefix("urn:") && !known.contains(reference.text) {
            throw .patch(entry: entry, PatchFailure(operation: 0, reason: .unresolvedReference))
        }
        do throws(ValidationFailure) {
            return try ResourceValidator.validated(tape, at: JSONTape.rootIndex, expecting: change.type)
        } catch {
            throw .invalid(error.issues)
        }
    }
}
