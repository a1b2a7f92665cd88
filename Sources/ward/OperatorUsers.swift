import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy

/// What is done to people's accounts at the machine itself, by whoever holds its keys.
extension OperatorService {
    static let actor = AuditActor.operator

    func addUser(_ request: OperatorRequest, _ reply: Reply) async throws {
        let rights = try rights(request)
        guard house.people.directory.mayBeTogether(rights) else { throw IdentityFailure.rolesApart }
        try requireClearance(of: nil, for: rights, request)
        let actor = try await acting(.managePeople, request)
        let person = try await house.people.directory.add(
            login: request.options["login"] ?? "", displayName: request.options["name"] ?? "",
            practitioner: request.options["practitioner"], patients: request.paths, ends: try end(request),
            byOperator: actor, source: Self.source)
        try await house.people.grant(
            rights, to: person.id, clearance: request.options["clearance"], byOperator: actor, source: Self.source)
        try await printLink(person, by: actor, reply)
    }

    func linkUser(_ request: OperatorRequest, _ reply: Reply) async throws {
        let person = try person(request)
        guard person.state == .invited else {
            throw CommandFailure("this person has factors already; for lost ones use: ward user recover")
        }
        try await printLink(person, by: try await acting(.managePeople, request), reply)
    }

    func recoverUser(_ request: OperatorRequest, _ reply: Reply) async throws {
        let person = try person(request)
        let token = try await house.people.recover(
            person.id, byOperator: try await recovering(request), source: Self.source)
        reply(.output("\(house.origin)/enrol/\(token)"))
    }

    func disableUser(_ request: OperatorRequest) async throws {
        let person = try person(request)
        try await house.people.disable(
            person.id, byOperator: try await acting(.managePeople, request), source: Self.source)
    }

    func renameUser(_ request: OperatorRequest) async throws {
        let person = try person(request)
        try await house.people.directory.rename(
            person.id, to: request.options["name"] ?? "", byOperator: try await acting(.managePeople, request),
            source: Self.source)
    }

    func setRoles(_ request: OperatorRequest) async throws {
        let (rights, person) = (try rights(request), try person(request))
        try requireClearance(of: person, for: rights, request)
        try await house.people.grant(
            rights, to: person.id, clearance: request.options["clearance"],
            byOperator: try await acting(.managePeople, request), source: Self.source)
    }

    /// As on the pages, from when on there are people who decide: what was checked is on file before somebody works
    /// here. Looked at before the code of whoever confirms is used up.
    private func requireClearance(of person: Person?, for rights: Rights, _ request: OperatorRequest) throws {
        guard request.options["as"] != nil || !house.people.hasConfirmer(of: .managePeople) else {
            // Refused anyway, and that is in the log.
            return
        }
        let isSaid = request.options["clearance"].map { !$0.allSatisfy(\.isWhitespace) } ?? false
        guard house.people.hasConfirmer(of: .managePeople), rights.areOfWorkforce, person?.clearance == nil, !isSaid
        else { return }
        throw IdentityFailure.clearanceNeeded
    }

    func listUsers(_ request: OperatorRequest, _ reply: Reply) {
        let now = Instant.now()
        for person in house.people.directory.people {
            let roles = person.roleNames
            let sessions = house.people.sessions.list(person: person.id, at: now).count
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("login", person.loginName)
                writer.member("id", person.id)
                writer.member("name", person.displayName)
                writer.member("state", person.state.rawValue)
                writer.key("roles")
                writer.beginArray()
                for role in roles { writer.string(role) }
                writer.endArray()
                writer.key("emergencyAccess")
                writer.bool(person.mayUseEmergencyAccess)
                writer.member("sessions", sessions)
                writer.member("added", person.added.text)
                if let ends = person.ends { writer.member("ends", ends.text) }
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                let rights = roles.isEmpty ? "no role" : roles.joined(separator: ", ")
                let emergency = person.mayUseEmergencyAccess ? ", emergency access" : ""
                reply(
                    .output(
                        "\(person.loginName)  \(person.state.rawValue)  \(rights)\(emergency)  "
                            + "sessions \(sessions)  added \(person.added.text)"))
            }
        }
    }

    private func printLink(_ person: Person, by actor: AuditActor, _ reply: Reply) async throws {
        let token = try await house.people.invite(person.id, byOperator: actor, source: Self.source)
        reply(.output("\(house.origin)/enrol/\(token)"))
    }

    func person(_ request: OperatorRequest) throws -> Person {
        guard let person = house.people.directory.person(named: request.options["login"] ?? "") else {
            throw CommandFailure("nobody has this login name")
        }
        return person
    }

    /// Midnight, UTC, of the day that is named.
    private func end(_ request: OperatorRequest) throws -> Instant? {
        guard let text = request.options["ends"] else { return nil }
        let parts = text.split(separator: "-").compactMap { Int64($0) }
        guard parts.count == 3, (2000...9999).contains(parts[0]), (1...12).contains(parts[1]) else {
            throw CommandFailure("--ends is YYYY-MM-DD")
        }
        let day = CalendarDay(year: parts[0], month: parts[1], day: parts[2])
        guard (1...day.daysInMonth).contains(day.day) else { throw CommandFailure("--ends is YYYY-MM-DD") }
        return Instant(microseconds: day.daysSinceEpoch * 86_400_000_000)
    }

    private func rights(_ request: OperatorRequest) throws -> Rights {
        let names = (request.options["roles"] ?? "").split(separator: " ").map(String.init)
        let policy = house.people.directory.policy
        let roles = names.compactMap { policy.role(named: $0) }
        guard roles.count == names.count, Set(roles).count == roles.count else {
            throw CommandFailure(
                "roles are named once each: \(policy.roles.map(\.rawValue).joined(separator: ", "))")
        }
        return Rights(roles: roles, mayUseEmergencyAccess: request.options["emergency"] != nil)
    }
}
