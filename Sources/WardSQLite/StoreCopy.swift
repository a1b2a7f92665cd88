import Glibc
public import WardStorage

extension SQLiteStore {
    /// Writes all that a store holds into a new file, and holds the copy against it.
    ///
    /// The file appears under its name when it is complete and on the disk; rows are sealed in it as in the store.
    public static func copy(_ path: String, to target: String) throws(StorageFailure) {
        let partial = "\(target).partial"
        unsafe unlink(partial)
        do {
            let connection = try Connection(path: path, readOnly: false)
            try connection.query("VACUUM INTO ?", .text(partial))
        }
        guard try isCopy(partial, of: path) else { throw .corrupt }
        guard isSynced(partial), unsafe rename(partial, target) == 0, isSynced(folder(of: target)) else {
            throw .engine(Int(errno))
        }
    }

    /// Whether a file holds the same rows as a store, no more and no fewer, and its own structure is whole.
    public static func isCopy(_ target: String, of path: String) throws(StorageFailure) -> Bool {
        guard unsafe access(target, R_OK) == 0 else { return false }
        let connection = try Connection(path: path, readOnly: false)
        try connection.query("ATTACH DATABASE ? AS copy", .text(target))
        var isWhole = false
        try connection.query("PRAGMA copy.integrity_check") { isWhole = $0.bytes(0) == Array("ok".utf8) }
        guard isWhole else { return false }
        guard try connection.integer("PRAGMA main.user_version") == connection.integer("PRAGMA copy.user_version")
        else {
            return false
        }
        // A table that nobody compares would be called equal.
        guard
            try connection.integer("SELECT count(*) FROM main.sqlite_schema WHERE type = 'table'")
                == Int64(Self.differences.count)
        else { throw .unknownFormat(Int(try connection.integer("PRAGMA main.user_version") ?? 0)) }
        for query in Self.differences { if try connection.integer(query) != 0 { return false } }
        return true
    }

    /// Whether a file is the same store at an earlier time: all of its log is in the store's.
    public static func isEarlier(_ target: String, than path: String) throws(StorageFailure) -> Bool {
        let connection = try Connection(path: path, readOnly: false)
        try connection.query("ATTACH DATABASE ? AS copy", .text(target))
        return try connection.integer(
            """
            SELECT (SELECT count(*) FROM (SELECT * FROM copy.leaf EXCEPT SELECT * FROM main.leaf))
                + (SELECT count(*) FROM (SELECT * FROM copy.metadata WHERE key IN ('header', 'keyring')
                    EXCEPT SELECT * FROM main.metadata))
            """) == 0
    }

    /// How many rows of a table stand on one side alone.
    private static let differences: [StaticString] = [
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.metadata EXCEPT SELECT * FROM copy.metadata))
            + (SELECT count(*) FROM (SELECT * FROM copy.metadata EXCEPT SELECT * FROM main.metadata))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.version EXCEPT SELECT * FROM copy.version))
            + (SELECT count(*) FROM (SELECT * FROM copy.version EXCEPT SELECT * FROM main.version))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.head EXCEPT SELECT * FROM copy.head))
            + (SELECT count(*) FROM (SELECT * FROM copy.head EXCEPT SELECT * FROM main.head))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.past EXCEPT SELECT * FROM copy.past))
            + (SELECT count(*) FROM (SELECT * FROM copy.past EXCEPT SELECT * FROM main.past))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.card EXCEPT SELECT * FROM copy.card))
            + (SELECT count(*) FROM (SELECT * FROM copy.card EXCEPT SELECT * FROM main.card))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.patient_key EXCEPT SELECT * FROM copy.patient_key))
            + (SELECT count(*) FROM (SELECT * FROM copy.patient_key EXCEPT SELECT * FROM main.patient_key))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.entry EXCEPT SELECT * FROM copy.entry))
            + (SELECT count(*) FROM (SELECT * FROM copy.entry EXCEPT SELECT * FROM main.entry))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.leaf EXCEPT SELECT * FROM copy.leaf))
            + (SELECT count(*) FROM (SELECT * FROM copy.leaf EXCEPT SELECT * FROM main.leaf))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.tile EXCEPT SELECT * FROM copy.tile))
            + (SELECT count(*) FROM (SELECT * FROM copy.tile EXCEPT SELECT * FROM main.tile))
        """,
        """
        SELECT (SELECT count(*) FROM (SELECT * FROM main.audit_segment EXCEPT SELECT * FROM copy.audit_segment))
            + (SELECT count(*) FROM (SELECT * FROM copy.audit_segment EXCEPT SELECT * FROM main.audit_segment))
        """,
    ]

    private static func isSynced(_ path: String) -> Bool {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { _ = Glibc.close(descriptor) }
        return fsync(descriptor) == 0
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
