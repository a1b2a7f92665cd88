import Synchronization
public import WardAudit
public import WardCore
import WardCrypto
import WardStorage

/// The registered apps. Anybody may register one; nothing comes of it until an administrator approves.
public final class Apps: Sendable {
    /// Registrations that may wait at once: strangers cannot fill the store.
    static let mostWaiting = 100
    /// Of these, from one network: one stranger cannot keep others out.
    static let mostWaitingFromOne = 10

    private struct State {
        var apps: [String: App] = [:]
        var busy: Set<String> = []
        /// Removed, which the log could not take yet; nothing of them is good meanwhile.
        var removing: [String: Removal] = [:]
        /// Networks of registrations on their way to the disk, by id.
        var arriving: [String: String] = [:]

        func hasRoom(from network: String, at now: Instant) -> Bool {
            let waiting = apps.values.filter { $0.isWaiting(at: now) && arriving[$0.id] == nil }
            return waiting.count + arriving.count < Apps.mostWaiting
                && waiting.count(where: { $0.network == network })
                    + arriving.values.count(where: { $0 == network }) < Apps.mostWaitingFromOne
        }
    }

    private struct Removal {
        let actor: AuditActor
        let source: RequestSource
        let time: Instant
    }

    private let state: Mutex<State>
    private let vault: EntryVault
    private let log: AuditLog

    init(vault: EntryVault, log: AuditLog) throws(IdentityFailure) {
        self.vault = vault
        self.log = log
        var state = State()
        for bytes in try vault.all(.app) {
            guard let app = App(decoding: bytes) else { throw .storage }
            state.apps[app.id] = app
        }
        self.state = Mutex(state)
    }

    // MARK: Looking

    /// Those that wait or are approved, by name.
    public var apps: [App] {
        state.withLock { state in
            state.apps.values.filter { $0.state != .removed && state.removing[$0.id] == nil }
        }.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
    }

    /// Apps that have waited too long.
    private func forgotten(at now: Instant) -> [App] {
        state.withLock { state in
            state.apps.values.filter { $0.state == .awaitingApproval && !$0.isWaiting(at: now) }
        }
    }

    /// An approved app.
    public func approved(_ id: String) -> App? { app(id).flatMap { $0.state == .approved ? $0 : nil } }

    func app(_ id: String) -> App? {
        state.withLock { $0.removing[id] == nil ? $0.apps[id] : nil }.flatMap { $0.state == .removed ? nil : $0 }
    }

    /// Whether scripts from `origin` may read answers (Fetch Standard §3.2): those of approved apps in browsers.
    public func allows(origin: String) -> Bool {
        state.withLock { state in
            state.apps.values.contains {
                $0.state == .approved && $0.origins.contains(origin) && state.removing[$0.id] == nil
            }
        }
    }

    // MARK: Changing

    /// Dynamic registration (RFC 7591 §3): ends in a state that an administrator looks at.
    public func register(
        _ body: [UInt8], source: RequestSource, at now: Instant = .now()
    ) async throws(OAuthFailure) -> App {
        let network = AddressGroup.of(source.address)
        let app = try App.registration(body, id: Directory.newID(), from: network, at: now)
        let hasRoom = state.withLock { state in
            guard state.hasRoom(from: network, at: now) else { return false }
            state.arriving[app.id] = network
            return true
        }
        guard hasRoom else { throw .registrationClosed }
        defer { state.withLock { _ = $0.arriving.removeValue(forKey: app.id) } }
        do throws(IdentityFailure) {
            try await write(app, .appRegistered, by: nil, source: source, at: now)
        } catch {
            throw .auditUnavailable
        }
        return app
    }

    /// Lets an app ask people for leave; for the machine itself, others use ``OAuth/approve(_:by:source:at:)``.
    public func approve(
        _ id: String, byOperator actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        try await change(id, .appApproved, by: actor, source, now) { app throws(IdentityFailure) in
            guard app.isWaiting(at: now) else { throw .unknownClient }
            app.state = .approved
        }
    }

    /// Ends an app at the machine itself: whatever it holds is worth nothing from then on.
    public func remove(
        _ id: String, byOperator actor: AuditActor, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let removal = Removal(actor: actor, source: source, time: now)
        do throws(IdentityFailure) {
            try await remove(id, removal)
        } catch {
            // It is over whatever becomes of the log; what could not be written is tried again.
            if error == .auditUnavailable { state.withLock { $0.removing[id] = removal } }
            throw error
        }
    }

    private func remove(_ id: String, _ removal: Removal) async throws(IdentityFailure) {
        do throws(IdentityFailure) {
            try await change(id, .appRemoved, by: removal.actor, removal.source, removal.time) {
                app throws(IdentityFailure) in
                guard app.state != .removed else { throw .unknownClient }
                app.state = .removed
            }
        } catch {
            // Gone already: nothing is left to be tried again.
            if error == .unknownClient { state.withLock { $0.removing[id] = nil } }
            throw error
        }
        state.withLock { $0.removing[id] = nil }
    }

    /// Tries again what the log could not take.
    func finishRemovals() async {
        for (id, removal) in state.withLock({ $0.removing }) { try? await remove(id, removal) }
    }

    /// Forgets registrations that nobody approved within a week. Nothing ever came of them, so that nothing is kept.
    func sweep(at now: Instant) async {
        for app in forgotten(at: now) {
            // Looked at again: it may have been approved meanwhile.
            let isMine = state.withLock { state in
                guard let known = state.apps[app.id], known.state == .awaitingApproval, !known.isWaiting(at: now) else {
                    return false
                }
                return state.busy.insert(app.id).inserted
            }
            guard isMine else { continue }
            defer { state.withLock { _ = $0.busy.remove(app.id) } }
            var event = AuditEvent(
                kind: .appRemoved, time: now, outcome: .success, actor: nil, purpose: .systemAdministration,
                source: .system, decision: "expired")
            event.subject = "app/\(app.id)"
            let removal = EntryWrite.remove(vault.locator(.app, Array(app.id.utf8)), .app)
            guard (try? await vault.commit(event, to: log, [removal])) != nil else { return }
            state.withLock { _ = $0.apps.removeValue(forKey: app.id) }
        }
    }

    private func change(
        _ id: String, _ kind: AuditEventKind, by actor: AuditActor, _ source: RequestSource, _ now: Instant,
        _ body: (inout App) throws(IdentityFailure) -> Void
    ) async throws(IdentityFailure) {
        let found: App? = state.withLock { state in
            guard let app = state.apps[id], kind == .appRemoved || state.removing[id] == nil,
                state.busy.insert(id).inserted
            else { return nil }
            return app
        }
        guard var app = found else { throw app(id) == nil ? .unknownClient : .busy }
        defer { state.withLock { _ = $0.busy.remove(id) } }
        try body(&app)
        try await write(app, kind, by: actor, source: source, at: now)
    }

    private func write(
        _ app: App, _ kind: AuditEventKind, by actor: AuditActor?, source: RequestSource, at now: Instant
    ) async throws(IdentityFailure) {
        var event = AuditEvent(
            kind: kind, time: now, outcome: .success, actor: actor, purpose: .systemAdministration, source: source,
            decision: app.state.rawValue)
        event.subject = "app/\(app.id)"
        try await vault.commit(event, to: log, [vault.put(app.encoded(), .app, key: Array(app.id.utf8))])
        state.withLock { $0.apps[app.id] = app }
    }
}
