import Synchronization
import Testing
import WardCore
import WardSQLite
import WardStorage
import WardTestKit

/// The stores that must behave the same.
enum Engine: String, CaseIterable, Sendable {
    case memory, sqlite

    /// An empty store, and a way to close it and open what it held.
    func make() throws -> (store: any SealedStore, reopen: () throws -> any SealedStore) {
        switch self {
        case .memory:
            let store = MemoryStore()
            return (
                store,
                {
                    let content = try store.snapshot()
                    store.close()
                    return MemoryStore(content)
                }
            )
        case .sqlite:
            let folder = try TemporaryFolder()
            let path = folder.path + "/ward.db"
            let store = try SQLiteStore(path: path)
            return (
                FailingStore(store, in: folder),
                {
                    store.close()
                    return FailingStore(try SQLiteStore(path: path), in: folder)
                }
            )
        }
    }
}

func place(_ number: UInt64) -> Locator { Locator(high: number &* 0x9E37_79B9_7F4A_7C15, low: number) }

func version(
    _ record: Int64, at locator: Locator, _ version: Int64, deleted: Bool = false, body: [UInt8]? = nil
) -> StoredVersion {
    StoredVersion(
        record: RecordNumber(record), locator: locator, version: version, isDeleted: deleted,
        maskedOwner: place(UInt64(record) + 1000), body: body ?? [UInt8(record & 255), 1, 2])
}

@Suite struct `Every store` {
    @Test(arguments: Engine.allCases)
    func `is empty at first`(engine: Engine) throws {
        let store = try engine.make().store
        for key in MetadataKey.allCases { #expect(try store.metadata(key) == nil) }
        for kind in EntryKind.allCases { #expect(try store.entries(kind).isEmpty) }
        #expect(try store.head(of: place(1)) == nil)
        #expect(try store.current(of: place(1)) == nil)
        #expect(try store.version(RecordNumber(1)) == nil)
        #expect(try store.versions(after: RecordNumber(0), limit: 10).isEmpty)
        try store.eachHead { _, _ in Issue.record("a head") }
        try store.eachPatientKey { _, _ in Issue.record("a key") }
        #expect(try store.history(of: place(1)).isEmpty)
        #expect(try store.cards(after: RecordNumber(0), limit: 10).isEmpty)
        #expect(try store.patientKey(place(1)) == nil)
        #expect(try store.entry(place(1), kind: .client) == nil)
        #expect(try store.leaves(from: 0, limit: 10).isEmpty)
        #expect(try store.leafEntries(from: 0, limit: 10).isEmpty)
        #expect(try store.leafCount() == 0)
        #expect(try store.tile(level: 0, number: 0) == nil)
        #expect(try store.auditChunk(segment: 0, chunk: 0) == nil)
        try store.commit { transaction throws(StorageFailure) in
            #expect(try transaction.lastRecordNumber() == RecordNumber(0))
            #expect(try transaction.head(of: place(1)) == nil)
            #expect(try !transaction.hasPatientKey(place(1)))
        }
    }

    @Test(arguments: Engine.allCases)
    func `keeps versions, heads, history and cards in step`(engine: Engine) throws {
        let (first, reopen) = try engine.make()
        let (a, b) = (place(1), place(2))
        try first.commit { transaction throws(StorageFailure) in
            try transaction.put(version(1, at: a, 1), card: [1], replacing: nil)
            try transaction.put(version(2, at: b, 1), card: [2], replacing: nil)
            #expect(try transaction.head(of: a) == Head(record: RecordNumber(1), version: 1, isDeleted: false))
            #expect(try transaction.lastRecordNumber() == RecordNumber(2))
        }
        try first.commit { transaction throws(StorageFailure) in
            let old = try transaction.head(of: a)
            try transaction.put(version(3, at: a, 2), card: [3], replacing: old)
        }
        try first.commit { transaction throws(StorageFailure) in
            let old = try transaction.head(of: a)
            try transaction.put(version(4, at: a, 3, deleted: true, body: []), card: nil, replacing: old)
        }
        for isReopened in [false, true] {
            let store = isReopened ? try reopen() : first
            #expect(try store.head(of: a) == Head(record: RecordNumber(4), version: 3, isDeleted: true))
            #expect(try store.current(of: a) == version(4, at: a, 3, deleted: true, body: []))
            #expect(try store.current(of: b) == version(2, at: b, 1))
            #expect(try store.version(RecordNumber(1)) == version(1, at: a, 1))
            #expect(try store.version(RecordNumber(5)) == nil)
            #expect(
                try store.history(of: a) == [
                    Head(record: RecordNumber(4), version: 3, isDeleted: true),
                    Head(record: RecordNumber(3), version: 2, isDeleted: false),
                    Head(record: RecordNumber(1), version: 1, isDeleted: false),
                ])
            #expect(
                try store.cards(after: RecordNumber(0), limit: 10) == [
                    StoredCard(record: RecordNumber(2), locator: b, version: 1, maskedOwner: place(1002), card: [2])
                ])
        }
    }

    @Test(arguments: Engine.allCases)
    func `pages through cards in commit order`(engine: Engine) throws {
        let store = try engine.make().store
        try store.commit { transaction throws(StorageFailure) in
            for number in 1...25 {
                try transaction.put(
                    version(Int64(number), at: place(UInt64(number)), 1), card: [UInt8(number)], replacing: nil)
            }
        }
        var seen: [Int64] = []
        while true {
            let page = try store.cards(after: RecordNumber(seen.last ?? 0), limit: 10)
            guard !page.isEmpty else { break }
            #expect(page.count <= 10)
            seen += page.map(\.record.value)
        }
        #expect(seen == Array(1...25))
        #expect(try store.cards(after: RecordNumber(25), limit: 10).isEmpty)
        #expect(try store.cards(after: RecordNumber(9), limit: 1).map(\.record.value) == [10])
    }

    @Test(arguments: Engine.allCases)
    func `keeps keys, entries, tiles, chunks and small values over a restart`(engine: Engine) throws {
        let (first, reopen) = try engine.make()
        try first.commit { transaction throws(StorageFailure) in
            try transaction.putPatientKey(place(1), wrapped: [9])
            #expect(try transaction.hasPatientKey(place(1)))
            for kind in EntryKind.allCases {
                try transaction.putEntry(StoredEntry(id: place(1), sealed: [UInt8(kind.rawValue)]), kind: kind)
                try transaction.putEntry(StoredEntry(id: place(2), sealed: []), kind: kind)
            }
            for key in MetadataKey.allCases { try transaction.putMetadata(key, Array(key.rawValue.utf8)) }
            try transaction.putTile(level: 1, number: 3, hashes: [1, 3])
            try transaction.putAuditChunk(segment: 2, chunk: 4, sealed: [2, 4])
        }
        try first.commit { transaction throws(StorageFailure) in
            try transaction.putEntry(StoredEntry(id: place(2), sealed: [7]), kind: .client)
            try transaction.removeEntry(place(1), kind: .importMark)
            try transaction.removeEntry(place(99), kind: .importMark)
            try transaction.putMetadata(.header, [])
        }
        let store = try reopen()
        #expect(try store.patientKey(place(1)) == [9])
        #expect(
            Set(try store.entries(.client)) == [
                StoredEntry(id: place(1), sealed: [1]), StoredEntry(id: place(2), sealed: [7]),
            ])
        #expect(try store.entries(.importMark) == [StoredEntry(id: place(2), sealed: [])])
        #expect(try store.entry(place(2), kind: .importMark) == StoredEntry(id: place(2), sealed: []))
        #expect(try store.entry(place(1), kind: .importMark) == nil)
        #expect(try store.metadata(.header) == [])
        #expect(try store.metadata(.origin) == Array("origin".utf8))
        #expect(try store.tile(level: 1, number: 3) == [1, 3])
        #expect(try store.tile(level: 3, number: 1) == nil)
        #expect(try store.auditChunk(segment: 2, chunk: 4) == [2, 4])
        #expect(try store.auditChunk(segment: 4, chunk: 2) == nil)
    }

    @Test(arguments: Engine.allCases)
    func `seals a version and its card anew in their place, and no other`(engine: Engine) throws {
        let (store, _) = try engine.make()
        let (a, b) = (place(1), place(2))
        try store.commit { transaction throws(StorageFailure) in
            try transaction.put(version(1, at: a, 1), card: [1], replacing: nil)
            try transaction.put(version(2, at: b, 1), card: [2], replacing: nil)
            try transaction.put(version(3, at: a, 2), card: [3], replacing: try transaction.head(of: a))
        }
        #expect(try store.current(of: a)?.record == RecordNumber(3))
        let before = try (1...3).map { try store.version(RecordNumber($0)) }
        try store.commit { transaction throws(StorageFailure) in
            // Without a card any more: only its body.
            try transaction.reseal(RecordNumber(1), at: a, body: [11], card: [12])
            try transaction.reseal(RecordNumber(3), at: a, body: [31, 32, 33], card: [34])
        }
        #expect(
            try store.version(RecordNumber(1))?.body == [11] && store.version(RecordNumber(3))?.body == [31, 32, 33])
        #expect(try store.current(of: a)?.body == [31, 32, 33])
        #expect(try store.version(RecordNumber(2)) == before[1])
        #expect(try store.version(RecordNumber(3))?.maskedOwner == before[2]?.maskedOwner)
        #expect(try store.cards(after: RecordNumber(0), limit: 9).map(\.card) == [[2], [34]])
        #expect(try store.head(of: a)?.version == 2 && store.history(of: a).map(\.version) == [2, 1])
        // What is not there is not made, and nothing of that transaction stays.
        for (record, locator) in [(9, a), (2, a), (3, b)] {
            #expect(throws: StorageFailure.corrupt) {
                try store.commit { transaction throws(StorageFailure) in
                    try transaction.reseal(RecordNumber(1), at: a, body: [99], card: nil)
                    try transaction.reseal(RecordNumber(Int64(record)), at: locator, body: [98], card: [97])
                }
            }
        }
        #expect(try store.version(RecordNumber(1))?.body == [11])
    }

    @Test(arguments: Engine.allCases)
    func `shows every version, head and patient key once`(engine: Engine) throws {
        let (first, reopen) = try engine.make()
        try first.commit { transaction throws(StorageFailure) in
            for number in 1...25 {
                try transaction.put(
                    version(Int64(number), at: place(UInt64(number)), 1), card: [UInt8(number)], replacing: nil)
                try transaction.putPatientKey(place(UInt64(number)), wrapped: [UInt8(number)])
            }
            let old = try transaction.head(of: place(3))
            try transaction.put(version(26, at: place(3), 2, deleted: true, body: []), card: nil, replacing: old)
        }
        let store = try reopen()
        var seen: [StoredVersion] = []
        while true {
            let page = try store.versions(after: seen.last?.record ?? RecordNumber(0), limit: 10)
            guard !page.isEmpty else { break }
            #expect(page.count <= 10)
            seen += page
        }
        #expect(seen.map(\.record.value) == Array(1...26))
        #expect(seen.last == version(26, at: place(3), 2, deleted: true, body: []))
        var heads: [Locator: Head] = [:]
        try store.eachHead { locator, head in #expect(heads.updateValue(head, forKey: locator) == nil) }
        #expect(heads.count == 25)
        #expect(heads[place(3)] == Head(record: RecordNumber(26), version: 2, isDeleted: true))
        #expect(heads[place(4)] == Head(record: RecordNumber(4), version: 1, isDeleted: false))
        var keys: [Locator: [UInt8]] = [:]
        try store.eachPatientKey { id, wrapped in #expect(keys.updateValue(wrapped, forKey: id) == nil) }
        #expect(keys.count == 25 && keys[place(7)] == [7])
    }

    @Test(arguments: Engine.allCases)
    func `lets go of a payload and keeps its leaf, in the transaction or not at all`(engine: Engine) throws {
        let (first, reopen) = try engine.make()
        let long = [UInt8](repeating: 5, count: 20_000)
        try first.commit { transaction throws(StorageFailure) in
            for index in Int64(0)..<4 {
                try transaction.append(StoredLeaf(index: index, leaf: [UInt8(index)], payload: long))
            }
        }
        #expect(throws: StorageFailure.full) {
            try first.commit { transaction throws(StorageFailure) in
                try transaction.prunePayload(of: 1)
                throw .full
            }
        }
        #expect(try first.leaves(from: 1, limit: 1).first?.payload == long)
        try first.commit { transaction throws(StorageFailure) in
            try transaction.prunePayload(of: 1)
            try transaction.prunePayload(of: 2)
            try transaction.prunePayload(of: 2)
            try transaction.prunePayload(of: 99)
        }
        let store = try reopen()
        #expect(try store.leafCount() == 4)
        #expect(try store.leaves(from: 0, limit: 9).map(\.isPruned) == [false, true, true, false])
        #expect(try store.leaves(from: 0, limit: 9).map(\.leaf) == [[0], [1], [2], [3]])
        #expect(try store.leaves(from: 0, limit: 1).first?.payload == long)
    }

    @Test(arguments: Engine.allCases)
    func `keeps leaves in log order`(engine: Engine) throws {
        let (first, reopen) = try engine.make()
        try first.commit { transaction throws(StorageFailure) in
            for index in 0..<7 {
                try transaction.append(
                    StoredLeaf(index: Int64(index), leaf: [UInt8(index)], payload: [UInt8](repeating: 1, count: index)))
            }
        }
        let store = try reopen()
        #expect(try store.leafCount() == 7)
        #expect(try store.leaves(from: 0, limit: 100).map(\.index) == Array(0..<7))
        #expect(try store.leaves(from: 5, limit: 1) == [StoredLeaf(index: 5, leaf: [5], payload: [1, 1, 1, 1, 1])])
        #expect(try store.leaves(from: 0, limit: 1).first?.payload == [])
        #expect(try store.leaves(from: 3, limit: 0).isEmpty)
        #expect(try store.leafEntries(from: 0, limit: 100).map(\.index) == Array(0..<7))
        #expect(try store.leafEntries(from: 5, limit: 1) == [StoredLeaf(index: 5, leaf: [5], payload: [])])
        #expect(try store.leafEntries(from: 7, limit: 10).isEmpty)
        #expect(try store.leaves(from: 7, limit: 10).isEmpty)
    }

    @Test(arguments: Engine.allCases)
    func `undoes a whole transaction that fails at its end`(engine: Engine) throws {
        let store = try engine.make().store
        try store.commit { transaction throws(StorageFailure) in
            try transaction.put(version(1, at: place(1), 1), card: [1], replacing: nil)
            try transaction.putMetadata(.header, [1])
            try transaction.putEntry(StoredEntry(id: place(1), sealed: [1]), kind: .client)
        }
        #expect(throws: StorageFailure.full) {
            try store.commit { transaction throws(StorageFailure) in
                let old = try transaction.head(of: place(1))
                try transaction.put(version(2, at: place(1), 2), card: [2], replacing: old)
                try transaction.putPatientKey(place(5), wrapped: [5])
                try transaction.removeEntry(place(1), kind: .client)
                try transaction.append(StoredLeaf(index: 0, leaf: [1], payload: [1]))
                try transaction.putTile(level: 0, number: 0, hashes: [1])
                try transaction.putAuditChunk(segment: 0, chunk: 0, sealed: [1])
                try transaction.putMetadata(.header, [2])
                throw .full
            }
        }
        #expect(try store.current(of: place(1)) == version(1, at: place(1), 1))
        #expect(try store.history(of: place(1)).count == 1)
        #expect(try store.cards(after: RecordNumber(0), limit: 9).map(\.card) == [[1]])
        #expect(try store.patientKey(place(5)) == nil)
        #expect(try store.entry(place(1), kind: .client)?.sealed == [1])
        #expect(try store.leafCount() == 0)
        #expect(try store.tile(level: 0, number: 0) == nil)
        #expect(try store.auditChunk(segment: 0, chunk: 0) == nil)
        #expect(try store.metadata(.header) == [1])
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.header, [3]) }
        #expect(try store.metadata(.header) == [3])
    }

    @Test(arguments: Engine.allCases)
    func `refuses to write the same place twice, and keeps what was there`(engine: Engine) throws {
        let store = try engine.make().store
        try store.commit { transaction throws(StorageFailure) in
            try transaction.put(version(1, at: place(1), 1), card: [1], replacing: nil)
            try transaction.append(StoredLeaf(index: 0, leaf: [1], payload: [1]))
            try transaction.putTile(level: 0, number: 0, hashes: [1])
            try transaction.putPatientKey(place(1), wrapped: [1])
        }
        for place in 0..<4 {
            #expect(throws: StorageFailure.self) {
                try store.commit { transaction throws(StorageFailure) in
                    try transaction.putMetadata(.header, [9])
                    try Self.writeAgain(place, transaction)
                }
            }
        }
        #expect(try store.metadata(.header) == nil)
        #expect(try store.leaves(from: 0, limit: 1).first?.leaf == [1])
        #expect(try store.patientKey(place(1)) == [1])
    }

    private static func writeAgain(_ number: Int, _ transaction: any StoreTransaction) throws(StorageFailure) {
        switch number {
        case 0: try transaction.put(version(1, at: place(2), 1), card: nil, replacing: nil)
        case 1: try transaction.append(StoredLeaf(index: 0, leaf: [2], payload: [2]))
        case 2: try transaction.putTile(level: 0, number: 0, hashes: [2])
        default: try transaction.putPatientKey(place(1), wrapped: [2])
        }
    }

    @Test(arguments: Engine.allCases)
    func `puts a chunk of a search segment in the place of an older one`(engine: Engine) throws {
        let store = try engine.make().store
        for content in [[1], [2]] as [[UInt8]] {
            try store.commit { transaction throws(StorageFailure) in
                try transaction.putAuditChunk(segment: 0, chunk: 0, sealed: content)
            }
        }
        #expect(try store.auditChunk(segment: 0, chunk: 0) == [2])
    }

    @Test(arguments: Engine.allCases)
    func `answers with no version older than the last one that was committed`(engine: Engine) async throws {
        let store = try engine.make().store
        let place = place(1)
        final class Newest: Sendable { let value = Mutex<Int64>(0) }
        let newest = Newest()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    while newest.value.withLock({ $0 }) < 300 {
                        let known = newest.value.withLock { $0 }
                        let found = try store.current(of: place)
                        #expect(found?.version ?? 0 >= known)
                        if let found {
                            #expect(found.body == version(found.record.value, at: place, found.version).body)
                        }
                        await Task.yield()
                    }
                }
            }
            for number in Int64(1)...300 {
                let old =
                    number == 1 ? nil : Head(record: RecordNumber(number - 1), version: number - 1, isDeleted: false)
                // One that is given up half way must leave no trace either.
                #expect(throws: StorageFailure.full) {
                    try store.commit { transaction throws(StorageFailure) in
                        try transaction.put(version(900, at: place, number), card: nil, replacing: old)
                        throw .full
                    }
                }
                #expect(try store.current(of: place)?.version ?? 0 == number - 1)
                try store.commit { transaction throws(StorageFailure) in
                    try transaction.put(version(number, at: place, number), card: nil, replacing: old)
                }
                newest.value.withLock { $0 = number }
                await Task.yield()
            }
        }
    }

    @Test(arguments: Engine.allCases)
    func `answers nothing once closed`(engine: Engine) throws {
        let store = try engine.make().store
        try store.commit { transaction throws(StorageFailure) in
            try transaction.put(version(1, at: place(1), 1), card: nil, replacing: nil)
        }
        #expect(try store.current(of: place(1)) != nil)
        store.close()
        store.close()
        #expect(throws: StorageFailure.closed) { try store.current(of: place(1)) }
        #expect(throws: StorageFailure.closed) { try store.leafCount() }
        #expect(throws: StorageFailure.closed) { try store.metadata(.header) }
        #expect(throws: StorageFailure.closed) { try store.head(of: place(1)) }
        #expect(throws: StorageFailure.closed) { try store.commit { _ in } }
    }

    @Test(arguments: Engine.allCases)
    func `lets many read while one writes`(engine: Engine) async throws {
        let store = try engine.make().store
        try store.commit { transaction throws(StorageFailure) in
            try transaction.put(version(1, at: place(1), 1), card: [1], replacing: nil)
        }
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<50 {
                        guard let head = try? store.head(of: place(1)),
                            let current = try? store.current(of: place(1)), current.version >= head.version
                        else { return false }
                    }
                    return true
                }
            }
            group.addTask {
                for number in 2...40 {
                    do throws(StorageFailure) {
                        try store.commit { transaction throws(StorageFailure) in
                            let old = try transaction.head(of: place(1))
                            try transaction.put(
                                version(Int64(number), at: place(1), Int64(number)), card: [1], replacing: old)
                        }
                    } catch {
                        return false
                    }
                }
                return true
            }
            for await isGood in group { #expect(isGood) }
        }
        #expect(try store.history(of: place(1)).count == 40)
        #expect(try store.cards(after: RecordNumber(0), limit: 100).count == 1)
    }
}
