import Synchronization
package import WardCore
package import WardStorage

/// The in-memory twin of the SQLite store: same contract, same refusals, and its content can be tampered with.
package final class MemoryStore: SealedStore {
    /// Everything a store holds, as plain values.
    package struct Content: Sendable {
        package struct Place: Hashable, Sendable {
            package let group: Int64
            package let number: Int64

            package init(_ group: Int64, _ number: Int64) {
                self.group = group
                self.number = number
            }
        }

        package var metadata: [MetadataKey: [UInt8]] = [:]
        package var versions: [Int64: StoredVersion] = [:]
        package var heads: [Locator: Head] = [:]
        package var past: [Locator: [Int64: Head]] = [:]
        package var cards: [Int64: StoredCard] = [:]
        package var patientKeys: [Locator: [UInt8]] = [:]
        package var entries: [EntryKind: [Locator: [UInt8]]] = [:]
        package var leaves: [Int64: StoredLeaf] = [:]
        package var tiles: [Place: [UInt8]] = [:]
        package var chunks: [Place: [UInt8]] = [:]

        package init() {}
    }

    /// Nil once closed.
    private let content: Mutex<Content?>

    package init(_ content: Content = Content()) {
        self.content = Mutex(content)
    }

    /// What is stored now.
    package func snapshot() throws(StorageFailure) -> Content {
        guard let content = content.withLock({ $0 }) else { throw .closed }
        return content
    }

    /// Changes what is stored behind Ward's back, as somebody with the database's password would.
    package func tamper(_ change: (inout Content) -> Void) {
        content.withLock { content in
            guard var changed = content else { return }
            change(&changed)
            content = changed
        }
    }

    package func metadata(_ key: MetadataKey) throws(StorageFailure) -> [UInt8]? { try snapshot().metadata[key] }

    package func head(of locator: Locator) throws(StorageFailure) -> Head? { try snapshot().heads[locator] }

    package func current(of locator: Locator) throws(StorageFailure) -> StoredVersion? {
        let content = try snapshot()
        return content.heads[locator].flatMap { content.versions[$0.record.value] }
    }

    package func version(_ record: RecordNumber) throws(StorageFailure) -> StoredVersion? {
        try snapshot().versions[record.value]
    }

    package func versions(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredVersion] {
        let content = try snapshot()
        let numbers = content.versions.keys.filter { $0 > record.value }.sorted().prefix(limit)
        return numbers.compactMap { content.versions[$0] }
    }

    package func eachHead(_ body: (Locator, Head) -> Void) throws(StorageFailure) {
        for (locator, head) in try snapshot().heads { body(locator, head) }
    }

    package func eachPatientKey(_ body: (Locator, [UInt8]) -> Void) throws(StorageFailure) {
        for (id, wrapped) in try snapshot().patientKeys { body(id, wrapped) }
    }

    package func history(of locator: Locator) throws(StorageFailure) -> [Head] {
        let content = try snapshot()
        let past = content.past[locator].map { Array($0.values) } ?? []
        return (past + [content.heads[locator]].compactMap { $0 }).sorted { $0.version > $1.version }
    }

    package func cards(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredCard] {
        let content = try snapshot()
        let numbers = content.cards.keys.filter { $0 > record.value }.sorted().prefix(limit)
        return numbers.compactMap { content.cards[$0] }
    }

    package func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]? { try snapshot().patientKeys[id] }

    package func entries(_ kind: EntryKind) throws(StorageFailure) -> [StoredEntry] {
        (try snapshot().entries[kind] ?? [:]).map { StoredEntry(id: $0.key, sealed: $0.value) }
    }

    package func entry(_ id: Locator, kind: EntryKind) throws(StorageFailure) -> StoredEntry? {
        try snapshot().entries[kind]?[id].map { StoredEntry(id: id, sealed: $0) }
    }

    package func leaves(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf] {
        let content = try snapshot()
        guard let last = content.leaves.isEmpty ? nil : try leafCount() - 1, index <= last else { return [] }
        var found: [StoredLeaf] = []
        var at = index
        while at <= last, found.count < limit {
            if let leaf = content.leaves[at] { found.append(leaf) }
            at += 1
        }
        return found
    }

    package func leafEntries(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf] {
        try leaves(from: index, limit: limit).map { StoredLeaf(index: $0.index, leaf: $0.leaf, payload: []) }
    }

    package func leafCount() throws(StorageFailure) -> Int64 {
        let leaves = try snapshot().leaves
        // As max(number) + 1 does; without gaps it is the count.
        if leaves[Int64(leaves.count) - 1] != nil, leaves[Int64(leaves.count)] == nil, leaves[0] != nil {
            return Int64(leaves.count)
        }
        return (leaves.keys.max() ?? -1) + 1
    }

    package func tile(level: Int, number: Int64) throws(StorageFailure) -> [UInt8]? {
        try snapshot().tiles[Content.Place(Int64(level), number)]
    }

    package func auditChunk(segment: Int64, chunk: Int64) throws(StorageFailure) -> [UInt8]? {
        try snapshot().chunks[Content.Place(segment, chunk)]
    }

    package func commit(
        _ body: (any StoreTransaction) throws(StorageFailure) -> Void
    ) throws(StorageFailure) {
        let result: Result<Void, StorageFailure> = content.withLock { content in
            guard let before = content else { return .failure(.closed) }
            let transaction = MemoryTransaction(before)
            do throws(StorageFailure) {
                try body(transaction)
                content = transaction.content
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    package func isErasureDue() throws(StorageFailure) -> Bool {
        try snapshot().metadata[.erasure]?.isEmpty == false
    }

    package func erase() throws(StorageFailure) {
        if try isErasureDue() {
            try commit { transaction throws(StorageFailure) in try transaction.putMetadata(.erasure, []) }
        }
    }

    package func close() { content.withLock { $0 = nil } }
}

/// One transaction: a copy that is taken over or dropped.
private final class MemoryTransaction: StoreTransaction {
    var content: MemoryStore.Content

    init(_ content: MemoryStore.Content) {
        self.content = content
    }

    func head(of locator: Locator) -> Head? { content.heads[locator] }

    func hasPatientKey(_ id: Locator) -> Bool { content.patientKeys[id] != nil }

    func lastRecordNumber() -> RecordNumber { RecordNumber(content.versions.keys.max() ?? 0) }

    func put(_ version: StoredVersion, card: [UInt8]?, replacing old: Head?) throws(StorageFailure) {
        try insert(version, at: version.record.value, of: \.versions)
        if let old {
            guard content.past[version.locator, default: [:]].updateValue(old, forKey: old.version) == nil else {
                throw Self.duplicate
            }
            content.cards[old.record.value] = nil
        }
        content.heads[version.locator] = Head(
            record: version.record, version: version.version, isDeleted: version.isDeleted)
        guard let card else { return }
        let stored = StoredCard(
            record: version.record, locator: version.locator, version: version.version,
            maskedOwner: version.maskedOwner, card: card)
        try insert(stored, at: version.record.value, of: \.cards)
    }

    func reseal(
        _ record: RecordNumber, at locator: Locator, body: [UInt8], card: [UInt8]?
    ) throws(StorageFailure) {
        guard let old = content.versions[record.value], old.locator == locator else { throw .corrupt }
        content.versions[record.value] = StoredVersion(
            record: record, locator: locator, version: old.version, isDeleted: old.isDeleted,
            maskedOwner: old.maskedOwner, body: body)
        guard let card, content.cards[record.value] != nil else { return }
        content.cards[record.value] = StoredCard(
            record: record, locator: locator, version: old.version, maskedOwner: old.maskedOwner, card: card)
    }

    func putPatientKey(_ id: Locator, wrapped: [UInt8]) throws(StorageFailure) {
        try insert(wrapped, at: id, of: \.patientKeys)
    }

    func removePatientKey(_ id: Locator) {
        content.patientKeys[id] = nil
        content.metadata[.erasure] = [1]
    }

    func patientKey(_ id: Locator) -> [UInt8]? { content.patientKeys[id] }

    func putEntry(_ entry: StoredEntry, kind: EntryKind) {
        content.entries[kind, default: [:]][entry.id] = entry.sealed
    }

    func removeEntry(_ id: Locator, kind: EntryKind) { content.entries[kind]?[id] = nil }

    func append(_ leaf: StoredLeaf) throws(StorageFailure) { try insert(leaf, at: leaf.index, of: \.leaves) }

    func prunePayload(of index: Int64) {
        guard let old = content.leaves[index] else { return }
        content.leaves[index] = StoredLeaf(index: index, leaf: old.leaf, payload: [])
    }

    func putTile(level: Int, number: Int64, hashes: [UInt8]) throws(StorageFailure) {
        try insert(hashes, at: MemoryStore.Content.Place(Int64(level), number), of: \.tiles)
    }

    func putAuditChunk(segment: Int64, chunk: Int64, sealed: [UInt8]) {
        content.chunks[MemoryStore.Content.Place(segment, chunk)] = sealed
    }

    func putMetadata(_ key: MetadataKey, _ value: [UInt8]) { content.metadata[key] = value }

    private func insert<Key: Hashable, Value>(
        _ value: Value, at key: Key, of table: WritableKeyPath<MemoryStore.Content, [Key: Value]>
    ) throws(StorageFailure) {
        guard content[keyPath: table][key] == nil else { throw Self.duplicate }
        content[keyPath: table][key] = value
    }

    /// SQLITE_CONSTRAINT_PRIMARYKEY.
    private static let duplicate = StorageFailure.engine(1555)
}
