import WardAudit
import WardCore
import WardCrypto
import WardFHIR
public import WardStorage

/// What a drill found.
public struct BackupDrill: Sendable {
    public let backup: Int64
    /// Nil if what was restored is equal to what was stored.
    public let fault: String?
    public let versions: Int64
    public let events: Int64
    public let seconds: Double
    /// What it found and when, with the signature of the store's backup key.
    public let report: String

    public var isGood: Bool { fault == nil }
}

extension Backup {
    /// Writes a whole backup anew, restores it from the destination into a scratch store, and compares.
    ///
    /// The server cannot read its backups; it can read this one, whose key it has not let go of yet. So a drill shows that
    /// what is at the destination is complete, opens and gives an equal store and log, and how long that takes. It does
    /// not show that the printed kit is at hand and right: only a drill with the kit does.
    ///
    /// - Parameter scratch: makes an empty store; it is closed at the end and the caller's to remove.
    public func drill(
        into scratch: @Sendable () throws(BackupFailure) -> any SealedStore,
        progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws(BackupFailure) -> BackupDrill {
        try await requirePlace()
        let made = try await full(isFresh: true) { progress($0, $1 * 2) }
        let began = ContinuousClock.now
        var result = BackupRestore.Report()
        var fault: String?
        do throws(BackupFailure) {
            let store = try scratch()
            defer { store.close() }
            let restore = BackupRestore(reader: reader, opener: .epoch(made.epoch.id, made.epoch.key))
            result = try await restore.run(into: store, only: made.manifest.number) { progress($0 + $1, $1 * 2) }
            fault = try await difference(of: store, from: made.manifest)
        } catch {
            fault = error.text
        }
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        return try await conclude(
            made.manifest.number, fault: fault, versions: result.versions, events: result.events, seconds: seconds)
    }

    /// Writes down a drill, in the log and beside it; also one with the kit, which another process made.
    public func conclude(
        _ number: Int64, fault: String?, versions: Int64, events: Int64, seconds: Double
    ) async throws(BackupFailure) -> BackupDrill {
        var writer = JSONWriter()
        let now = Instant.now()
        writer.beginObject()
        writer.member("drill", now.text)
        writer.member("store", desk.keys.store)
        writer.member("backup", number)
        writer.member("versions", versions)
        writer.member("events", events)
        writer.member("milliseconds", Int64(seconds * 1000))
        writer.member("result", fault ?? "equal")
        writer.endObject()
        guard let signature = desk.keys.signing.sign(Array("ward/backup-drill/1\n".utf8) + writer.bytes) else {
            throw .sealing
        }
        let report =
            String(decoding: writer.bytes, as: UTF8.self) + "\n" + base64(desk.keys.signer) + " " + base64(signature)
        try await desk.note(
            .backupDrilled, fault == nil ? .success : .failed,
            "\(number) \(fault ?? "equal") \(Int64(seconds * 1000)) ms"
        ) { state in
            state.drilled = now
            state.drillWasGood = fault == nil
            state.drillMilliseconds = Int64(seconds * 1000)
            state.drillReport = report
        }
        return BackupDrill(
            backup: number, fault: fault, versions: versions, events: events, seconds: seconds, report: report)
    }

    /// Cuts the restored store into chunks again: they must be those of the backup, one by one.
    private func difference(
        of store: any SealedStore, from manifest: BackupManifest
    ) async throws(BackupFailure) -> String? {
        var expected = manifest.chunks.filter { $0.table != .metadata }[...]
        var fault: String?
        try await StoreChunks(store: store).each { chunk throws(BackupFailure) in
            guard chunk.table != .metadata, fault == nil else { return }
            let id = desk.keys.names.tag([chunk.table.rawValue], chunk.content)
            if expected.popFirst()?.id != id { fault = "the restored store differs in its \(chunk.table)" }
        }
        return fault
            ?? (expected.isEmpty ? nil : "the restored store lacks some of its \(expected.first?.table ?? .leaves)")
    }
}

extension BackupDesk {
    /// Writes down that a backup could not be made, or is overdue.
    public func fail(_ reason: StaticString) async throws(BackupFailure) {
        try await note(.backupFailed, .failed, "\(reason)") { _ in }
    }
}
