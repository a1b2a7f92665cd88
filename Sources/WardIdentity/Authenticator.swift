import Synchronization
public import WardAudit
public import WardCore
public import WardCrypto
public import WardPolicy
public import WardStorage

/// Registers clients, checks their assertions, issues and recognises access tokens.
public final class Authenticator: Sendable {
    /// Life of an access token in seconds.
    public static let tokenLifetime: Int64 = 900
    /// Access tokens that one client may hold at once; the oldest gives way.
    static let mostTokens = 1000

    private struct State {
        var clients: [String: Client] = [:]
        /// Names whose registration is on its way to the disk.
        var pending: Set<String> = []
        var tokens: [Digest: Principal] = [:]
        /// Assertions seen, until they expire.
        var usedAssertions: [String: Instant] = [:]

        mutating func makeRoom(for principal: Principal, at now: Instant) {
            tokens = tokens.filter { $0.value.expires > now }
            let own = tokens.filter { $0.value.id == principal.id }
            guard own.count >= Authenticator.mostTokens else { return }
            if let oldest = own.min(by: { $0.value.expires < $1.value.expires }) { tokens[oldest.key] = nil }
        }

        func isActive(_ principal: Principal) -> Bool { clients[principal.id].map { !$0.isRemoved } ?? false }
    }

    private let state: Mutex<State>
    private let sealing: SealingKey
    private let locators: MacKey
    private let log: AuditLog
    private let started: Instant
    private let clock: @Sendable () -> Instant

    /// - Parameters:
    ///   - material: derived from the tenant key for identities alone.
    ///   - clock: what assertions and tokens are held against.
    public init(
        store: any SealedStore, material: KeyMaterial, log: AuditLog,
        clock: @escaping @Sendable () -> Instant = { .now() }
    ) throws(IdentityFailure) {
        sealing = SealingKey(material.derived("ward/identity/1"))
        locators = MacKey(material.derived("ward/identity-id/1"))
        self.log = log
        self.clock = clock
        started = clock()
        let stored: [StoredEntry]
        do throws(StorageFailure) { stored = try store.entries(.client) } catch { throw .storage }
        var clients: [String: Client] = [:]
        for entry in stored {
            guard
                let bytes = try? sealing.open(entry.sealed, boundTo: entry.id.bytes),
                let client = Client(decoding: bytes)
            else { throw .storage }
            clients[client.name] = client
        }
        state = Mutex(State(clients: clients))
    }

    // MARK: Clients

    /// Registers a client's public key under a name never used before.
    public func add(
        _ name: String, role: Role, purpose: PurposeOfUse, key: ClientKey, by source: RequestSource,
        actor: AuditActor = .operator
    ) async throws(IdentityFailure) {
        guard Client.isName(name) else { throw .badName }
        // Taken in one step with the check: of two registrations of one name, one is refused.
        guard state.withLock({ $0.clients[name] == nil && $0.pending.insert(name).inserted }) else { throw .nameTaken }
        defer { state.withLock { _ = $0.pending.remove(name) } }
        let client = Client(name: name, role: role, purpose: purpose, key: key, added: clock(), isRemoved: false)
        try await write(client, event: .clientAdded, by: source, actor)
    }

    /// Removes a client: its tokens end at once, its name stays taken.
    public func remove(
        _ name: String, by source: RequestSource, actor: AuditActor = .operator
    ) async throws(IdentityFailure) {
        guard let client = state.withLock({ $0.clients[name] }), !client.isRemoved else { throw .unknownClient }
        let removed = Client(
            name: client.name, role: client.role, purpose: client.purpose, key: client.key, added: client.added,
            isRemoved: true)
        try await write(removed, event: .clientRemoved, by: source, actor)
    }

    /// Registered clients by name, without the removed.
    public var clients: [Client] {
        state.withLock { $0.clients.values.filter { !$0.isRemoved } }.sorted { $0.name < $1.name }
    }

    private func write(
        _ client: Client, event kind: AuditEventKind, by source: RequestSource, _ actor: AuditActor
    ) async throws(IdentityFailure) {
        let id = locators.tag(Array("client".utf8), Array(client.name.utf8)).locator
        guard let sealed = try? sealing.seal(client.encoded(), boundTo: id.bytes) else { throw .storage }
        var event = AuditEvent(
            kind: kind, time: clock(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: source, decision: "\(client.role.rawValue); \(client.purpose.rawValue)")
        event.subject = "client/\(client.name)"
        do throws(SubmissionFailure) {
            _ = try await log.commit(event, entries: [.put(StoredEntry(id: id, sealed: sealed), .client)])
        } catch {
            throw .auditUnavailable
        }
        state.withLock { state in
            state.clients[client.name] = client
            if client.isRemoved { state.tokens = state.tokens.filter { $0.value.id != client.name } }
        }
    }

    // MARK: Assertions and tokens

    /// Recognises a client by a signed assertion, once.
    ///
    /// - Parameters:
    ///   - audiences: what the assertion may be addressed to.
    ///   - scope: space-separated SMART scopes that narrow the role; nil for none.
    public func authenticate(
        assertion: String, audiences: [String], scope: String?, source: RequestSource
    ) async throws(IdentityFailure) -> Principal {
        do throws(IdentityFailure) {
            return try await principal(assertion: assertion, audiences: audiences, scope: scope)
        } catch {
            countFailure(source: source)
            throw error
        }
    }

    private func principal(
        assertion: String, audiences: [String], scope: String?
    ) async throws(IdentityFailure) -> Principal {
        let now = clock()
        guard let issuer = ClientAssertion.claimedIssuer(assertion) else { throw .malformedAssertion }
        guard let client = state.withLock({ $0.clients[issuer] }), !client.isRemoved else { throw .unknownClient }
        let verified = try await ClientAssertion.verify(
            assertion, client: client.name, key: client.key, audiences: audiences, now: now)
        // Used assertions are remembered in memory. One that may have been used before this process started is refused.
        let latestBefore = started.adding(seconds: ClientAssertion.maximumLifetime + ClientAssertion.leeway)
        if verified.expires < latestBefore, verified.issued ?? Instant(microseconds: 0) < started.adding(seconds: -1) {
            throw .replayed
        }
        let isFresh = state.withLock { state in
            if state.usedAssertions.count > 10_000 {
                state.usedAssertions = state.usedAssertions.filter { $0.value > now }
            }
            let until = verified.expires.adding(seconds: ClientAssertion.leeway)
            return state.usedAssertions.updateValue(until, forKey: "\(client.name) \(verified.identifier)") == nil
        }
        guard isFresh else { throw .replayed }
        var scopes: [Scope]?
        if let scope, !scope.isEmpty {
            let parsed = scope.split(separator: " ").map { Scope(String($0)) }
            guard !parsed.contains(nil) else { throw .badScope }
            scopes = parsed.compactMap { $0 }
        }
        return Principal(client: client, scopes: scopes, expires: now.adding(seconds: Self.tokenLifetime))
    }

    /// Issues an opaque token of 256 random bits; only its hash is kept.
    public func issueToken(for principal: Principal, source: RequestSource) async throws(IdentityFailure) -> String {
        let event = AuditEvent(
            kind: .tokenIssued, time: clock(), outcome: .success, actor: principal.actor, purpose: principal.purpose,
            source: source, decision: "assertion-verified")
        do throws(AuditFailure) { _ = try await log.append(event) } catch { throw .auditUnavailable }
        let token = base64URL(randomBytes(32))
        try state.withLock { state throws(IdentityFailure) in
            guard state.isActive(principal) else { throw .unknownClient }
            let now = clock()
            if state.tokens.count >= Self.mostTokens { state.makeRoom(for: principal, at: now) }
            state.tokens[sha256(Array(token.utf8))] = principal
        }
        return token
    }

    /// As ``principal(bearer:now:)`` for a whole text.
    public func principal(bearer token: String, now: Instant) -> Principal? { principal(bearer: token[...], now: now) }

    /// Who holds a bearer token; nil for unknown, expired and ended ones alike.
    public func principal(bearer token: Substring, now: Instant) -> Principal? {
        let digest = sha256(Array(token.utf8))
        return state.withLock { state in
            // A client removed while its token was being issued is nobody.
            state.tokens[digest].flatMap { $0.expires > now && state.isActive($0) ? $0 : nil }
        }
    }

    /// Whether a client is registered still, as what it was when it signed in; for what goes on for long.
    public func isCurrent(_ principal: Principal) -> Bool { state.withLock { $0.isActive(principal) } }

    /// Whether a client of this name is registered.
    func knows(_ name: String) -> Bool { state.withLock { $0.clients[name].map { !$0.isRemoved } ?? false } }

    // MARK: Failures of strangers

    private struct Failed {
        /// The address, or its network once there were more of it.
        var address: String
        var count = 0
    }

    private let failures = Mutex<[String: Failed]>([:])

    /// Counts a failed sign-in; the event itself is written by ``flushFailures()``, once per address and interval, so
    /// that a stranger cannot fill a log that everybody depends on.
    public func countFailure(source: RequestSource) {
        count(1, from: source.address)
    }

    private func count(_ failures: Int, from address: String) {
        self.failures.withLock { counts in
            // Past 1,000 networks an interval, the rest share one line.
            let group = AddressGroup.of(address)
            let key = counts.count < 1000 || counts[group] != nil ? group : "many"
            var failed = counts[key] ?? Failed(address: key == group ? address : key)
            if failed.address != address { failed.address = key }
            failed.count += failures
            counts[key] = failed
        }
    }

    /// Writes one event per address that failed since the last call.
    public func flushFailures() async {
        let counts = failures.withLock { counts in
            defer { counts = [:] }
            return counts
        }
        for (address, count) in counts.values.map({ ($0.address, $0.count) }).sorted(by: { $0.0 < $1.0 }) {
            let event = AuditEvent(
                kind: .signInFailed, time: clock(), outcome: .failed, actor: nil, purpose: nil,
                source: RequestSource(address: address, request: ""), decision: "bad-token", count: count)
            // Nothing was answered to a stranger that this event would have to precede; if the log is down, count on.
            if (try? await log.append(event)) == nil { self.count(count, from: address) }
        }
    }
}

extension AuditActor {
    /// Whoever holds the machine and its keys.
    public static let `operator` = AuditActor(id: "operator", name: "operator at the machine", role: "operator")
}
