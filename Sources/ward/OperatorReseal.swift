import WardAudit
import WardClinic
import WardContinuity
import WardCore
import WardFHIR
import WardPolicy
import WardSQLite
import WardStorage
import WardTelemetry
import WardVault

/// Other keys for patients, and everything of theirs sealed anew under them.
extension OperatorService {
    func rotatePatientKeys(_ request: OperatorRequest, _ reply: @escaping Reply) async throws {
        let actor = try await acting(.manageKeys, request)
        let patient = try request.options["patient"].map { name in
            let id = name.hasPrefix("Patient/") ? Substring(name.dropFirst(8)) : Substring(name)
            guard Clinic.isID(id) else { throw CommandFailure("--patient is an id, or Patient/ID") }
            return String(id)
        }
        var event = AuditEvent(
            kind: .patientKeysRotated, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: Self.source, decision: "")
        do throws(ResealFailure) {
            try await house.vault.beginResealing(of: patient, as: event)
        } catch {
            // What was cut short in a process of its own goes on there.
            guard error == .unfinished, running == nil, let known = try state() else {
                try await refuse(error, event, patient)
            }
            reply(.output("goes on with the exchange that was cut short"))
            if known.patient != patient {
                // Not the one that was asked for, which comes after it.
                try await carryOn(reply)
                try await report(request, reply)
                event.time = .now()
                do throws(ResealFailure) { try await house.vault.beginResealing(of: patient, as: event) } catch {
                    try await refuse(error, event, patient)
                }
            }
        }
        if running != nil {
            // The server does it by itself, and goes on with it after a restart.
            if request.options["no-wait"] != nil {
                return reply(.output("begun; it goes on in the server: ward keys status"))
            }
            try await wait(reply)
        } else {
            try await carryOn(reply)
        }
        try await report(request, reply)
    }

    private func carryOn(_ reply: @escaping Reply) async throws {
        do throws(ResealFailure) {
            try await house.vault.reseal(rest: { _ in true }) { [house] in Self.tell($0, house, reply) }
        } catch {
            throw CommandFailure(error.text)
        }
    }

    /// Shows how far it is; whoever hangs up does not end it.
    private func wait(_ reply: Reply) async throws {
        while !Task.isCancelled {
            guard let state = try state(), state.isUnfinished else { break }
            Self.tell(state, house, reply)
            // The log comes back by itself, or the server ends.
            if let failure = house.vault.resealingFailure, failure != .log { throw CommandFailure(failure.text) }
            try await Task.sleep(for: .milliseconds(500))
        }
        // Written over by the server a moment later, unless a reader is in the way.
        for _ in 0..<30 where try house.store.isErasureDue() { try await Task.sleep(for: .milliseconds(200)) }
    }

    private static func tell(_ state: Resealing, _ house: House, _ reply: Reply) {
        let total = max(1, house.vault.lastRecord)
        reply(.progress(done: Int(min(state.position, total)), total: Int(total), what: "versions looked at"))
    }

    private func report(_ request: OperatorRequest, _ reply: Reply) async throws {
        guard let state = try state() else { return }
        if request.options["json"] != nil {
            var writer = JSONWriter()
            writer.beginObject()
            try await write(state, isConfirmed: true, to: &writer)
            writer.endObject()
            reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
        } else {
            for line in try await lines(state, isConfirmed: true) { reply(.output(line)) }
        }
        if state.hasFaults { reply(.unsound) }
    }

    /// What `ward keys status` says of it; nothing where there never was an exchange.
    func resealingLines() async throws -> [String] {
        guard let state = try state() else { return [] }
        return try await lines(state, isConfirmed: false)
    }

    /// The same as a member of an object.
    func writeResealing(to writer: inout JSONWriter) async throws {
        guard let state = try state() else { return }
        writer.key("patientKeys")
        writer.beginObject()
        try await write(state, isConfirmed: false, to: &writer)
        writer.endObject()
    }

    private func state() throws -> Resealing? {
        do throws(VaultFailure) { return try house.vault.resealing() } catch {
            throw CommandFailure("what is stored of the exchange of patients' keys cannot be read; run: ward verify")
        }
    }

    /// - Parameter isConfirmed: whether somebody who may keep keys asks; nobody else is told who it is about.
    private func lines(_ state: Resealing, isConfirmed: Bool) async throws -> [String] {
        let whose = state.patient.map { isConfirmed ? "of Patient/\($0)" : "of one patient" } ?? "of all patients"
        guard let ended = state.ended else {
            return [
                "patients' keys: exchange \(whose) under way since \(state.started.text), by \(state.by): "
                    + "\(state.phase.rawValue), \(state.position) of \(house.vault.lastRecord) versions looked at, "
                    + "\(state.resealed) sealed anew"
            ]
        }
        var lines = [
            "patients' keys: exchanged \(whose) \(state.started.text) to \(ended.text), by \(state.by): "
                + "\(state.resealed) versions sealed anew"
        ]
        let isFull = state.faults.count >= Resealing.mostFaults
        if state.hasFaults {
            let names = state.names.prefix(20).joined(separator: ", ") + (state.names.count > 20 ? ", ..." : "")
            let what = [
                state.faults.isEmpty ? nil : "\(isFull ? "at least " : "")\(state.faults.count) versions",
                state.keyFaults == 0 ? nil : "\(state.keyFaults) patients' keys",
            ].compactMap { $0 }.joined(separator: " and ")
            let kept = state.keepsAll ? "; no earlier key was removed" : " and their patients' earlier keys stay"
            lines.append(
                "FAULT  \(what) do not open; they\(state.keepsAll ? " stay" : "")\(kept)"
                    + (isConfirmed ? ": \(names)" : "; ward verify names them"))
        }
        if !state.keepsAll {
            let but = state.hasFaults ? ", except those of the patients above," : ""
            lines.append(
                try house.store.isErasureDue()
                    ? "database: a reader holds on to an older state; the earlier keys\(but) are written over when it has ended"
                    : "database: every place in its files where an earlier key lay\(but) is written over")
        }
        if let (place, holding) = await held(since: state) {
            lines.append("backups: \(Self.text(holding, at: place))")
        }
        lines.append(
            "backups from before \(ended.text) hold the earlier keys, sealed to the recovery kit, until they are let go of"
        )
        return lines
    }

    private func write(_ state: Resealing, isConfirmed: Bool, to writer: inout JSONWriter) async throws {
        writer.member("scope", state.patient == nil ? "all" : "one")
        if isConfirmed, let patient = state.patient { writer.member("patient", patient) }
        writer.member("phase", state.phase.rawValue)
        writer.member("started", state.started.text)
        writer.member("by", state.by)
        writer.member("done", state.position)
        writer.member("total", house.vault.lastRecord)
        writer.member("sealedAnew", state.resealed)
        writer.member("faults", state.faults.count)
        writer.member("keyFaults", state.keyFaults)
        if isConfirmed {
            writer.key("names")
            writer.beginArray()
            for name in state.names { writer.string(name) }
            writer.endArray()
        }
        guard let ended = state.ended else { return }
        writer.member("ended", ended.text)
        writer.key("databaseErased")
        writer.bool(try !state.hasFaults && !house.store.isErasureDue())
        writer.key("keepsAll")
        writer.bool(state.keepsAll)
        guard let (place, holding) = await held(since: state) else { return }
        writer.member("backup", place)
        writer.key("heldBy")
        writer.beginArray()
        for number in holding.numbers { writer.number(number) }
        writer.endArray()
        if let until = holding.until { writer.member("heldUntil", until.text) }
    }

    /// Which of the backups that the server keeps still hold the earlier keys, and until when.
    private func held(since state: Resealing) async -> (place: String, holding: Backup.Holding)? {
        guard let ended = state.ended, let continuous = house.continuous else { return nil }
        let id = state.patient.map { house.vault.keyID(ofPatient: $0) } ?? .none
        guard let holding = try? await continuous.backup.holding(id, destroyedAt: ended, now: .now()) else {
            return nil
        }
        return (continuous.path, holding)
    }

    /// That it was tried is in the log before it is answered.
    private func refuse(_ failure: ResealFailure, _ event: AuditEvent, _ patient: String?) async throws -> Never {
        var event = event
        event.patients = patient.map { [$0] } ?? []
        event.outcome = .denied
        event.decision = failure.code
        if failure != .log { _ = try await house.log.append(event) }
        throw CommandFailure(failure.text)
    }
}

extension ResealFailure {
    /// For the log.
    fileprivate var code: String {
        switch self {
        case .destroyed: "destroyed"
        case .unfinished: "under-way"
        case .unknownPatient: "unknown-patient"
        case .log, .vault: "failed"
        }
    }

    fileprivate var text: String {
        switch self {
        case .destroyed: "the key of this patient was destroyed; see: ward keys shred --status"
        case .log: "the audit log cannot be written; the exchange goes on from where it is as soon as it can be"
        case .unfinished: "an exchange of patients' keys is under way; see: ward keys status"
        case .unknownPatient: "the store has no key of such a patient"
        case .vault: "the store could not be read; run: ward verify"
        }
    }
}

/// Carries an exchange of patients' keys on while the server runs, also one from before its start.
struct ResealService: Sendable {
    let house: House
    let log: OperationalLog
    private let stop = StopSign()

    /// What waits for the backup is let shrink first when it is more than this.
    private static let waiting = 32 << 20

    init(house: House, log: OperationalLog) {
        self.house = house
        self.log = log
    }

    /// Asks it to stop after the step that runs.
    func end() { stop.set() }

    /// Runs until it is cancelled.
    func run() async {
        var isTold = false
        while !Task.isCancelled {
            do throws(ResealFailure) {
                if let state = try await house.vault.reseal(rest: rest), !state.isUnfinished {
                    state.hasFaults
                        ? log.error(
                            "patients' keys exchanged, but for versions that do not open; see: ward keys status")
                        : log.info("patients' keys exchanged")
                    isTold = false
                }
            } catch {
                if !isTold { log.error("the exchange of patients' keys waits; it is tried again") }
                isTold = true
            }
            try? await Task.sleep(for: isTold ? .seconds(5) : .milliseconds(500))
        }
    }

    /// Rests at least as long as it works, and while backups lag behind; false to stop.
    private func rest(_ worked: Duration) async -> Bool {
        var pause = min(worked, .seconds(1))
        repeat {
            guard !stop.isSet(), !Task.isCancelled, (try? await Task.sleep(for: pause)) != nil else { return false }
            pause = .milliseconds(200)
        } while (house.continuous?.stream.waitingBytes ?? 0) > Self.waiting || !house.keys.areHeld
        return !stop.isSet()
    }
}
