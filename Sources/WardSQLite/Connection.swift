internal import CSQLite
import WardCore
import WardStorage

/// One connection with its prepared statements; one thread at a time.
///
/// SQLite is opened without its own mutexes. `Sendable` by hand: ``SQLiteStore`` keeps each connection behind a mutex
/// or in a pool from which one caller at a time takes it.
@safe
final class Connection: @unchecked Sendable {
    private var handle: OpaquePointer?
    /// By the address of the statement's text, which is a constant of the program.
    private var statements: [Int: Statement] = [:]

    init(path: String, readOnly: Bool) throws(StorageFailure) {
        let flags = (readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX
        let code = unsafe sqlite3_open_v2(path, &handle, flags, nil)
        // Every property is set by now, so a throw runs `deinit`, which closes the half-open handle: once.
        guard code == SQLITE_OK else { throw failure(code) }
        // Readers too: opening and closing in WAL mode takes exclusive locks for a moment.
        unsafe sqlite3_busy_timeout(handle, 10_000)
        unsafe sqlite3_extended_result_codes(handle, 1)
    }

    deinit {
        for statement in statements.values { unsafe sqlite3_finalize(statement.handle) }
        unsafe sqlite3_close_v2(handle)
    }

    /// Runs statements without results; only for fixed text.
    func execute(_ sql: StaticString) throws(StorageFailure) {
        let code = unsafe sqlite3_exec(handle, "\(sql)", nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code) }
    }

    /// The first column of the first row as an integer; for pragmas.
    func integer(_ sql: StaticString) throws(StorageFailure) -> Int64? {
        var result: Int64?
        try query(sql) { row throws(StorageFailure) in result = row.integer(0) }
        return result
    }

    /// Binds, steps through all rows, resets.
    func query(
        _ sql: StaticString, _ values: SQLValue..., row body: (Row) throws(StorageFailure) -> Void = { _ in }
    ) throws(StorageFailure) {
        try run(sql, values) { row throws(StorageFailure) in
            try body(row)
            return true
        }
    }

    /// Rows for as long as `body` wants more.
    func query(
        _ sql: StaticString, _ values: SQLValue..., until body: (Row) throws(StorageFailure) -> Bool
    ) throws(StorageFailure) {
        try run(sql, values, body)
    }

    private func run(
        _ sql: StaticString, _ values: [SQLValue], _ body: (Row) throws(StorageFailure) -> Bool
    ) throws(StorageFailure) {
        let statement = unsafe try prepared(sql).handle
        defer {
            unsafe sqlite3_reset(statement)
            unsafe sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() {
            let code = unsafe bind(value, Int32(index + 1), statement)
            guard code == SQLITE_OK else { throw failure(code) }
        }
        while true {
            let code = unsafe sqlite3_step(statement)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw failure(code) }
            guard try body(unsafe Row(statement: statement)) else { return }
        }
    }

    private func prepared(_ sql: StaticString) throws(StorageFailure) -> Statement {
        let address = unsafe Int(bitPattern: sql.utf8Start)
        if let known = statements[address] { return known }
        var prepared: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(handle, "\(sql)", -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared = unsafe prepared else { throw failure(code) }
        let statement = unsafe Statement(handle: prepared)
        statements[address] = statement
        return statement
    }

    private func bind(_ value: SQLValue, _ index: Int32, _ statement: OpaquePointer) -> Int32 {
        switch value {
        case .integer(let integer): unsafe sqlite3_bind_int64(statement, index, integer)
        case .text(let text): unsafe ward_bind_text(statement, index, text)
        case .bytes(let bytes):
            unsafe bytes.withUnsafeBytes { buffer in
                unsafe ward_bind_bytes(statement, index, buffer.baseAddress, Int32(buffer.count))
            }
        }
    }
}

@safe
private struct Statement {
    let handle: OpaquePointer
}

enum SQLValue {
    case bytes([UInt8])
    case integer(Int64)
    case text(String)

    static func locator(_ locator: Locator) -> SQLValue { .bytes(locator.bytes) }
}

/// The row a statement stands on; valid inside the closure it is lent to.
@safe
struct Row {
    private let statement: OpaquePointer

    init(statement: OpaquePointer) {
        unsafe self.statement = statement
    }

    func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(statement, column) }

    func bytes(_ column: Int32) -> [UInt8] {
        let count = Int(unsafe sqlite3_column_bytes(statement, column))
        guard count > 0, let start = unsafe sqlite3_column_blob(statement, column) else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    func locator(_ column: Int32) throws(StorageFailure) -> Locator {
        guard let locator = Locator(bytes: bytes(column)) else { throw .corrupt }
        return locator
    }
}

/// Engine codes to failures; messages are never read, since they quote values.
func failure(_ code: Int32) -> StorageFailure {
    // SQLITE_IOERR_SHMSIZE: the index of the write-ahead log could not grow, which is a full disk too.
    if code == SQLITE_IOERR | 19 << 8 { return .full }
    return switch code & 0xFF {
    case SQLITE_FULL: .full
    case SQLITE_CORRUPT, SQLITE_NOTADB: .corrupt
    case SQLITE_BUSY, SQLITE_LOCKED: .locked
    case SQLITE_MISUSE: .closed
    default: .engine(Int(code))
    }
}
