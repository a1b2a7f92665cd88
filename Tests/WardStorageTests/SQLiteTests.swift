import Glibc
import Testing
import WardCore
import WardSQLite
import WardStorage
import WardTestKit

@Suite struct `The SQLite store` {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/ward.db" }

    init() throws {
        folder = try TemporaryFolder()
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        try PrivateFile.create(path, bytes)
    }

    @Test func `refuses a file that a newer Ward wrote`() throws {
        try SQLiteStore(path: path).close()
        var bytes = try PrivateFile.read(path, secret: false, limit: 1 << 24)
        // user_version stands at offset 60 of the database header (SQLite file format §1.3).
        #expect(Array(bytes[60..<64]) == [0, 0, 0, 1])
        bytes[63] = 2
        try PrivateFile.replace(path, bytes)
        #expect(throws: StorageFailure.unknownFormat(2)) { try SQLiteStore(path: path) }
    }

    @Test func `refuses what is no database`() throws {
        try write(Array("this is not a database, although it is long enough to have a header of one".utf8), to: path)
        #expect(throws: StorageFailure.corrupt) { try SQLiteStore(path: path) }
    }

    @Test func `refuses a path that cannot be opened, over and over`() {
        // Each refusal closes its handle once; a second close would be noticed here sooner or later.
        for _ in 0..<200 {
            #expect(throws: StorageFailure.self) { try SQLiteStore(path: "/tmp") }
            #expect(throws: StorageFailure.self) { try SQLiteStore(path: "/no/such/folder/ward.db") }
        }
    }

    @Test func `refuses a row whose locator has another length`() throws {
        let store = try SQLiteStore(path: path)
        try store.commit { transaction throws(StorageFailure) in
            try transaction.putEntry(StoredEntry(id: place(1), sealed: [1]), kind: .client)
        }
        store.close()
        var bytes = try PrivateFile.read(path, secret: false, limit: 1 << 24)
        // The record header says "blob of 16 bytes" as 44; 42 is one of 15 (SQLite file format §2.1).
        let id = place(1).bytes
        let at = try #require(bytes.indices.first { Array(bytes[$0...].prefix(16)) == id })
        let header = try #require((at - 6..<at).first { bytes[$0] == 44 })
        bytes[header] = 42
        try PrivateFile.replace(path, bytes)
        let damaged = try SQLiteStore(path: path)
        #expect(throws: StorageFailure.corrupt) { try damaged.entries(.client) }
    }

    @Test func `leaves no write-ahead log behind when it closes`() throws {
        let store = try SQLiteStore(path: path)
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.header, [1]) }
        store.close()
        var status = stat()
        let isThere = unsafe stat(path + "-wal", &status) == 0
        #expect(!isThere || status.st_size == 0)
    }

    @Test func `takes bodies of any size`() throws {
        let store = try SQLiteStore(path: path)
        let body = [UInt8](repeating: 0xA5, count: 5_000_000)
        try store.commit { transaction throws(StorageFailure) in
            try transaction.put(version(1, at: place(1), 1, body: body), card: nil, replacing: nil)
        }
        #expect(try store.current(of: place(1))?.body == body)
    }

    @Test func `treats zero bytes and quotes in values as bytes`() throws {
        let store = try SQLiteStore(path: path)
        let value: [UInt8] = [0, 39, 34, 0, 59, 0]
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.header, value) }
        #expect(try store.metadata(.header) == value)
    }
}
