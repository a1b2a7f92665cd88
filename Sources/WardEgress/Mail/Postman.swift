import Synchronization
public import WardAudit
public import WardCore
public import WardCrypto
import WardFHIR
public import WardStorage

/// Where notices go.
public struct NoticeSettings: Hashable, Sendable {
    public let destination: String
    public let from: MailAddress
    public let to: MailAddress
    /// Name of the mail account; nil for a server that asks for none.
    public let user: String?
    /// Strict file with the password of the account; the service manager's credential `ward-mail-password` if nil.
    public let passwordFile: String?

    public init(destination: String, from: MailAddress, to: MailAddress, user: String?, passwordFile: String?) {
        self.destination = destination
        self.from = from
        self.to = to
        self.user = user
        self.passwordFile = passwordFile
    }
}

/// A notice that waits.
public struct WaitingNotice: Hashable, Sendable {
    public let id: String
    public let notice: Notice
    public let queued: Instant
}

/// Sends notices: keeps them sealed until a mail server has taken them, tries again with growing pauses, gives up after
/// a week, keeps no more than ``mostWaiting``.
public final class Postman: Sendable {
    private struct State {
        var settings: NoticeSettings?
        var waiting: [WaitingNotice] = []
        /// Marks of what was told already.
        var told: [String] = []
        var attempts: [String: (count: Int64, next: Instant)] = [:]
    }

    public static let mostWaiting = 100
    public static let mostTold = 1000
    private static let lifetime: Int64 = 7 * 86_400

    private let broker: EgressBroker
    private let vault: EgressVault
    private let log: AuditLog
    private let origin: String
    private let password: @Sendable (NoticeSettings) -> [UInt8]?
    private let clock: @Sendable () -> Instant
    private let state: Mutex<State>
    /// Settings and marks are one entry: one change of it at a time, or an older one would come back.
    private let changes = Turnstile()

    /// - Parameters:
    ///   - material: as the register has it.
    ///   - origin: `https://host[:port]`, for links.
    ///   - password: reads the password of the mail account from where it is kept.
    public init(
        store: any SealedStore, material: KeyMaterial, log: AuditLog, broker: EgressBroker, origin: String,
        clock: @escaping @Sendable () -> Instant = { .now() },
        password: @escaping @Sendable (NoticeSettings) -> [UInt8]?
    ) throws(RegisterFault) {
        self.broker = broker
        self.log = log
        self.origin = origin
        self.clock = clock
        self.password = password
        vault = EgressVault(store: store, material: material)
        var state = State()
        for bytes in try vault.all(.noticeSettings) {
            guard let root = (try? JSONTape(parsing: bytes))?.root else { throw .storage }
            state.told = root.strings("told") ?? []
            state.settings = NoticeSettings(root)
        }
        for bytes in try vault.all(.notice) {
            guard let waiting = WaitingNotice(decoding: bytes) else { throw .storage }
            state.waiting.append(waiting)
        }
        state.waiting.sort { $0.queued < $1.queued }
        self.state = Mutex(state)
    }

    public var settings: NoticeSettings? { state.withLock { $0.settings } }
    public var waiting: [WaitingNotice] { state.withLock { $0.waiting } }

    /// Sets where notices go; nil for nowhere.
    ///
    /// - Parameter told: marks of what is known already, and not told of any more.
    public func set(
        _ settings: NoticeSettings?, told: [String], by actor: AuditActor, source: RequestSource
    ) async throws(RegisterFault) {
        guard await changes.enterInTurn() else { throw .busy }
        defer { changes.leave() }
        let write = try vault.put(Self.encoded(settings, told), .noticeSettings, key: "settings")
        try await commit(
            .noticeSet, settings.map { "destination=\($0.destination)" } ?? "none", actor, source, [write])
        state.withLock { ($0.settings, $0.told) = (settings, told) }
    }

    /// Queues a notice of what nobody was told of yet; nothing if all was, or notices go nowhere, or where they go is
    /// being changed: then the next call tells.
    ///
    /// - Parameters:
    ///   - marks: of everything that there is to tell, the newest first; they are kept, sealed, and told of once.
    ///   - make: the notice of those that are new.
    public func tell(_ marks: [String], _ make: @escaping (Set<String>) -> Notice) async throws(RegisterFault) {
        try await tell([(marks, make)])
    }

    /// As ``tell(_:_:)`` for matters that have notices of their own; a mark belongs to one of them.
    public func tell(
        _ matters: [(marks: [String], make: (Set<String>) -> Notice)]
    ) async throws(RegisterFault) {
        guard changes.enter() else { return }
        defer { changes.leave() }
        let (settings, told) = state.withLock { ($0.settings, $0.told) }
        let all = matters.flatMap { Array($0.marks.prefix(Self.mostTold)) }
        var items: [WaitingNotice] = []
        for matter in matters {
            let fresh = Set(matter.marks.prefix(Self.mostTold)).subtracting(told)
            guard !fresh.isEmpty else { continue }
            items.append(WaitingNotice(id: randomUUID(), notice: matter.make(fresh), queued: clock()))
        }
        guard let settings, !items.isEmpty else { return }
        var writes = [try vault.put(Self.encoded(settings, all), .noticeSettings, key: "settings")]
        for item in items { writes.append(try vault.put(item.encoded(), .notice, key: item.id)) }
        // The oldest make room: the newest tells that there is something to look at.
        let room = Self.mostWaiting - items.count
        let surplus = state.withLock { Array($0.waiting.dropLast(room)) }
        writes += surplus.map { vault.remove(.notice, key: $0.id) }
        try await commit(.noticeQueued, "dropped=\(surplus.count)", nil, .system, writes)
        state.withLock { state in
            state.told = all
            state.waiting.removeAll(where: surplus.contains)
            state.waiting += items
        }
    }

    /// Sends what waits and is due.
    public func deliver() async {
        let now = clock()
        let due = state.withLock { state in
            state.waiting.filter { item in state.attempts[item.id].map { $0.next <= now } ?? true }
        }
        for item in due {
            if item.queued.adding(seconds: Self.lifetime) < now {
                await end(item, .failed, "given-up")
                continue
            }
            do throws(EgressFailure) {
                try await send(item.notice)
                await end(item, .success, "sent")
            } catch {
                state.withLock { state in
                    let count = (state.attempts[item.id]?.count ?? 0) + 1
                    // 1, 2, 4 ... minutes, six hours at most.
                    let pause: Int64 = min(21_600, 60 << min(count - 1, 9))
                    state.attempts[item.id] = (count, clock().adding(seconds: pause))
                }
                // What failed for one would fail for all.
                return
            }
        }
    }

    /// Sends one notice now.
    public func send(_ notice: Notice) async throws(EgressFailure) {
        guard let settings else { throw .refused(.unknownDestination) }
        var credentials: MailCredentials?
        if let user = settings.user {
            guard let password = password(settings), !password.isEmpty else { throw .withoutSecret }
            credentials = MailCredentials(user: user, password: password)
        }
        let message = MailMessage(
            from: settings.from, to: settings.to, notice: notice, origin: origin, time: clock(), id: randomUUID())
        try await converse(settings.destination) { dialogue throws(EgressFailure) in
            try await dialogue.send(message, as: credentials)
        }
    }

    /// Greets a mail server and takes leave.
    public func greet(_ destination: String) async throws(EgressFailure) {
        try await converse(destination) { dialogue throws(EgressFailure) in _ = try await dialogue.begin() }
    }

    private func converse(
        _ destination: String, _ body: (inout SMTPDialogue) async throws(EgressFailure) -> Void
    ) async throws(EgressFailure) {
        let connection = try await broker.open(destination, .mail)
        var dialogue = SMTPDialogue(connection: connection)
        do throws(EgressFailure) { try await body(&dialogue) } catch {
            await connection.close(error)
            throw error
        }
        await dialogue.end()
        await connection.close()
    }

    private func end(_ item: WaitingNotice, _ outcome: AuditOutcome, _ decision: String) async {
        // Not let go of unless the log has taken it: rather twice than never.
        let write = vault.remove(.notice, key: item.id)
        guard (try? await commit(.noticeEnded, decision, nil, .system, [write], outcome)) != nil else { return }
        state.withLock { state in
            state.waiting.removeAll { $0.id == item.id }
            state.attempts[item.id] = nil
        }
    }

    private func commit(
        _ kind: AuditEventKind, _ decision: String, _ actor: AuditActor?, _ source: RequestSource,
        _ writes: [EntryWrite], _ outcome: AuditOutcome = .success
    ) async throws(RegisterFault) {
        let event = AuditEvent(
            kind: kind, time: clock(), outcome: outcome, actor: actor, purpose: .systemAdministration, source: source,
            decision: decision)
        do throws(SubmissionFailure) { _ = try await log.commit(event, entries: writes) } catch {
            throw .auditUnavailable
        }
    }

    private static func encoded(_ settings: NoticeSettings?, _ told: [String]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        if let settings {
            writer.member("destination", settings.destination)
            writer.member("from", settings.from.text)
            writer.member("to", settings.to.text)
            if let user = settings.user { writer.member("user", user) }
            if let file = settings.passwordFile { writer.member("passwordFile", file) }
        }
        writer.strings("told", told)
        writer.endObject()
        return writer.bytes
    }
}

extension NoticeSettings {
    fileprivate init?(_ root: JSONValue) {
        guard let destination = root["destination"]?.string, let from = root["from"]?.string.flatMap(MailAddress.init),
            let to = root["to"]?.string.flatMap(MailAddress.init)
        else { return nil }
        self.init(
            destination: destination, from: from, to: to, user: root["user"]?.string,
            passwordFile: root["passwordFile"]?.string)
    }
}

extension WaitingNotice {
    fileprivate func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("id", id)
        writer.member("queued", queued.microseconds)
        writer.key("notice")
        writer.beginArray()
        for number in notice.encoded { writer.number(number) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    fileprivate init?(decoding bytes: [UInt8]) {
        guard let root = (try? JSONTape(parsing: bytes))?.root, let id = root["id"]?.string,
            let queued = root["queued"]?.integer, let numbers = root["notice"]?.elements,
            let notice = Notice(decoding: numbers.compactMap(\.integer))
        else { return nil }
        self.init(id: id, notice: notice, queued: Instant(microseconds: queued))
    }
}
