import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardDemo
import WardFHIR
import WardIdentity
import WardPolicy
import WardWatch

/// Alerts of odd access at the machine itself, by whoever holds its keys; logged as that.
extension OperatorService {
    func listAlerts(_ request: OperatorRequest, _ reply: Reply) {
        let records = house.watch.desk.list
        for record in records {
            if request.options["json"] != nil {
                reply(.output(json(record)))
            } else {
                let alert = record.alert
                let whom = alert.patient.map { "  Patient/\($0)" } ?? ""
                reply(
                    .output(
                        "\(alert.id)  \(record.state.rawValue)  \(alert.severity.rawValue)  \(alert.rule.rawValue)  "
                            + "\(who(alert))\(whom)  \(alert.time.text)"))
            }
        }
        if records.isEmpty, request.options["json"] == nil { reply(.output("no alerts")) }
    }

    private func who(_ alert: Alert) -> String {
        guard let actor = alert.actor else { return "nobody known" }
        let person = actor.hasPrefix("person/") ? house.people.directory.person(String(actor.dropFirst(7))) : nil
        return person?.loginName ?? actor
    }

    private func json(_ record: AlertRecord) -> String {
        let alert = record.alert
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("id", alert.id)
        writer.member("state", record.state.rawValue)
        writer.member("severity", alert.severity.rawValue)
        writer.member("rule", alert.rule.rawValue)
        if let actor = alert.actor { writer.member("who", actor) }
        if let patient = alert.patient { writer.member("patient", patient) }
        writer.member("time", alert.time.text)
        writer.key("explanation")
        writer.beginArray()
        for finding in alert.explanation { writer.string(finding.text) }
        writer.endArray()
        writer.key("events")
        writer.beginArray()
        for event in alert.events { writer.number(event) }
        writer.endArray()
        writer.key("timeline")
        writer.beginArray()
        for answer in record.answers {
            writer.beginObject()
            writer.member("who", answer.who)
            writer.member("act", answer.act.rawValue)
            if let reason = answer.reason { writer.member("reason", reason.rawValue) }
            writer.member("time", answer.time.text)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    func showAlert(_ request: OperatorRequest, _ reply: Reply) async throws {
        guard let record = house.watch.desk.record(request.options["id"] ?? "") else {
            throw CommandFailure("there is no such alert")
        }
        if request.options["json"] != nil { return reply(.output(json(record))) }
        let events: [LoggedEvent]
        do throws(AlertFailure) {
            events = try await house.watch.events(of: record, by: Self.actor, source: Self.source)
        } catch {
            throw CommandFailure(error.text)
        }
        let alert = record.alert
        reply(.output("\(alert.rule.rawValue)  \(alert.severity.rawValue)  \(record.state.rawValue)  \(who(alert))"))
        for finding in alert.explanation { reply(.output("  because: \(finding.text)")) }
        for logged in events { reply(.output("  event: \(logged.line)")) }
        for answer in record.answers {
            let why = answer.reason.map { " (\($0.rawValue))" } ?? ""
            reply(.output("  \(answer.time.text)  \(answer.act.rawValue)\(why) by \(answer.who)"))
        }
    }

    func answerAlert(_ request: OperatorRequest, _ reply: Reply) async throws {
        guard let id = request.options["id"], let act = request.options["act"].flatMap(AlertRecord.Act.init(rawValue:))
        else { throw CommandFailure("an alert's id is needed") }
        guard let record = house.watch.desk.record(id) else { throw CommandFailure("there is no such alert") }
        var (who, suspended): (AuditActor, String?) = (Self.actor, nil)
        if act == .suspend {
            guard let actor = record.alert.actor, actor.hasPrefix("person/") else {
                throw CommandFailure("the alert names no person; a client is ended by: ward client remove")
            }
            who = try await acting(.manageSessions, request)
            suspended = String(actor.dropFirst(7))
        }
        do throws(AlertFailure) {
            try await house.watch.answer(
                id, act, reason: request.options["reason"].flatMap(AlertRecord.Reason.init(rawValue:)),
                text: PHI(request.options["text"] ?? ""), wholeRole: request.options["role"] != nil, by: who,
                source: Self.source)
        } catch {
            throw CommandFailure(error.text)
        }
        if let suspended { try await house.people.endSessions(of: suspended, byOperator: who, source: Self.source) }
        reply(.output("\(act.rawValue) of \(id) recorded"))
    }

    /// Every rule, what a step of learning changes, and what was learnt.
    func listAlertRules(_ request: OperatorRequest, _ reply: Reply) {
        let lessons = house.watch.lessons
        for rule in WatchRule.allCases {
            let learnt = lessons.filter { $0.rule == rule }
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("rule", rule.rawValue)
                writer.member("step", rule.step)
                writer.key("learnt")
                writer.beginArray()
                for lesson in learnt {
                    writer.beginObject()
                    writer.member("of", lesson.subject)
                    writer.member("steps", lesson.steps)
                    writer.member("most", WatchLesson.most)
                    writer.endObject()
                }
                writer.endArray()
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                reply(.output("\(rule.rawValue)  each dismissal as expected: \(rule.step)"))
                for lesson in learnt {
                    reply(.output("    learnt of \(lesson.subject): \(lesson.steps) of \(WatchLesson.most) steps"))
                }
            }
        }
        guard request.options["json"] == nil else { return }
        let days = Int64(house.watch.daysKnown)
        let needed = WatchSettings().learningDays
        if Double(days) < needed {
            reply(.output("not enough history: \(days) of \(Int64(needed)) days; rules that compare wait"))
        }
        reply(.output("a look is odd from \(WatchFinding.number(house.watch.threshold)) bits"))
    }

    // MARK: Decoys

    /// Stores invented patients as any import would, and remembers which they are.
    func plantDecoys(_ request: OperatorRequest, _ reply: Reply) async throws {
        let principal = try await principal(request)
        guard let count = Int(request.options["count"] ?? "1"), (1...50).contains(count) else {
            throw CommandFailure("--count is 1 to 50")
        }
        let clinicRequest = ClinicRequest(principal: principal, source: Self.source)
        if let refusal = await house.clinic.startImport(clinicRequest) { throw CommandFailure(refusal.sentence) }
        guard imports.enter() else { throw CommandFailure("an import runs; repeat this when it is done") }
        defer { imports.leave() }
        let patients = (0..<count).map { _ in InventedPatient(bytes: randomBytes(32)) }
        // Known before they are there: whoever is quicker than this command is noticed too.
        do throws(AlertFailure) {
            try await house.watch.desk.plant(patients.map(\.id), by: Self.actor, source: Self.source)
        } catch {
            throw CommandFailure(error.text)
        }
        let outcome: ImportOutcome
        do throws(TransferFailure) {
            outcome = try await house.clinic.importResources(patients.map(\.json), clinicRequest)
        } catch {
            throw CommandFailure("the log cannot be written, or the client's session ended")
        }
        guard outcome.stored == count else { throw CommandFailure("the records could not be stored") }
        reply(.output("\(count) planted; \(house.watch.desk.decoyCount) in all. write down nowhere which they are"))
        for patient in patients where request.options["json"] != nil { reply(.output(#"{"id":"\#(patient.id)"}"#)) }
    }
}

extension AlertFailure {
    var text: String {
        switch self {
        case .auditUnavailable: "the log cannot be written"
        case .decided: "the alert is decided already"
        case .ownAlert: "somebody else has to answer an alert about oneself"
        case .reasonNeeded: "a dismissal needs --reason expected, training, mistake or other, and --text"
        case .storage: "the alert could not be sealed or read"
        case .unknown: "there is no such alert, or it is being answered"
        }
    }
}
