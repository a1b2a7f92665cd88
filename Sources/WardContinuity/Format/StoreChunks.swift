import WardCore
import WardStorage

/// Cuts a store into chunks such that what did not change gives the same chunks again.
///
/// Versions and leaves are cut at fixed numbers, entries and keys by the start of their random ids; so a change moves no
/// boundary but its own.
struct StoreChunks {
    /// One chunk's rows.
    struct Chunk {
        let table: BackupTable
        /// The first record number or index in it; 0 for what has none.
        let first: Int64
        let content: [UInt8]
        /// Of numbered tables.
        var rowCount: Int64 = 0
    }

    let store: any SealedStore

    /// Rows of the numbered tables that a chunk holds at most: its boundaries are their multiples.
    static let rows: Int64 = 1024
    /// A chunk is cut after this much.
    static let size = 2 << 20

    /// Reads everything once, in the order of ``BackupTable``.
    func each(_ body: (Chunk) async throws(BackupFailure) -> Void) async throws(BackupFailure) {
        try await metadata(body)
        try await numbered(.versions, body) { number throws(StorageFailure) in
            try store.versions(after: RecordNumber(number - 1), limit: 256).map {
                ($0.record.value, .version($0, card: nil))
            }
        }
        try await cards(body)
        try await numbered(.leaves, body) { number throws(StorageFailure) in
            try store.leaves(from: max(number, 0), limit: 512).map { ($0.index, .leaf($0)) }
        }
        try await auditChunks(body)
        try await keys(body)
        try await entries(body)
    }

    private typealias Body = (Chunk) async throws(BackupFailure) -> Void

    private func metadata(_ body: Body) async throws(BackupFailure) {
        var writer = ByteWriter()
        for key in MetadataKey.allCases where key != .restoration && key != .standby {
            let value = try reading { () throws(StorageFailure) in try store.metadata(key) }
            if let value { StoreChange.metadata(key, value).write(to: &writer) }
        }
        try await body(Chunk(table: .metadata, first: 0, content: writer.bytes))
    }

    /// Rows that have numbers, read in pages.
    private func numbered(
        _ table: BackupTable, _ body: Body,
        page: (Int64) throws(StorageFailure) -> [(number: Int64, change: StoreChange)]
    ) async throws(BackupFailure) {
        var rows = Rows(table: table)
        var next: Int64 = 0
        while true {
            let found = try reading { () throws(StorageFailure) in try page(next) }
            guard let last = found.last else { break }
            for (number, change) in found {
                if let full = rows.add(number) { try await body(full) }
                change.write(to: &rows.writer)
            }
            next = last.number + 1
        }
        if let rest = rows.take() { try await body(rest) }
    }

    private func cards(_ body: Body) async throws(BackupFailure) {
        var rows = Rows(table: .cards)
        var last = RecordNumber(0)
        while true {
            let found = try reading { () throws(StorageFailure) in try store.cards(after: last, limit: 512) }
            guard let end = found.last else { break }
            for card in found {
                if let full = rows.add(card.record.value) { try await body(full) }
                rows.writer.number(card.record.value)
                rows.writer.blob(card.card)
            }
            last = end.record
        }
        if let rest = rows.take() { try await body(rest) }
    }

    private func auditChunks(_ body: Body) async throws(BackupFailure) {
        var segment: Int64 = 0
        // A segment without its first chunk is not there yet, and is built again from the leaves.
        while let first = try chunk(segment, 0) {
            var writer = ByteWriter()
            var (sealed, number): ([UInt8]?, Int64) = (first, 0)
            while let bytes = sealed {
                StoreChange.auditChunk(segment: segment, chunk: number, sealed: bytes).write(to: &writer)
                number += 1
                sealed = try chunk(segment, number)
            }
            try await body(Chunk(table: .auditChunks, first: segment, content: writer.bytes))
            segment += 1
        }
    }

    private func chunk(_ segment: Int64, _ number: Int64) throws(BackupFailure) -> [UInt8]? {
        try reading { () throws(StorageFailure) in try store.auditChunk(segment: segment, chunk: number) }
    }

    private func keys(_ body: Body) async throws(BackupFailure) {
        var keys: [(id: Locator, change: StoreChange)] = []
        try reading { () throws(StorageFailure) in
            try store.eachPatientKey { keys.append(($0, .patientKey($0, wrapped: $1))) }
        }
        try await scattered(.patientKeys, keys, body)
    }

    private func entries(_ body: Body) async throws(BackupFailure) {
        for kind in EntryKind.allCases {
            let entries = try reading { () throws(StorageFailure) in try store.entries(kind) }
            try await scattered(.entries, entries.map { ($0.id, .entry($0, kind)) }, body)
        }
    }

    /// Rows by the start of their ids, about 256 a chunk.
    private func scattered(
        _ table: BackupTable, _ rows: [(id: Locator, change: StoreChange)], _ body: Body
    ) async throws(BackupFailure) {
        let bits = max(0, (rows.count / 256).bitWidth - (rows.count / 256).leadingZeroBitCount)
        var writer = ByteWriter()
        var bucket: UInt64?
        for (id, change) in rows.sorted(by: { ($0.id.high, $0.id.low) < ($1.id.high, $1.id.low) }) {
            let own = bits == 0 ? 0 : id.high >> UInt64(64 - bits)
            if bucket != nil, own != bucket {
                try await body(Chunk(table: table, first: 0, content: writer.bytes))
                writer.clear()
            }
            bucket = own
            change.write(to: &writer)
        }
        if bucket != nil { try await body(Chunk(table: table, first: 0, content: writer.bytes)) }
    }

    private func reading<Result>(_ work: () throws(StorageFailure) -> Result) throws(BackupFailure) -> Result {
        do throws(StorageFailure) { return try work() } catch { throw .store }
    }

    /// The chunk that is being filled.
    private struct Rows {
        let table: BackupTable
        var writer = ByteWriter()
        private var first: Int64?
        private var count: Int64 = 0

        init(table: BackupTable) {
            self.table = table
        }

        /// Makes room for a row; answers the chunk that ends before it.
        mutating func add(_ number: Int64) -> Chunk? {
            var full: Chunk?
            if let first,
                number / StoreChunks.rows != first / StoreChunks.rows || writer.bytes.count >= StoreChunks.size
            {
                full = take()
            }
            first = first ?? number
            count += 1
            return full
        }

        mutating func take() -> Chunk? {
            guard let first else { return nil }
            defer {
                writer.clear()
                self.first = nil
                count = 0
            }
            return Chunk(table: table, first: first, content: writer.bytes, rowCount: count)
        }
    }
}
