import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy

/// Emergencies, access and sessions at the machine itself, by whoever holds its keys; logged as that.
extension OperatorService {
    // MARK: Emergencies

    /// Without what the person wrote: that is read where it is reviewed.
    func listEmergencies(_ request: OperatorRequest, _ reply: Reply) {
        let now = Instant.now()
        let emergencies = house.people.emergencies.list(at: now)
        for emergency in emergencies {
            let login = house.people.directory.person(emergency.person)?.loginName ?? emergency.person
            let state = state(emergency, now)
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("id", emergency.id)
                writer.member("login", login)
                writer.member("person", emergency.person)
                writer.member("patient", emergency.patient)
                writer.member("reason", emergency.reason.rawValue)
                writer.member("begun", emergency.begun.text)
                writer.member("ends", (emergency.ended ?? emergency.ends).text)
                writer.member("due", emergency.due.text)
                writer.member("state", state)
                if let review = emergency.reviews.last {
                    writer.member("reviewer", review.reviewer)
                    writer.member("outcome", review.outcome.rawValue)
                }
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                reply(
                    .output(
                        "\(emergency.id)  \(state)  \(login) for Patient/\(emergency.patient)  "
                            + "\(emergency.reason.rawValue)  began \(emergency.begun.text)  "
                            + "review due \(emergency.due.text)"))
            }
        }
        if emergencies.isEmpty, request.options["json"] == nil { reply(.output("no emergencies")) }
    }

    private func state(_ emergency: Emergency, _ now: Instant) -> String {
        if emergency.isOverdue(at: now) { return "overdue" }
        if emergency.isRunning(at: now) { return "running" }
        return emergency.reviews.last?.outcome.rawValue ?? "to-review"
    }

    func reviewEmergency(_ request: OperatorRequest) async throws {
        guard let id = request.options["id"],
            let outcome = request.options["outcome"].flatMap(Emergency.Outcome.init(rawValue:))
        else {
            let outcomes = Emergency.Outcome.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure("--outcome is one of: \(outcomes)")
        }
        let actor = try await acting(.reviewEmergency, request)
        let reviewed = house.people.emergencies.emergency(id)?.person ?? ""
        if let login = request.options["as"], let reviewer = house.people.directory.person(named: login),
            house.people.directory.areOneHuman(reviewer.id, reviewed)
        {
            throw CommandFailure("somebody else has to review this emergency")
        }
        try await house.people.emergencies.review(
            id, outcome: outcome, note: PHI(request.options["note"] ?? ""), byOperator: actor,
            source: Self.source)
    }

    // MARK: Access

    func reviewAccess(_ request: OperatorRequest, _ reply: Reply) async throws {
        let now = Instant.now()
        let reviews = house.people.accessReviews
        let people = reviews.people(at: now)
        if people.isEmpty, request.options["json"] == nil { reply(.output("nobody is active")) }
        for person in people {
            let use = try await reviews.use(of: person.id, byOperator: Self.actor, source: Self.source, at: now)
            let (due, lastSignIn) = (reviews.due(person), reviews.lastSignIn(of: person.id))
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("login", person.loginName)
                writer.member("person", person.id)
                writer.key("roles")
                writer.beginArray()
                for role in person.roleNames { writer.string(role) }
                writer.endArray()
                if let lastSignIn { writer.member("lastSignIn", lastSignIn.text) }
                if let review = reviews.newest(of: person.id) { writer.member("reviewed", review.time.text) }
                writer.member("due", due.text)
                writer.key("overdue")
                writer.bool(due <= now)
                writer.key("rights")
                writer.beginArray()
                for entry in use.rights {
                    writer.beginObject()
                    writer.member("right", entry.right.code)
                    switch entry.use {
                    case .last(let time): writer.member("lastUsed", time.text)
                    case .never: writer.member("use", "never")
                    case .unknown: writer.member("use", "unknown")
                    }
                    writer.endObject()
                }
                writer.endArray()
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                let unused = use.rights.filter { $0.use == .never }.map(\.right.code)
                reply(
                    .output(
                        "\(person.loginName)  \(person.roleNames.joined(separator: ", "))  "
                            + "last sign-in \(lastSignIn?.text ?? "never")  "
                            + "\(due <= now ? "OVERDUE since" : "review by") \(due.text)"))
                if !unused.isEmpty {
                    reply(.output("    not used within \(AccessUse.days) days: \(unused.joined(separator: ", "))"))
                }
            }
        }
    }

    // MARK: Sessions

    func listUserSessions(_ request: OperatorRequest, _ reply: Reply) throws {
        let now = Instant.now()
        let sessions = house.people.sessions.list(person: try person(request).id, at: now)
        if sessions.isEmpty, request.options["json"] == nil { reply(.output("no sessions")) }
        for session in sessions {
            let isLocked = session.isLocked || session.locks <= now
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("number", session.number)
                writer.member("device", session.device)
                writer.member("address", session.address)
                writer.member("created", session.created.text)
                writer.member("lastActive", session.lastActive.text)
                writer.member("state", isLocked ? "locked" : "open")
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                reply(
                    .output(
                        "\(session.number)  \(isLocked ? "locked" : "open")  \(session.device)  \(session.address)  "
                            + "since \(session.created.text)  last used \(session.lastActive.text)"))
            }
        }
    }

    func endUserSessions(_ request: OperatorRequest) async throws {
        let person = try person(request)
        try await house.people.endSessions(
            of: person.id, number: request.options["session"],
            byOperator: try await acting(.manageSessions, request),
            source: Self.source)
    }
}
