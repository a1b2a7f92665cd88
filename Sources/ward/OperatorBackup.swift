import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardFHIR
import WardPolicy

/// Backups, where the store is.
extension OperatorService {
    /// The one that the server keeps, or one at the folder that was named.
    func backup(_ request: OperatorRequest) throws -> Backup {
        guard let path = request.paths.first else {
            guard let continuous = house.continuous else {
                throw CommandFailure("name the backup's folder with --backup; the server keeps none by itself")
            }
            return continuous.backup
        }
        if isOwn(path), let continuous = house.continuous { return continuous.backup }
        let choice = try BackupChoice(
            path, credentials: request.options["backupCredentials"],
            lockDays: request.options["backupLockDays"].flatMap { Int($0) }, outside: house.folder)
        // Beside the one that the server keeps it is a copy, and the store goes on expecting its own.
        return Backup(
            of: house.store, desk: house.backups, to: choice.place(house.broker), stream: nil,
            place: house.continuous == nil ? choice.name : nil)
    }

    private func isOwn(_ path: String) -> Bool {
        house.continuous.map { DataFolder.canonical($0.path) == DataFolder.canonical(path) } ?? false
    }

    func adoptKit(_ request: OperatorRequest) async throws {
        guard let bytes = request.options["recipient"].flatMap(base64Decoded),
            let recipient = RecoveryRecipient(bytes: bytes)
        else { throw CommandFailure("a kit's public key is needed") }
        try await house.backups.adopt(
            recipient, by: try await acting(.administer, request), source: Self.source)
    }

    func backUp(_ request: OperatorRequest, _ reply: @escaping Reply) async throws {
        let made = try await backup(request).full { done, total in
            reply(.progress(done: Int(done), total: Int(total), what: "bytes looked at"))
        }
        reply(
            .output(
                "backup \(made.manifest.number): \(made.manifest.versions) stored versions, \(made.manifest.logSize) events; "
                    + "\(made.newBytes) of \(made.manifest.size) bytes were new"))
    }

    func listBackups(_ request: OperatorRequest, _ reply: Reply) async throws {
        for manifest in try await backup(request).reader.list() {
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("number", manifest.number)
                writer.member("made", manifest.made.text)
                writer.member("versions", manifest.versions)
                writer.member("events", manifest.logSize)
                writer.member("bytes", manifest.size)
                writer.member("kit", hex(manifest.recipient))
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                reply(
                    .output(
                        "\(manifest.number)  \(manifest.made.text)  \(manifest.versions) versions  \(manifest.logSize) events  "
                            + "\(manifest.size) bytes  kit \(hex(manifest.recipient))"))
            }
        }
    }

    func verifyBackup(_ request: OperatorRequest, _ reply: @escaping Reply) async throws {
        let backup = try backup(request)
        // One somewhere else need not hold the newest that this store knows of.
        let expects = house.continuous == nil || (request.paths.first.map(isOwn) ?? true)
        let found = try await backup.reader.verify(expected: expects ? house.backups.state : nil) { done, total in
            reply(.progress(done: done, total: total, what: "chunks verified"))
        }
        // A list that lacks a destruction would let a restore bring that patient back.
        let unlisted = try await backup.destroyedFaults()
        for fault in found.faults + unlisted { reply(.output("FAULT  \(fault.text)")) }
        reply(
            .output(
                "\(found.backups) full backups, \(found.chunks) chunks and \(found.segments) parts of the stream are as written "
                    + "(\(found.bytes) bytes)"))
        if let upTo = found.upTo { reply(.output("can be restored up to \(upTo.text)")) }
        if !found.isWhole || !unlisted.isEmpty { reply(.unsound) }
    }

    func backupStatus(_ request: OperatorRequest, _ reply: Reply) throws {
        let state = house.backups.state
        let stream = house.continuous?.stream
        let newest = [state.made, stream?.upToDate].compactMap { $0 }.max()
        let age = newest.map { max(0, Instant.now().microseconds - $0.microseconds) / 1_000_000 }
        let isGood =
            house.backups.recipient != nil && (age ?? .max) < 86_400 && (state.drilled == nil || state.drillWasGood)
        if request.options["json"] != nil {
            var writer = JSONWriter()
            writer.beginObject()
            if let recipient = house.backups.recipient { writer.member("kit", hex(recipient.fingerprint)) }
            writer.member("full", state.number)
            if let made = state.made { writer.member("made", made.text) }
            if let upTo = stream?.upToDate { writer.member("continuousUpTo", upTo.text) }
            if let stream { writer.member("waitingBytes", Int64(stream.waitingBytes)) }
            if let age { writer.member("ageSeconds", age) }
            if let drilled = state.drilled { writer.member("drilled", drilled.text) }
            if state.drilled != nil {
                writer.key("drillWasGood")
                writer.bool(state.drillWasGood)
            }
            writer.key("good")
            writer.bool(isGood)
            writer.endObject()
            reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
        } else {
            reply(
                .output(
                    "kit              \(house.backups.recipient.map { hex($0.fingerprint) } ?? "none; make one with: ward backup kit")"
                ))
            reply(.output("full backup      \(state.made.map { "\(state.number), \($0.text)" } ?? "none")"))
            let waits = stream.map { ", \($0.waitingBytes) bytes wait" } ?? ""
            reply(
                .output(
                    "continuous       \(stream == nil ? "no server with --backup runs" : (stream?.upToDate.map { "up to \($0.text)" } ?? "not yet") + waits)"
                ))
            reply(
                .output(
                    "last drill       \(state.drilled.map { "\($0.text), \(state.drillWasGood ? "equal" : "FAILED")" } ?? "none")"
                ))
            if age ?? .max >= 86_400 {
                reply(.output("OVERDUE          the newest backup is older than 24 hours, or there is none"))
            }
            if !state.drillReport.isEmpty, request.options["report"] != nil { reply(.output(state.drillReport)) }
        }
        if !isGood { reply(.unsound) }
    }

    func drill(_ request: OperatorRequest, _ reply: @escaping Reply) async throws {
        let drill = try await DrillScratch(house).run(try backup(request)) { done, total in
            reply(.progress(done: Int(done), total: Int(total), what: "bytes drilled"))
        }
        report(drill, reply)
    }

    private func report(_ drill: BackupDrill, _ reply: Reply) {
        if let fault = drill.fault {
            reply(.output("FAULT  \(fault)"))
            return reply(.unsound)
        }
        reply(
            .output(
                "backup \(drill.backup) restored in \(Int64(drill.seconds * 1000)) ms: \(drill.versions) stored versions and "
                    + "\(drill.events) events, equal"))
        reply(.output("not shown: that the printed kit is at hand and right (ward backup drill --kit)"))
    }

    /// Writes down a drill with the kit, which another process carried out.
    func concludeDrill(_ request: OperatorRequest) async throws {
        let backup = try backup(request)
        guard let number = request.options["backup"].flatMap({ Int64($0) }),
            let versions = request.options["versions"].flatMap({ Int64($0) }),
            let events = request.options["events"].flatMap({ Int64($0) }),
            let milliseconds = request.options["milliseconds"].flatMap({ Int64($0) })
        else { throw CommandFailure("the drill's result is not complete") }
        _ = try await backup.conclude(
            number, fault: request.options["fault"], versions: versions, events: events,
            seconds: Double(milliseconds) / 1000)
    }
}
