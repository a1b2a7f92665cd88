import WardStorage

extension Connection {
    /// Writes over every place where a removed row of `patient_key` may still lie: its pages and the write-ahead log.
    ///
    /// A row that is gone stays readable in its page, and older copies of it where pages were split. So the table is
    /// written anew and the old one dropped with its pages zeroed; then the write-ahead log, which holds images of pages
    /// from before, is carried into the file and cut to nothing. Costs one pass over the table, about 130 bytes a patient.
    func eraseKeys() throws(StorageFailure) {
        // The table once, the log as often as it takes.
        if try integer("SELECT value = x'01' FROM metadata WHERE key = 'erasure'") == 1 { try rewriteKeys() }
        try truncateLog()
        try execute("UPDATE metadata SET value = x'' WHERE key = 'erasure'")
    }

    private func rewriteKeys() throws(StorageFailure) {
        try execute("PRAGMA secure_delete = ON")
        defer { try? execute("PRAGMA secure_delete = OFF") }
        do throws(StorageFailure) {
            try execute(
                """
                BEGIN IMMEDIATE;
                CREATE TABLE patient_key_next (id BLOB PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
                INSERT INTO patient_key_next SELECT id, wrapped FROM patient_key ORDER BY id;
                DROP TABLE patient_key;
                ALTER TABLE patient_key_next RENAME TO patient_key;
                UPDATE metadata SET value = x'02' WHERE key = 'erasure';
                COMMIT
                """)
        } catch {
            try? execute("ROLLBACK")
            throw error
        }
    }

    /// Carries the write-ahead log into the file and cuts it to nothing.
    ///
    /// Waits shortly for readers: nobody can write meanwhile.
    private func truncateLog() throws(StorageFailure) {
        try execute("PRAGMA busy_timeout = 50")
        defer { try? execute("PRAGMA busy_timeout = 10000") }
        var isBusy = true
        try query("PRAGMA wal_checkpoint(TRUNCATE)") { isBusy = $0.integer(0) != 0 }
        if isBusy { throw .locked }
    }
}
