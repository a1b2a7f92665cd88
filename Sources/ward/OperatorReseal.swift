import WardAudit
import WardClinic
import WardContinuity
import WardCore
import WardFHIR
import WardPolicy
import WardSQLite
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
        let event = AuditEvent(
            kind: .patientKeysRotated, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: Self.source, decision: "")
        do throws(ResealFailure) {
            try await house.vault.beginResealing(of: patient, as: event)
        } catch {
            // What was cut short in a process of its own goes on there.
            guard error == .unfinished, running == nil else { try await refuse(error, event, patient) }
            reply(.output("goes on with the exchange that was cut short"))
        }
        if running != nil {
            // The server does it by itself, and goes on with it after a restart.
            if request.options["no-wait"] != nil {
                return reply(.output("begun; it goes on in the server: ward keys status"))
            }
            try await wait(reply)
        } else {
            do throws(ResealFailure) {
                try await house.vault.reseal(rest: { _ in true }) { [house] in Self.tell($0, house, reply) }
            } catch {
                throw CommandFailure(error.text)
            }
        }
        try report(request, reply)
    }

    /// Shows how far it is; whoever hangs up does not end it.
    private func wait(_ reply: Reply) async throws {
        while !Task.isCancelled {
            guard let state = try state(), state.isUnfinished else { return }
            Self.tell(state, house, reply)
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private static func tell(_ state: Resealing, _ house: House, _ reply: Reply) {
        let total = max(1, house.vault.lastRecord)
        reply(.progress(done: Int(min(state.position, total)), total: Int(total), what: "versions looked at"))
    }

    private func report(_ request: OperatorRequest, _ reply: Reply) throws {
        guard let state = try state() else { return }
        if request.options["json"] != nil {
            var writer = JSONWriter()
            writer.beginObject()
            try write(state, to: &writer)
            writer.endObject()
            reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
        } else {
            for line in try lines(state) { reply(.output(line)) }
        }
        if !state.faults.isEmpty { reply(.unsound) }
    }

    /// What `ward keys status` says of it; nothing where there never was an exchange.
    func resealingLines() throws -> [String] { try state().map { try lines($0) } ?? [] }

    /// The same as a member of an object.
    func writeResealing(to writer: inout JSONWriter) throws {
        guard let state = try state() else { return }
        writer.key("patientKeys")
        writer.beginObject()
        try write(state, to: &writer)
        writer.endObject()
    }

    private func state() throws -> Resealing? {
        do throws(VaultFailure) { return try house.vault.resealing() } catch {
            throw CommandFailure("what is stored of the exchange of patients' keys cannot be read; run: ward verify")
        }
    }

    private func lines(_ state: Resealing) throws -> [String] {
        let whose = state.patient.map { "of Patient/\($0)" } ?? "of all patients"
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
        if !state.faults.isEmpty {
            lines.append(
                "FAULT  \(state.faults.count) versions do not open; they and their patients' earlier keys stay: "
                    + state.names.prefix(20).joined(separator: ", ") + (state.names.count > 20 ? ", ..." : ""))
        }
        lines.append(
            try house.store.isErasureDue()
                ? "database: a reader holds on to an older state; the earlier keys are written over when it has ended"
                : "database: every place in its files where an earlier key lay is written over")
        lines.append(
            "backups from before \(ended.text) hold the earlier keys, sealed to the recovery kit, until they are let go of")
        return lines
    }

    private func write(_ state: Resealing, to writer: inout JSONWriter) throws {
        if let patient = state.patient { writer.member("patient", patient) }
        writer.member("phase", state.phase.rawValue)
        writer.member("started", state.started.text)
        writer.member("by", state.by)
        writer.member("done", state.position)
        writer.member("total", house.vault.lastRecord)
        writer.member("sealedAnew", state.resealed)
        writer.key("faults")
        writer.beginArray()
        for name in state.names.isEmpty ? state.faults.map({ "record \($0)" }) : state.names { writer.string(name) }
        writer.endArray()
        guard let ended = state.ended else { return }
        writer.member("ended", ended.text)
        writer.key("databaseErased")
        writer.bool(try !house.store.isErasureDue())
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
                    state.faults.isEmpty
                        ? log.info("patients' keys exchanged")
                        : log.error("patients' keys exchanged, but for versions that do not open; see: ward keys status")
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
