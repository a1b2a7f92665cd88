import WardCore
import WardFHIR
import WardKeys
import WardSQLite
import WardStorage

/// In which formats a store is kept, as far as they can be read without keys, beside those of this version.
struct StoreFormats: Sendable {
    struct Line: Sendable {
        let name: String
        /// What the store has.
        let found: Int
        /// What this version makes and reads.
        let known: Int

        var state: String { found == known ? "current" : found < known ? "older" : "newer" }
    }

    let lines: [Line]

    var isCurrent: Bool { lines.allSatisfy { $0.found == $0.known } }
    var newer: Line? { lines.first { $0.found > $0.known } }

    /// Reads a folder's store; nothing is changed.
    static func read(_ folder: DataFolder) throws -> StoreFormats {
        try folder.requireStore()
        let tables = Int(SQLiteStore.currentFormat)
        let store: SQLiteStore
        do throws(StorageFailure) { store = try SQLiteStore(path: folder.database) } catch {
            guard case .unknownFormat(let found) = error else { throw CommandFailure(error.text) }
            // What the rest means only that version knows.
            return StoreFormats(lines: [Line(name: "tables", found: found, known: tables)])
        }
        defer { store.close() }
        var lines = [Line(name: "tables", found: tables, known: tables)]
        let header = try store.metadata(.header).flatMap { (try? JSONTape(parsing: $0))?.root }
        guard let format = header?["format"]?.integer else {
            throw CommandFailure("the store has no readable header; restore it from a backup")
        }
        lines.append(Line(name: "header", found: Int(format), known: StoreHeader.format))
        lines.append(Line(name: "keyring", found: try keyring(of: store), known: Keyring.current))
        return StoreFormats(lines: lines)
    }

    private static func keyring(of store: SQLiteStore) throws -> Int {
        let entry = try store.entry(StoreKeys.place, kind: .keyring)
        guard let bytes = try entry?.sealed ?? StoreKeys.earlierRing(of: store), let format = Keyring.format(of: bytes)
        else { throw CommandFailure("the store has no readable keyring; restore it from a backup") }
        return format
    }

    var json: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("current")
        writer.bool(isCurrent)
        writer.key("formats")
        writer.beginArray()
        for line in lines {
            writer.beginObject()
            writer.member("name", line.name)
            writer.member("found", Int64(line.found))
            writer.member("known", Int64(line.known))
            writer.member("state", line.state)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
