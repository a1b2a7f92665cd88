package import WardAudit
package import WardClinic
package import WardCore
package import WardCrypto
package import WardFHIR
package import WardGate
package import WardIdentity
package import WardPolicy
package import WardStorage
package import WardVault

/// A whole house over any store: real gate, real policy, real log, real vault.
///
/// There is no grant but from its gate.
package struct TestHouse: Sendable {
    /// What outlives a restart besides the store.
    package struct Keys: Sendable {
        package let tenant: KeyMaterial
        package let signing: SigningKey

        package init() {
            tenant = .random()
            signing = SigningKey()
        }
    }

    package static let base = "https://localhost:8443/fhir"
    package static let audience = "https://localhost:8443/oauth/token"
    package static let origin = "ward/test"

    package let store: any SealedStore
    package let keys: Keys
    package let log: AuditLog
    package let authenticator: Authenticator
    package let vault: Vault
    package let gate: Gate
    package let clinic: Clinic
    package let people: People

    /// Opens the house on a store, empty or not, and builds its index.
    package init(
        _ store: any SealedStore = MemoryStore(), keys: Keys = Keys(), buildsIndex: Bool = true,
        clock: @escaping @Sendable () -> Instant = { .now() }, emergencies: EmergencyLookup? = nil
    ) throws {
        self.store = store
        self.keys = keys
        log = try AuditLog(store: store, keys: Self.auditKeys(keys), origin: Self.origin)
        authenticator = try Authenticator(
            store: store, material: keys.tenant.derived("ward/identities/1"), log: log, clock: clock)
        vault = Vault(
            store: store, material: keys.tenant.derived("ward/vault/1"), tenant: .single, log: log, ownBase: Self.base)
        let people = try People(
            store: store, material: keys.tenant.derived("ward/identities/1"), log: log, clinic: "Lindenhof",
            hashing: Argon2id.Parameters(memoryKiB: 19_456, passes: 2, lanes: 1))
        self.people = people
        gate = Gate(
            policy: Policy(), log: log,
            emergencies: emergencies ?? { person, patient, now in
                people.emergencies.standing(of: person, for: patient, at: now).map {
                    OpenEmergency(id: $0.id, reasons: $0.reasons)
                }
            })
        let authenticator = authenticator
        clinic = Clinic(gate: gate, vault: vault, base: Self.base, isCurrent: { authenticator.isCurrent($0) })
        if buildsIndex { try vault.rebuildIndex() }
    }

    package static func auditKeys(_ keys: Keys) -> AuditKeys {
        AuditKeys(keys.tenant.derived("ward/audit/1"), signing: keys.signing, tenant: .single)
    }

    /// The same house after a restart.
    package func reopened(on store: (any SealedStore)? = nil) throws -> TestHouse {
        try TestHouse(store ?? self.store, keys: keys)
    }

    /// Registers a client with a key of its own and signs it in with a real assertion.
    package func signIn(
        _ name: String = "a-client", role: Role = .integration, purpose: PurposeOfUse = .treatment,
        scope: String? = nil
    ) async throws -> Principal {
        guard let pair = ClientKeyPair(client: name) else { throw Unexpected(what: "no key pair") }
        try await authenticator.add(name, role: role, purpose: purpose, key: pair.publicKey, by: Self.source)
        return try await signIn(with: pair, scope: scope)
    }

    /// Signs a registered client in.
    package func signIn(with pair: ClientKeyPair, scope: String? = nil) async throws -> Principal {
        try await authenticator.authenticate(
            assertion: try await pair.assertion(audience: Self.audience), audiences: [Self.audience], scope: scope,
            source: Self.source)
    }

    /// Makes an account, enrols it with two factors, and signs in.
    package func signIn(
        person login: String, _ roles: [Role], practitioner: String? = nil, patients: [String] = [],
        mayUseEmergencyAccess: Bool = false
    ) async throws -> Principal {
        let actor = AuditActor(id: "operator", name: "operator", role: "operator")
        let person = try await people.directory.add(
            login: login, displayName: login, practitioner: practitioner, patients: patients, byOperator: actor,
            source: Self.source)
        try await people.grant(
            Rights(roles: roles, mayUseEmergencyAccess: mayUseEmergencyAccess), to: person.id, byOperator: actor,
            source: Self.source)
        let now = Instant.now()
        let link = try await people.invite(person.id, byOperator: actor, source: Self.source, at: now)
        let token = try people.beginEnrolment(link, at: now).token
        let seed = try await people.enrol(
            token, password: Password(typed: "plum tractor violet anchorage"), at: now)
        guard let code = OneTimeCode(typed: seed.digits(step: now.microseconds / 30_000_000, count: 6)) else {
            throw Unexpected(what: "no code")
        }
        let context = SignInContext(source: Self.source, device: "Firefox, Linux", deviceMark: nil)
        let enrolled = try await people.enrol(token, code: code, context: context, at: now)
        guard
            case .active(let principal, _) = people.standing(
                of: enrolled.signedIn.token, at: now, isActivity: true)
        else { throw Unexpected(what: "not signed in") }
        return principal
    }

    /// A grant, from the gate.
    package func grant<Leave: Interaction>(
        _ leave: Leave.Type, on subject: GrantSubject, to principal: Principal
    ) async throws(GateFailure) -> AccessGrant<Leave> {
        try await gate.authorize(leave, on: subject, principal: principal, source: Self.source)
    }

    /// Checks the log in storage against itself.
    package func checkLog() throws {
        try LogCheck.check(store, origin: Self.origin, publicKey: log.publicKey, size: log.checkpoint.size)
    }

    /// All events, oldest first.
    package func events() throws -> [AuditEvent] {
        try log.events(with: [], limit: .max).reversed().map(\.event)
    }

    package static let source = RequestSource(address: "192.0.2.7", request: "f00d")
}

extension TestHouse {
    /// Parses and validates a resource, as every path into the vault does.
    package static func validated(_ json: String) throws -> ValidatedResource {
        try ResourceValidator.validated(try JSONTape(parsing: Array(json.utf8)))
    }

    /// Stores a resource under its own id.
    @discardableResult
    package func put(
        _ json: String, ifMatch: Int64? = nil, as principal: Principal
    ) async throws -> (disclosure: Disclosure, result: ChangeResult) {
        let resource = try Self.validated(json)
        guard let id = resource.id else { throw Unexpected(what: "a resource without an id") }
        let grant = try await grant(Update.self, on: GrantSubject(type: resource.type, id: id), to: principal)
        return try await vault.update(
            RecordChange(operation: .update(ifMatch: ifMatch), type: resource.type, id: id, resource: resource),
            with: grant)
    }

    @discardableResult
    package func delete(
        _ type: ResourceType, _ id: String, as principal: Principal
    ) async throws -> (disclosure: Disclosure, result: ChangeResult) {
        let grant = try await grant(Delete.self, on: GrantSubject(type: type, id: id), to: principal)
        return try await vault.delete(
            RecordChange(operation: .delete, type: type, id: id, resource: nil), with: grant)
    }

    package func read(_ type: ResourceType, _ id: String, as principal: Principal) async throws -> Disclosure {
        try await vault.read(with: try await grant(Read.self, on: GrantSubject(type: type, id: id), to: principal))
    }

    package func search(
        _ type: ResourceType, _ parameters: [(String, String)] = [], pageSize: Int = 50, as principal: Principal
    ) async throws -> SearchAnswer {
        let query = try SearchQuery.parse(
            type: type, parameters: parameters.map { SearchPair(name: $0.0, value: $0.1) }, handling: .strict,
            context: SearchContext(baseURL: Self.base, now: .now(), zoneOffsetMinutes: 0))
        let grant = try await grant(Search.self, on: GrantSubject(types: [type]), to: principal)
        return try await vault.search(query, type: type, pageSize: pageSize, with: grant)
    }

    /// Verifies log and records as an administrator.
    package func verify(as principal: Principal) async throws -> StoreVerification {
        try await vault.verify(against: nil, with: try await grant(Administer.self, on: .store, to: principal))
    }
}

/// A test could not be set up.
package struct Unexpected: Error {
    package let what: String

    package init(what: String) {
        self.what = what
    }
}

extension ResourceType {
    /// A type that the test knows to exist.
    package static func named(_ name: String) throws -> ResourceType {
        guard let type = ResourceType(name) else { throw Unexpected(what: name) }
        return type
    }
}
