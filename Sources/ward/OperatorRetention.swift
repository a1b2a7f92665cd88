import Glibc
import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardPolicy

/// Retention, legal holds, discovery and the clock: what an administrator does with the log itself.
extension OperatorService {
    /// The event of an administrator's act on the log, once policy permits it.
    ///
    /// A client of role administrator, or a person who confirms it with a code (`--as`), whose roles must include it.
    private func administered(_ request: OperatorRequest) async throws -> AuditEvent {
        if request.options["as"] != nil {
            return AuditEvent(
                kind: .storeVerified, time: .now(), outcome: .success, actor: try await acting(.administer, request),
                purpose: .systemAdministration, source: Self.source, decision: "confirmed")
        }
        let principal = try await principal(request)
        do throws(GateFailure) {
            let grant = try await house.gate.authorize(
                Administer.self, on: .store, principal: principal, source: Self.source)
            return grant.event(.success, time: .now())
        } catch {
            throw CommandFailure(ClinicAnswer(error).sentence)
        }
    }

    // MARK: Retention

    func retention(_ request: OperatorRequest, _ reply: Reply) async throws {
        if let years = request.options["years"].flatMap({ Int64($0) }) {
            let event = try await administered(request)
            do throws(RetentionFailure) {
                try await house.log.setRetention(years: years, as: event)
            } catch {
                throw CommandFailure(error.text)
            }
        }
        reply(.output("events are kept for \(try house.log.retentionYears()) years"))
    }

    func prune(_ request: OperatorRequest, _ reply: Reply) async throws {
        guard let day = request.options["before"].flatMap(CalendarDay.init(text:)) else {
            throw CommandFailure("--before is YYYY-MM-DD")
        }
        let isDryRun = request.options["dry-run"] != nil
        let event = try await administered(request)
        let report: PruneReport
        let total = Int(house.log.checkpoint.size)
        do throws(RetentionFailure) {
            report = try await house.log.prune(
                before: day, at: .now(), as: event, isDryRun: isDryRun,
                progress: { reply(.progress(done: min(Int($0), total), total: total, what: "events looked at")) })
        } catch {
            throw CommandFailure(error.text)
        }
        reply(.output("\(report.pruned) events' contents \(isDryRun ? "would be" : "are") let go of"))
        reply(.output("\(report.keptForStore) as old stay: the records and accounts that are stored rest on them"))
        if report.keptByHold > 0 { reply(.output("\(report.keptByHold) as old stay under a legal hold")) }
        reply(.output("every leaf stays: proofs and checkpoints remain valid"))
    }

    // MARK: Legal holds

    func placeHold(_ request: OperatorRequest) async throws {
        guard let patient = request.options["patient"], Clinic.isID(patient) else {
            throw CommandFailure("--patient is a patient's id")
        }
        guard let reason = request.options["reason"], (1...500).contains(reason.count) else {
            throw CommandFailure("--reason has 1 to 500 characters")
        }
        let event = try await administered(request)
        do throws(RetentionFailure) {
            try await house.log.placeHold(on: patient, reason: reason, as: event)
        } catch {
            throw CommandFailure(error == .holdUnchanged ? "a hold of this patient is in force already" : error.text)
        }
    }

    func endHold(_ request: OperatorRequest) async throws {
        let event = try await administered(request)
        do throws(RetentionFailure) {
            try await house.log.endHold(on: request.options["patient"] ?? "", as: event)
        } catch {
            throw CommandFailure(error == .holdUnchanged ? "there is no hold of this patient" : error.text)
        }
    }

    func listHolds(_ request: OperatorRequest, _ reply: Reply) async throws {
        var event = try await administered(request)
        event.kind = .auditRead
        event.decision = "legal-holds"
        _ = try await house.log.append(event)
        for hold in try house.log.holds() {
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("patient", hold.patient)
                writer.member("reason", hold.reason)
                writer.member("since", hold.since.text)
                writer.member("by", hold.by)
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                reply(.output("\(hold.patient)  since \(hold.since.text)  by \(hold.by)  \(hold.reason)"))
            }
        }
    }

    // MARK: Discovery

    func discover(_ request: OperatorRequest, _ reply: Reply) async throws {
        guard let patient = request.options["patient"], Clinic.isID(patient), let folder = request.paths.first else {
            throw CommandFailure("--patient is a patient's id")
        }
        let principal = try await principal(request)
        var event: AuditEvent
        do throws(GateFailure) {
            let grant = try await house.gate.authorize(
                ReadAudit.self, on: .store, principal: principal, source: Self.source)
            event = grant.event(.success, time: .now())
        } catch {
            throw CommandFailure(ClinicAnswer(error).sentence)
        }
        let path = "\(folder)/discovery.ndjson"
        guard !PrivateFile.exists(path) else { throw CommandFailure("\(path) is there already") }
        let found = try house.log.discover(patient: patient)
        // That it leaves is in the log before it does.
        event.kind = .auditExported
        event.patients = [patient]
        _ = try await house.log.append(event)
        do throws(FileFailure) {
            try PrivateFile.makeFolder(folder)
            try PrivateFile.replace(path, Array(found.lines.joined(separator: [0x0A])) + [0x0A])
        } catch {
            throw CommandFailure("\(path) cannot be written")
        }
        reply(.output("\(found.events.count) events with proofs in \(path)"))
        if found.pruned > 0 { reply(.output("\(found.pruned) more were let go of after their retention")) }
        reply(.output("check it with: tools/verify_discovery.py \(path) --key '\(found.verifierKey)'"))
    }

    // MARK: Clock

    func acceptClock(_ request: OperatorRequest, _ reply: Reply) async throws {
        if request.options["accept"] != nil {
            let event = try await administered(request)
            try await house.log.acceptClock(by: event.actor, purpose: event.purpose, source: event.source)
        }
        let now = Instant.now().text
        reply(
            .output(
                house.log.isClockBehind()
                    ? "\(now): behind the newest event; nothing about records is answered"
                    : "\(now): not behind the log"))
    }
}

extension CalendarDay {
    /// Reads `YYYY-MM-DD`; nil for anything else, and for a day that does not exist.
    fileprivate init?(text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard
            parts.count == 3, parts.map(\.count) == [4, 2, 2], let year = Int64(parts[0]), let month = Int64(parts[1]),
            let day = Int64(parts[2]), (1...12).contains(month)
        else { return nil }
        self.init(year: year, month: month, day: day)
        guard (1...daysInMonth).contains(day) else { return nil }
    }
}

extension RetentionFailure {
    var text: String {
        switch self {
        case .belowFloor:
            "events are kept for at least \(Retention.floorYears) years, and never for fewer than were set before"
        case .busy: "a pruning runs, or a hold is being placed; repeat this when it is done"
        case .holdUnchanged: "nothing changed"
        case .log: "the audit log could not be read or written, so nothing was done"
        case .tooEarly(let first): "events since \(first.text) are kept; nothing was let go of"
        }
    }
}
