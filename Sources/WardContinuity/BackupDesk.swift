import Synchronization
public import WardAudit
public import WardCore
public import WardCrypto
import WardFHIR
public import WardStorage

/// What the store itself knows of its backups: to which kit they are sealed, the newest one, the last drill.
///
/// Sealed entries, each put in the transaction of its event.
public final class BackupDesk: Sendable {
    public let keys: BackupKeys
    private let store: any SealedStore
    private let log: AuditLog
    private let known: Mutex<Known>
    /// One note at a time, so that none takes the place of another.
    private let turn = Turn()

    private struct Known {
        var recipient: RecoveryRecipient?
        var state = BackupState()
    }

    /// Opens what the store holds.
    public init(store: any SealedStore, keys: BackupKeys, log: AuditLog) throws(BackupFailure) {
        self.store = store
        self.keys = keys
        self.log = log
        var known = Known()
        if let bytes = try Self.entry(.backupRecipient, store, keys) {
            guard let recipient = RecoveryRecipient(bytes: bytes) else { throw .store }
            known.recipient = recipient
        }
        if let bytes = try Self.entry(.backupState, store, keys) {
            guard let state = BackupState(decoding: bytes) else { throw .store }
            known.state = state
        }
        self.known = Mutex(known)
    }

    /// To which kit backups are sealed; nil before there is one.
    public var recipient: RecoveryRecipient? { known.withLock { $0.recipient } }
    public var state: BackupState { known.withLock { $0.state } }

    /// Seals to this kit from the next backup on.
    public func adopt(
        _ recipient: RecoveryRecipient, by actor: AuditActor?, source: RequestSource
    ) async throws(BackupFailure) {
        var event = event(.backupKitMade, .success, hex(recipient.fingerprint))
        event.actor = actor
        event.source = source
        try await commit(event, recipient.bytes, .backupRecipient)
        known.withLock { $0.recipient = recipient }
    }

    /// Writes down what became of a backup or drill, in the log and beside it.
    func note(
        _ kind: AuditEventKind, _ outcome: AuditOutcome, _ decision: String,
        _ change: @escaping @Sendable (inout BackupState) -> Void
    ) async throws(BackupFailure) {
        let event = event(kind, outcome, decision)
        let result: Result<Void, BackupFailure> = await turn.take { [self] in
            var state = state
            change(&state)
            do throws(BackupFailure) {
                try await commit(event, state.encoded(), .backupState)
            } catch {
                return .failure(error)
            }
            let noted = state
            known.withLock { $0.state = noted }
            return .success(())
        }
        try result.get()
    }

    private func event(_ kind: AuditEventKind, _ outcome: AuditOutcome, _ decision: String) -> AuditEvent {
        AuditEvent(
            kind: kind, time: .now(), outcome: outcome, actor: nil, purpose: .systemAdministration, source: .system,
            decision: decision)
    }

    private func commit(_ event: AuditEvent, _ content: [UInt8], _ kind: EntryKind) async throws(BackupFailure) {
        let place = Self.place(kind, keys)
        guard let sealed = try? keys.entries.seal(content, boundTo: Self.context(kind)) else { throw .sealing }
        do throws(SubmissionFailure) {
            _ = try await log.commit(event, entries: [.put(StoredEntry(id: place, sealed: sealed), kind)])
        } catch {
            throw .store
        }
    }

    private static func entry(
        _ kind: EntryKind, _ store: any SealedStore, _ keys: BackupKeys
    ) throws(BackupFailure) -> [UInt8]? {
        let entry: StoredEntry?
        do throws(StorageFailure) { entry = try store.entry(place(kind, keys), kind: kind) } catch { throw .store }
        guard let entry else { return nil }
        guard let content = try? keys.entries.open(entry.sealed, boundTo: context(kind)) else { throw .store }
        return content
    }

    private static func place(_ kind: EntryKind, _ keys: BackupKeys) -> Locator {
        keys.places.tag(Array("backup/\(kind.rawValue)".utf8)).locator
    }

    private static func context(_ kind: EntryKind) -> [UInt8] { Array("ward/backup-entry/1/\(kind.rawValue)".utf8) }
}

/// What is known of the newest backup and the last drill.
public struct BackupState: Hashable, Sendable {
    /// Number and digest of the newest full backup; 0 for none.
    public internal(set) var number: Int64 = 0
    var digest = ""
    /// Where that was, as the server names it.
    var place = ""
    public internal(set) var made: Instant?
    /// When the last drill ended, and whether what was restored was equal.
    public internal(set) var drilled: Instant?
    public internal(set) var drillWasGood = false
    public internal(set) var drillMilliseconds: Int64 = 0
    /// What the drill found, signed.
    public internal(set) var drillReport = ""

    init() {}

    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("number", number)
        writer.member("digest", digest)
        writer.member("place", place)
        if let made { writer.member("made", made.microseconds) }
        if let drilled { writer.member("drilled", drilled.microseconds) }
        writer.member("drillWasGood", Int64(drillWasGood ? 1 : 0))
        writer.member("drillMilliseconds", drillMilliseconds)
        writer.member("drillReport", drillReport)
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard let root = (try? JSONTape(parsing: bytes))?.root, let number = root["number"]?.integer,
            let digest = root["digest"]?.string
        else { return nil }
        self.number = number
        self.digest = digest
        place = root["place"]?.string ?? ""
        made = root["made"]?.integer.map { Instant(microseconds: $0) }
        drilled = root["drilled"]?.integer.map { Instant(microseconds: $0) }
        drillWasGood = root["drillWasGood"]?.integer == 1
        drillMilliseconds = root["drillMilliseconds"]?.integer ?? 0
        drillReport = root["drillReport"]?.string ?? ""
    }
}
