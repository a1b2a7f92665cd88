import Synchronization
package import WardCore
package import WardStorage

/// A store that fails where it is told to: at the n-th step, or at commits before or after their effect.
///
/// A step is a read, the begin of a commit, each call within it, or its return: at the last the effect is on disk and
/// the caller is told that it failed.
package final class FailingStore: SealedStore {
    package enum Trouble: Hashable, Sendable {
        case none
        /// The n-th step from now on, counted from 1; only that one.
        case step(Int, StorageFailure)
        /// Every commit, until told otherwise.
        case commits(StorageFailure, afterEffect: Bool)
        /// Everything, until told otherwise.
        case everything(StorageFailure)
    }

    private struct State {
        var trouble = Trouble.none
        var steps = 0
    }

    private let inner: any SealedStore
    /// Where its files lie, if that shall go with it.
    private let folder: TemporaryFolder?
    private let state = Mutex(State())

    package init(_ inner: any SealedStore, in folder: TemporaryFolder? = nil) {
        self.inner = inner
        self.folder = folder
    }

    /// What goes wrong from now on; the count of steps starts over.
    package func expect(_ trouble: Trouble) { state.withLock { $0 = State(trouble: trouble) } }

    /// Steps since the last ``expect(_:)``.
    package var steps: Int { state.withLock { $0.steps } }

    fileprivate func step() throws(StorageFailure) {
        let failure: StorageFailure? = state.withLock { state in
            state.steps += 1
            switch state.trouble {
            case .step(let number, let failure): return state.steps == number ? failure : nil
            case .everything(let failure): return failure
            case .none, .commits: return nil
            }
        }
        if let failure { throw failure }
    }

    private func commitFailure(afterEffect: Bool) -> StorageFailure? {
        state.withLock { state in
            if case .commits(let failure, afterEffect) = state.trouble { failure } else { nil }
        }
    }

    package func metadata(_ key: MetadataKey) throws(StorageFailure) -> [UInt8]? {
        try step()
        return try inner.metadata(key)
    }

    package func head(of locator: Locator) throws(StorageFailure) -> Head? {
        try step()
        return try inner.head(of: locator)
    }

    package func current(of locator: Locator) throws(StorageFailure) -> StoredVersion? {
        try step()
        return try inner.current(of: locator)
    }

    package func version(_ record: RecordNumber) throws(StorageFailure) -> StoredVersion? {
        try step()
        return try inner.version(record)
    }

    package func versions(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredVersion] {
        try step()
        return try inner.versions(after: record, limit: limit)
    }

    package func eachHead(_ body: (Locator, Head) -> Void) throws(StorageFailure) {
        try step()
        try inner.eachHead(body)
    }

    package func eachPatientKey(_ body: (Locator, [UInt8]) -> Void) throws(StorageFailure) {
        try step()
        try inner.eachPatientKey(body)
    }

    package func history(of locator: Locator) throws(StorageFailure) -> [Head] {
        try step()
        return try inner.history(of: locator)
    }

    package func cards(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredCard] {
        try step()
        return try inner.cards(after: record, limit: limit)
    }

    package func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]? {
        try step()
        return try inner.patientKey(id)
    }

    package func entries(_ kind: EntryKind) throws(StorageFailure) -> [StoredEntry] {
        try step()
        return try inner.entries(kind)
    }

    package func entry(_ id: Locator, kind: EntryKind) throws(StorageFailure) -> StoredEntry? {
        try step()
        return try inner.entry(id, kind: kind)
    }

    package func leaves(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf] {
        try step()
        return try inner.leaves(from: index, limit: limit)
    }

    package func leafEntries(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf] {
        try step()
        return try inner.leafEntries(from: index, limit: limit)
    }

    package func leafCount() throws(StorageFailure) -> Int64 {
        try step()
        return try inner.leafCount()
    }

    package func tile(level: Int, number: Int64) throws(StorageFailure) -> [UInt8]? {
        try step()
        return try inner.tile(level: level, number: number)
    }

    package func auditChunk(segment: Int64, chunk: Int64) throws(StorageFailure) -> [UInt8]? {
        try step()
        return try inner.auditChunk(segment: segment, chunk: chunk)
    }

    package func commit(
        _ body: (any StoreTransaction) throws(StorageFailure) -> Void
    ) throws(StorageFailure) {
        try step()
        if let failure = commitFailure(afterEffect: false) { throw failure }
        try inner.commit { transaction throws(StorageFailure) in
            try body(FailingTransaction(inner: transaction, store: self))
        }
        if let failure = commitFailure(afterEffect: true) { throw failure }
        try step()
    }

    package func isErasureDue() throws(StorageFailure) -> Bool {
        try step()
        return try inner.isErasureDue()
    }

    package func erase() throws(StorageFailure) {
        try step()
        try inner.erase()
    }

    package func close() { inner.close() }
}

/// Counts each call within a transaction as a step.
private struct FailingTransaction: StoreTransaction {
    let inner: any StoreTransaction
    let store: FailingStore

    func head(of locator: Locator) throws(StorageFailure) -> Head? {
        try store.step()
        return try inner.head(of: locator)
    }

    func hasPatientKey(_ id: Locator) throws(StorageFailure) -> Bool {
        try store.step()
        return try inner.hasPatientKey(id)
    }

    func lastRecordNumber() throws(StorageFailure) -> RecordNumber {
        try store.step()
        return try inner.lastRecordNumber()
    }

    func put(_ version: StoredVersion, card: [UInt8]?, replacing old: Head?) throws(StorageFailure) {
        try store.step()
        try inner.put(version, card: card, replacing: old)
    }

    func reseal(
        _ record: RecordNumber, at locator: Locator, body: [UInt8], card: [UInt8]?
    ) throws(StorageFailure) {
        try store.step()
        try inner.reseal(record, at: locator, body: body, card: card)
    }

    func putPatientKey(_ id: Locator, wrapped: [UInt8]) throws(StorageFailure) {
        try store.step()
        try inner.putPatientKey(id, wrapped: wrapped)
    }

    func removePatientKey(_ id: Locator) throws(StorageFailure) {
        try store.step()
        try inner.removePatientKey(id)
    }

    func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]? {
        try store.step()
        return try inner.patientKey(id)
    }

    func putEntry(_ entry: StoredEntry, kind: EntryKind) throws(StorageFailure) {
        try store.step()
        try inner.putEntry(entry, kind: kind)
    }

    func removeEntry(_ id: Locator, kind: EntryKind) throws(StorageFailure) {
        try store.step()
        try inner.removeEntry(id, kind: kind)
    }

    func append(_ leaf: StoredLeaf) throws(StorageFailure) {
        try store.step()
        try inner.append(leaf)
    }

    func prunePayload(of index: Int64) throws(StorageFailure) {
        try store.step()
        try inner.prunePayload(of: index)
    }

    func putTile(level: Int, number: Int64, hashes: [UInt8]) throws(StorageFailure) {
        try store.step()
        try inner.putTile(level: level, number: number, hashes: hashes)
    }

    func putAuditChunk(segment: Int64, chunk: Int64, sealed: [UInt8]) throws(StorageFailure) {
        try store.step()
        try inner.putAuditChunk(segment: segment, chunk: chunk, sealed: sealed)
    }

    func putMetadata(_ key: MetadataKey, _ value: [UInt8]) throws(StorageFailure) {
        try store.step()
        try inner.putMetadata(key, value)
    }
}
