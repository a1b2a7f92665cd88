import Glibc
import WardAudit
import WardClinic
import WardContinuity
import WardCore
import WardFHIR
import WardPolicy
import WardSQLite
import WardStorage
import WardVault

/// Destroying patients' keys, and how far each destruction reaches.
extension OperatorService {
    func shred(_ request: OperatorRequest, _ reply: Reply) async throws {
        let parts = (request.options["patient"] ?? "").split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "Patient", Clinic.isID(parts[1]) else {
            throw CommandFailure("the patient is named as Patient/ID")
        }
        guard let basis = request.options["basis"].flatMap(DestructionBasis.init(rawValue:)) else {
            throw CommandFailure("--basis is \(DestructionBasis.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        guard let reason = request.options["reason"], (1...500).contains(reason.count) else {
            throw CommandFailure("--reason has 1 to 500 characters")
        }
        let isDryRun = request.options["dry-run"] != nil
        let actor = try await acting(.manageKeys, request)
        if isDryRun {
            // It opens records, and says whether there is such a patient.
            var look = AuditEvent(
                kind: .auditRead, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
                source: Self.source, decision: "destroyed-keys/dry-run")
            (look.patients, look.query) = ([String(parts[1])], reason)
            _ = try await house.log.append(look)
        }
        let event = AuditEvent(
            kind: .keyDestroyed, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: Self.source, decision: basis.rawValue)
        let done: Shredding
        do throws(ShredFailure) {
            done = try await house.vault.shred(
                String(parts[1]), basis: basis, reason: reason, as: event, at: .now(), isDryRun: isDryRun)
        } catch {
            try await refuse(error, event, String(parts[1]))
        }
        let others = done.others.count
        guard !isDryRun else {
            reply(.output("\(done.records) current records and all versions before them would be unreadable for ever"))
            if others > 0 { reply(.output(Self.others(done.others))) }
            return reply(.output("nothing was destroyed"))
        }
        let isErased = await erased()
        let listed = await list()
        reply(
            .output(
                "destroyed: nobody opens \(done.records) current records and all versions before them again, Ward included"
            ))
        if others > 0 { reply(.output(Self.others(done.others))) }
        reply(.output(isErased ? Self.erasedText : Self.notErasedText))
        reply(
            .output(
                "log: its events about this patient stay, with ids of records, who looked and when, and searches as typed"
            ))
        switch listed {
        case true?: reply(.output("backups: the list for restores is at its place; earlier backups still hold the key"))
        case false?:
            reply(.output("backups: the list for restores could not be written; the next full backup writes it"))
        case nil:
            reply(
                .output("backups: the next one at each place writes the list for restores; earlier ones hold the key"))
        }
        for line in Self.elsewhere { reply(.output(line)) }
        reply(.output("when it is complete: ward keys shred --status"))
    }

    func shredStatus(_ request: OperatorRequest, _ reply: Reply) async throws {
        let event = AuditEvent(
            kind: .auditRead, time: .now(), outcome: .success, actor: try await acting(.manageKeys, request),
            purpose: .systemAdministration, source: Self.source, decision: "destroyed-keys")
        let destructions: [KeyDestruction]
        do throws(VaultFailure) { destructions = try house.vault.destructions() } catch {
            throw CommandFailure("what is stored of destroyed keys cannot be read; run: ward verify")
        }
        _ = try await house.log.append(event)
        _ = await erased()
        let isErased = try !house.store.isErasureDue()
        let place = request.paths.first ?? house.continuous?.path
        let backup = try place == nil ? nil : backup(request)
        for destruction in destructions {
            let holding = try await backup?.holding(
                house.vault.keyID(ofPatient: destruction.patient), destroyedAt: destruction.time, now: .now())
            if request.options["json"] != nil {
                reply(.output(Self.json(destruction, isErased, place, holding)))
                continue
            }
            reply(
                .output(
                    "Patient/\(destruction.patient)  \(destruction.time.text)  by \(destruction.by)  "
                        + "\(destruction.basis.rawValue)  \(destruction.reason)"))
            guard let holding, let place else {
                reply(.output("  backups: not looked at; name their place with --backup"))
                continue
            }
            reply(.output("  backups: \(Self.text(holding, at: place))"))
            if !holding.isListed {
                reply(.output("  backups: the list for restores at \(place) lacks it; the next full backup writes it"))
            }
        }
        guard request.options["json"] == nil else { return }
        guard !destructions.isEmpty else { return reply(.output("no patient's key was destroyed")) }
        reply(.output(isErased ? Self.erasedText : Self.notErasedText))
        for line in Self.elsewhere { reply(.output(line)) }
    }

    /// Writes the list for restores at the server's own place; nil where it has none.
    private func list() async -> Bool? {
        guard let continuous = house.continuous else { return nil }
        do throws(BackupFailure) {
            _ = try await continuous.backup.putDestroyed()
            try await continuous.backup.carry()
            return true
        } catch {
            return false
        }
    }

    /// Whether nothing of a destroyed key is left in the store's own files; waits some seconds for a reader.
    private func erased() async -> Bool {
        for _ in 0..<20 {
            if (try? house.store.erase()) != nil { return true }
            try? await Task.sleep(for: .milliseconds(250))
        }
        return false
    }

    private static let erasedText =
        "database: every place in its file and its write-ahead log where a key lay is written over"
    private static let notErasedText =
        "database: a reader, a backup perhaps, holds on to an older state; what lies in free places of the file is "
        + "written over as soon as it has ended, and at the next start at the latest"
    private static let elsewhere = [
        "memory: the key is forgotten; what was opened with it is overwritten by and by, and gone when the server ends",
        "not known here: standby machines, copies of the folder and of backups, blocks that the drive keeps, files and "
            + "apps that took records out",
    ]

    private static func others(_ names: [String]) -> String {
        let shown = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
        return "records of several patients stay readable, with their histories: \(names.count) (\(shown))"
    }

    static func text(_ holding: Backup.Holding, at place: String) -> String {
        guard let until = holding.until else { return "nothing at \(place) holds the key any more" }
        let numbers = holding.numbers.map(String.init).joined(separator: ", ")
        let what = holding.numbers.isEmpty ? "the stream" : "full backups \(numbers)"
        return "\(what) at \(place) can hold the key, sealed to the recovery kit; the last of it is let go of about "
            + "\(until.text.prefix(10)), if one is made every day"
    }

    private static func json(
        _ destruction: KeyDestruction, _ isErased: Bool, _ place: String?, _ holding: Backup.Holding?
    ) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("patient", destruction.patient)
        writer.member("time", destruction.time.text)
        writer.member("by", destruction.by)
        writer.member("basis", destruction.basis.rawValue)
        writer.member("reason", destruction.reason)
        if let hash = destruction.keyHash { writer.member("key", hash) }
        writer.key("databaseErased")
        writer.bool(isErased)
        if let place, let holding {
            writer.member("backup", place)
            writer.key("heldBy")
            writer.beginArray()
            for number in holding.numbers { writer.number(number) }
            writer.endArray()
            if let until = holding.until { writer.member("heldUntil", until.text) }
            writer.key("listed")
            writer.bool(holding.isListed)
        }
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// That it was tried is in the log before it is answered.
    private func refuse(_ failure: ShredFailure, _ event: AuditEvent, _ patient: String) async throws -> Never {
        var event = event
        event.patients = [patient]
        event.outcome = .denied
        event.decision = failure.code
        if failure == .log(.unknown) {
            let isThere = (try? house.store.patientKey(house.vault.keyID(ofPatient: patient))).flatMap { $0 } != nil
            guard isThere else {
                _ = await list()
                throw CommandFailure(
                    "the commit was not confirmed, by the disk or by the standby: the key is gone as far as this store can "
                        + "tell. see: ward keys shred --status")
            }
        }
        if failure != .log(.log(.storage)) { _ = try await house.log.append(event) }
        throw CommandFailure(failure.text)
    }
}

extension ShredFailure {
    /// For the log.
    fileprivate var code: String {
        switch self {
        case .already: "destroyed-already"
        case .log(.held): "legal-hold"
        case .log(.tooEarly): "retention"
        case .log(.unknown): "unknown"
        case .unknownPatient: "unknown-patient"
        case .log, .vault: "failed"
        }
    }

    fileprivate var text: String {
        switch self {
        case .already: "the key of this patient was destroyed before; see: ward keys shred --status"
        case .unknownPatient: "the store has no key of such a patient"
        case .log(.busy): "a pruning runs, or a hold is being placed; repeat this when it is done"
        case .log(.held): "a legal hold on this patient is in force; nothing is destroyed until it ends"
        case .log(.tooEarly(let last, let years)):
            "something was written of this patient on \(last.text.prefix(10)), and records are kept for \(years) years; "
                + "before that only --basis agreement-ended or required-by-law"
        case .log(.unknown): "the audit log could not be written, so nothing was destroyed"
        case .log(.changed): "somebody else changed this at the same time; repeat it"
        case .log(.log): "the audit log could not be read or written, so nothing was destroyed"
        case .vault(.indexNotReady): "the index is being rebuilt; repeat this when it is done"
        case .vault: "the store could not be read; run: ward verify"
        }
    }
}
