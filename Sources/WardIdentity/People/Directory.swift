import Synchronization
public import WardAudit
public import WardCore
import WardCrypto
import WardFHIR
public import WardPolicy
import WardStorage

/// Everybody who has or had an account, and what is asked for them.
///
/// Every change and its event are one transaction. A grant of roles asked for by one person takes effect when another
/// one approves it (45 CFR 164.308(a)(3)(ii)(A)); only the operator at the machine, who holds its keys, grants alone.
public final class Directory: Sendable {
    private struct State {
        var people: [String: Person] = [:]
        /// Person by login name; names are never freed.
        var names: [String: String] = [:]
        var requests: [String: RoleRequest] = [:]
        /// People and names whose change is on its way to the disk.
        var busy: Set<String> = []
    }

    private let state: Mutex<State>
    /// What every question about rights is put to.
    public let policy: Policy
    let vault: EntryVault
    let log: AuditLog

    init(vault: EntryVault, log: AuditLog, policy: Policy) throws(IdentityFailure) {
        self.policy = policy
        self.vault = vault
        self.log = log
        var state = State()
        for bytes in try vault.all(.person) {
            guard let person = Person(decoding: bytes, policy: policy) else { throw .storage }
            state.people[person.id] = person
            state.names[person.loginName] = person.id
        }
        for bytes in try vault.all(.roleRequest) {
            guard let request = RoleRequest(decoding: bytes) else { throw .storage }
            state.requests[request.id] = request
        }
        self.state = Mutex(state)
    }

    // MARK: Looking

    /// Everybody, by login name.
    public var people: [Person] { state.withLock { $0.people.values.sorted { $0.loginName < $1.loginName } } }

    /// Somebody of whom `condition` holds, in no order: without sorting everybody.
    public func anyone(where condition: (Person) -> Bool) -> Person? {
        state.withLock { $0.people.values.first(where: condition) }
    }

    public func person(_ id: String) -> Person? { state.withLock { $0.people[id] } }

    public func person(named login: String) -> Person? {
        guard let name = Person.canonicalLoginName(login) else { return nil }
        return state.withLock { state in state.names[name].flatMap { state.people[$0] } }
    }

    /// Role changes that wait for somebody else's approval; oldest first.
    public var requests: [RoleRequest] { state.withLock { $0.requests.values.sorted { $0.created < $1.created } } }

    /// Whether two accounts are one human's, as far as it is known: by being one, or by one `Practitioner`.
    ///
    /// What needs a second person needs a second human.
    public func areOneHuman(_ one: String, _ other: String) -> Bool {
        if one == other { return true }
        let practitioners = [one, other].map { id in
            person(id)?.practitioner?.split(separator: "/").last.map(String.init)
        }
        return practitioners[0] != nil && practitioners[0] == practitioners[1]
    }

    /// The same of two that the log names, as `person/ID`; anything else is one with itself alone.
    public func areOneHuman(actor one: String, _ other: String) -> Bool {
        let ids = [one, other].map { $0.hasPrefix("person/") ? String($0.dropFirst(7)) : nil }
        guard let first = ids[0], let second = ids[1] else { return one == other }
        return areOneHuman(first, second)
    }

    // MARK: People

    /// Adds a person, invited, without roles: those are granted.
    ///
    /// - Throws: ``IdentityFailure/badName``, ``IdentityFailure/nameTaken`` also for names of people long gone.
    public func add(
        login: String, displayName: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> Person {
        let actor = try await require(.managePeople, of: principal, source: source, at: now).actor
        return try await add(login: login, displayName: displayName, byOperator: actor, source: source, at: now)
    }

    /// Adds a person at the machine itself.
    public func add(
        login: String, displayName: String, practitioner: String? = nil, patients: [String] = [],
        ends: Instant? = nil, byOperator actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> Person {
        guard let name = Person.canonicalLoginName(login), let shown = Self.shownName(displayName) else {
            throw .badName
        }
        let isFree = state.withLock { $0.names[name] == nil && $0.busy.insert("name/\(name)").inserted }
        guard isFree else { throw .nameTaken }
        defer { state.withLock { _ = $0.busy.remove("name/\(name)") } }
        let person = Person(
            id: Self.newID(), loginName: name, displayName: shown, roles: [], practitioner: practitioner,
            patients: patients, state: .invited, added: now, ends: ends)
        try await write(person, event(.personAdded, about: person, by: actor, source: source, decision: "added"))
        return person
    }

    /// Gives a person another name, as others see it; the login name stays, and so do earlier events.
    ///
    /// - Throws: ``IdentityFailure/badName``, ``IdentityFailure/unknownPerson`` also for those whose access has ended.
    public func rename(
        _ id: String, to displayName: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let actor = try await require(.managePeople, of: principal, source: source, at: now).actor
        try await rename(id, to: displayName, byOperator: actor, source: source)
    }

    /// Gives a person another name at the machine itself.
    public func rename(
        _ id: String, to displayName: String, byOperator actor: AuditActor, source: RequestSource
    ) async throws(IdentityFailure) {
        guard let shown = Self.shownName(displayName) else { throw .badName }
        try await change(id, .personChanged, decision: "name", by: actor, source: source) {
            person throws(IdentityFailure) in
            guard person.state != .disabled else { throw .unknownPerson }
            person.displayName = shown
        }
    }

    /// Spaces folded; nil for what cannot be shown as a name.
    private static func shownName(_ text: String) -> String? {
        let shown = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return (1...80).contains(shown.count) && !shown.hasHiddenCharacters ? shown : nil
    }

    /// Changes what the directory says of a person; the change sees the person as it is.
    @discardableResult
    func change(
        _ id: String, _ kind: AuditEventKind, decision: String, by actor: AuditActor, source: RequestSource,
        with others: [EntryWrite] = [], _ body: (inout Person) throws(IdentityFailure) -> Void
    ) async throws(IdentityFailure) -> Person {
        let found: Person? = state.withLock { state in
            guard let person = state.people[id], state.busy.insert(id).inserted else { return nil }
            return person
        }
        guard var person = found else { throw self.person(id) == nil ? .unknownPerson : .busy }
        defer { state.withLock { _ = $0.busy.remove(id) } }
        try body(&person)
        try await write(person, event(kind, about: person, by: actor, source: source, decision: decision), others)
        return person
    }

    /// Ends a person's access; sessions and tokens are ended by whoever holds them (``People``).
    func disable(
        _ id: String, by actor: AuditActor, source: RequestSource, at now: Instant
    ) async throws(IdentityFailure) -> Person {
        let keeping = try holdKeepers(but: id, whoWillBe: [], at: now)
        defer { letKeepersGo(keeping) }
        let dropped = requests.filter { $0.person == id }
        let person = try await change(
            id, .personDisabled, decision: "disabled", by: actor, source: source,
            with: dropped.map { .remove(vault.locator(.roleRequest, Array($0.id.utf8)), .roleRequest) }
        ) { person throws(IdentityFailure) in
            guard person.state != .disabled else { throw .unknownPerson }
            person.state = .disabled
            person.roles = []
            person.roleNames = []
            person.mayUseEmergencyAccess = false
        }
        state.withLock { state in
            for request in dropped { state.requests[request.id] = nil }
        }
        return person
    }

    // MARK: Roles

    /// Asks for a change of roles; somebody else must approve it.
    ///
    /// - Parameter clearance: what was checked, by whom and when; needed the first time somebody is to work here.
    /// - Throws: ``IdentityFailure/clearanceNeeded``, ``IdentityFailure/rolesApart``,
    ///   ``IdentityFailure/reasonNeeded``.
    public func request(
        _ rights: Rights, for id: String, reason: String, clearance: String? = nil, by principal: Principal,
        source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> RoleRequest {
        let asker = try await require(.managePeople, of: principal, source: source, at: now)
        guard let person = person(id), person.state != .disabled else { throw .unknownPerson }
        guard !reason.isEmpty, reason.utf8.count <= 500 else { throw .reasonNeeded }
        guard mayBeTogether(rights) else { throw .rolesApart }
        let cleared = try Self.clearance(clearance)
        guard cleared != nil || person.clearance != nil || !rights.areOfWorkforce else { throw .clearanceNeeded }
        let request = RoleRequest(
            id: Self.newID(), person: id, rights: rights, reason: reason, clearance: cleared, asker: asker.id,
            created: now)
        try await file(
            request,
            event(.rolesRequested, about: person, by: asker.actor, source: source, decision: rights.text))
        return request
    }

    /// Keeps a request with the event that tells of it.
    func file(
        _ request: RoleRequest, _ event: AuditEvent, with others: [EntryWrite] = []
    ) async throws(IdentityFailure) {
        let put = try vault.put(request.encoded(), .roleRequest, key: Array(request.id.utf8))
        try await vault.commit(event, to: log, [put] + others)
        state.withLock { $0.requests[request.id] = request }
    }

    /// Approves or refuses what another person asked for.
    ///
    /// - Throws: ``IdentityFailure/secondPersonNeeded`` for whoever asked, and for whom it is about.
    func decide(
        _ requestID: String, approve: Bool, by approver: Person, source: RequestSource, at now: Instant
    ) async throws(IdentityFailure) -> Person {
        guard let request = state.withLock({ $0.requests[requestID] }) else { throw .unknownRequest }
        guard !areOneHuman(approver.id, request.asker), !areOneHuman(approver.id, request.person) else {
            throw .secondPersonNeeded
        }
        let keeping =
            approve
            ? try holdKeepers(but: request.person, whoWillBe: request.rights.roleNames, at: now) : false
        defer { letKeepersGo(keeping) }
        let gone = EntryWrite.remove(vault.locator(.roleRequest, Array(request.id.utf8)), .roleRequest)
        let decision = "\(request.rights.text); asked by person/\(request.asker)"
        let person = try await change(
            request.person, approve ? .rolesGranted : .rolesRefused, decision: decision, by: approver.actor,
            source: source, with: [gone]
        ) { person throws(IdentityFailure) in
            guard approve else { return }
            guard person.state != .disabled else { throw .unknownPerson }
            person.apply(request.rights, policy)
            if let clearance = request.clearance { person.clearance = clearance }
        }
        state.withLock { $0.requests[request.id] = nil }
        return person
    }

    /// Grants at the machine itself.
    func grant(
        _ rights: Rights, to id: String, clearance: String? = nil, byOperator actor: AuditActor, source: RequestSource,
        at now: Instant
    ) async throws(IdentityFailure) -> Person {
        guard mayBeTogether(rights) else { throw .rolesApart }
        let cleared = try Self.clearance(clearance)
        let keeping = try holdKeepers(but: id, whoWillBe: rights.roleNames, at: now)
        defer { letKeepersGo(keeping) }
        return try await change(
            id, .rolesGranted, decision: "\(rights.text); at the machine", by: actor, source: source
        ) {
            person throws(IdentityFailure) in
            guard person.state != .disabled else { throw .unknownPerson }
            person.apply(rights, policy)
            if let cleared { person.clearance = cleared }
        }
    }

    /// As it is kept; nil for nothing said.
    private static func clearance(_ text: String?) throws(IdentityFailure) -> String? {
        let text = (text ?? "").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        guard text.utf8.count <= 500 else { throw .clearanceNeeded }
        return text.isEmpty ? nil : text
    }

    /// Whether one account may hold these: whoever administers accounts looks at patients with another one, if at all.
    public func mayBeTogether(_ rights: Rights) -> Bool {
        let roles = rights.roleNames.compactMap { policy.role(named: $0) }
        let administers = roles.contains { decision(.managePeople, roles: [$0], isFresh: true).isPermitted }
        return !administers || !roles.contains(where: seesPatients)
    }

    private func seesPatients(_ role: Role) -> Bool {
        let types = ResourceType.allCases.filter {
            [.demographics, .schedule, .billing, .clinical].contains(TypeGroup($0)) && $0.name != "AuditEvent"
        }
        return [Action.read, .search].contains { action in
            types.contains { type in
                PurposeOfUse.allCases.contains { purpose in
                    policy.decide(
                        AccessQuestion(action: action, type: type, roles: [role], purpose: purpose, isFresh: true)
                    ).isPermitted
                }
            }
        }
    }

    // MARK: The last administrator

    private static let keepers = "keepers"

    /// Refuses to leave the clinic without anybody who may manage people.
    ///
    /// - Returns: whether keepers are held; two changes at the same time could each rely on the other one.
    private func holdKeepers(
        but id: String, whoWillBe names: [String], at now: Instant
    ) throws(IdentityFailure) -> Bool {
        let keeps = { (roles: [Role]) in self.decision(.managePeople, roles: roles, isFresh: true).isPermitted }
        guard let person = person(id), person.isActive(at: now), keeps(person.roles),
            !keeps(names.compactMap { policy.role(named: $0) })
        else { return false }
        guard state.withLock({ $0.busy.insert(Self.keepers).inserted }) else { throw .busy }
        guard people.contains(where: { $0.id != id && $0.isActive(at: now) && keeps($0.roles) }) else {
            letKeepersGo(true)
            throw .lastAdministrator
        }
        return true
    }

    private func letKeepersGo(_ areHeld: Bool) {
        if areHeld { state.withLock { _ = $0.busy.remove(Self.keepers) } }
    }

    // MARK: Writing

    private func write(
        _ person: Person, _ event: AuditEvent, _ others: [EntryWrite] = []
    ) async throws(IdentityFailure) {
        let put = try vault.put(person.encoded(), .person, key: Array(person.id.utf8))
        try await vault.commit(event, to: log, [put] + others)
        state.withLock { state in
            state.people[person.id] = person
            state.names[person.loginName] = person.id
        }
    }

    func event(
        _ kind: AuditEventKind, about person: Person, by actor: AuditActor, source: RequestSource, decision: String
    ) -> AuditEvent {
        var event = AuditEvent(
            kind: kind, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration, source: source,
            decision: decision)
        event.subject = person.actor.id
        return event
    }

    /// 80 random bits in 16 letters and digits that cannot be mistaken for one another.
    static func newID() -> String {
        let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
        return String(decoding: randomBytes(16).map { alphabet[Int($0 & 31)] }, as: UTF8.self)
    }
}

extension Person {
    /// As the audit log names it.
    public var actor: AuditActor {
        AuditActor(id: "person/\(id)", name: displayName, role: roleNames.joined(separator: " "))
    }

    mutating func apply(_ rights: Rights, _ policy: Policy) {
        roleNames = rights.roleNames
        roles = roleNames.compactMap { policy.role(named: $0) }
        mayUseEmergencyAccess = rights.mayUseEmergencyAccess
    }
}
