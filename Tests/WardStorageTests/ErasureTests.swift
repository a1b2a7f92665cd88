import Testing
import WardCore
import WardSQLite
import WardStorage
import WardTestKit

@Suite struct `Erasing a destroyed key` {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/ward.db" }

    init() throws {
        folder = try TemporaryFolder()
    }

    private static func wrapped(_ number: UInt64) -> [UInt8] {
        // 62 bytes that occur nowhere else.
        Array("wrapped key number \(number) ".utf8) + Array(repeating: UInt8(number & 255), count: 20)
            + Array("\(number)!".utf8)
    }

    /// Enough rows, in scattered order, that pages are split again and again.
    private func filled(_ count: UInt64 = 3000) throws -> SQLiteStore {
        let store = try SQLiteStore(path: path)
        for start in stride(from: 0, to: count, by: 10) {
            try store.commit { transaction throws(StorageFailure) in
                for number in start..<start + 10 {
                    try transaction.putPatientKey(place(number), wrapped: Self.wrapped(number))
                }
            }
        }
        return store
    }

    /// In which of the store's files a text lies.
    private func files(holding needle: [UInt8]) throws -> [String] {
        try ["", "-wal", "-shm"].filter { suffix in
            guard PrivateFile.exists(path + suffix) else { return false }
            let bytes = try PrivateFile.read(path + suffix, secret: false, limit: 1 << 30)
            var at = 0
            while let next = bytes[at...].firstIndex(of: needle[0]) {
                if bytes[next...].starts(with: needle) { return true }
                at = next + 1
            }
            return false
        }
    }

    private func remove(_ numbers: [UInt64], from store: SQLiteStore) throws {
        try store.commit { transaction throws(StorageFailure) in
            for number in numbers { try transaction.removePatientKey(place(number)) }
        }
    }

    @Test func `it is nowhere in the database or its log, and the other keys are`() throws {
        let store = try filled()
        #expect(try !store.isErasureDue())
        let gone: [UInt64] = [3, 7, 1500, 2999]
        try remove(gone, from: store)
        #expect(try store.isErasureDue())
        // Without erasing it is still there: this test can fail.
        #expect(try !files(holding: Self.wrapped(1500)).isEmpty)
        try store.erase()
        #expect(try !store.isErasureDue())
        for number in gone {
            #expect(try files(holding: Self.wrapped(number)).isEmpty, "\(number)")
            #expect(try files(holding: place(number).bytes).isEmpty, "\(number)")
            #expect(try store.patientKey(place(number)) == nil)
        }
        for number in [1, 8, 2998] as [UInt64] {
            #expect(try store.patientKey(place(number)) == Self.wrapped(number))
        }
        var count = 0
        try store.eachPatientKey { _, _ in count += 1 }
        #expect(count == 2996)
        store.close()
        for number in gone { #expect(try files(holding: Self.wrapped(number)).isEmpty) }
        let again = try SQLiteStore(path: path)
        #expect(try again.patientKey(place(8)) == Self.wrapped(8))
        try again.commit { transaction throws(StorageFailure) in
            try transaction.putPatientKey(place(9000), wrapped: Self.wrapped(9000))
        }
        #expect(throws: StorageFailure.self) {
            try again.commit { transaction throws(StorageFailure) in
                try transaction.putPatientKey(place(8), wrapped: [1])
            }
        }
    }

    @Test func `when most are gone, pages that became empty hold none of them either`() throws {
        let store = try filled()
        let gone = (0..<3000 as Range<UInt64>).filter { $0 % 4 != 0 }
        try remove(gone, from: store)
        try store.erase()
        store.close()
        let bytes = try ["", "-wal"].filter { PrivateFile.exists(path + $0) }.flatMap {
            try PrivateFile.read(path + $0, secret: false, limit: 1 << 30)
        }
        // All wrapped keys begin alike: one pass finds every one that is left.
        let start = Array("wrapped key number ".utf8)
        var left: Set<UInt64> = []
        var at = bytes.startIndex
        while let next = bytes[at...].firstRange(of: start)?.upperBound {
            let digits = bytes[next...].prefix { (0x30...0x39).contains($0) }
            if let number = UInt64(String(decoding: digits, as: UTF8.self)) { left.insert(number) }
            at = next
        }
        #expect(left == Set((0..<3000).filter { $0 % 4 == 0 }))
    }

    @Test func `cut short before it began, it is made good at the next opening`() throws {
        let store = try filled(100)
        try remove([5], from: store)
        store.close()
        let again = try SQLiteStore(path: path)
        #expect(try again.isErasureDue())
        try again.erase()
        #expect(try files(holding: Self.wrapped(5)).isEmpty)
    }

    @Test func `while a snapshot holds on to the state before, it is not called done`() throws {
        let store = try filled(100)
        let snapshot = try store.snapshot {}
        try remove([5], from: store)
        #expect(throws: StorageFailure.locked) { try store.erase() }
        #expect(try store.isErasureDue())
        // Who writes is not held up by it, and the snapshot is what it was.
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.origin, [1]) }
        #expect(try snapshot.patientKey(place(5)) == Self.wrapped(5))
        snapshot.close()
        try store.erase()
        #expect(try !store.isErasureDue())
        #expect(try files(holding: Self.wrapped(5)).isEmpty)
        #expect(try store.patientKey(place(6)) == Self.wrapped(6))
    }

    @Test func `a removal that is given up leaves the key and nothing to erase`() throws {
        let store = try filled(100)
        #expect(throws: StorageFailure.full) {
            try store.commit { transaction throws(StorageFailure) in
                try transaction.removePatientKey(place(5))
                throw .full
            }
        }
        #expect(try store.patientKey(place(5)) == Self.wrapped(5))
        #expect(try !store.isErasureDue())
    }
}
