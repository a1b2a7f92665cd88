import Dispatch
public import WardAudit
import WardCore
import WardCrypto
import WardFHIR
public import WardGate
import WardStorage

/// What a replay of the log against the store found.
///
/// Names records; for the security officer.
public struct StoreVerification: Sendable {
    public enum Fault: Hashable, Sendable {
        /// The index card does not say what the record says, or belongs to a version that is not current.
        case card
        /// The current version or entry is not the one the log wrote last.
        case rolledBack
        /// The log wrote a version or entry that is not there.
        case missing
        /// A version or entry is not the one that was written, or does not open.
        case altered
        /// Something is there that the log never wrote, or that it removed.
        case unaccounted
    }

    public let log: AuditVerification
    public let records: Int
    /// Accounts, credentials, sessions, registrations, grants, emergencies, policy, marks.
    public let entries: Int
    /// Entries and patient keys from before the log named them: nothing can be said of those.
    public let notCovered: Int
    /// Type and id, kind of entry, or only a number where a record cannot be named.
    public let faults: [(record: String, fault: Fault)]

    public var isWhole: Bool { log.isWhole && faults.isEmpty }
}

/// How far a verification has come.
public struct VerificationProgress: Hashable, Sendable {
    public enum Step: String, Sendable {
        case events, records
    }

    public let step: Step
    public let done: Int64
    public let total: Int64
}

extension Vault {
    /// Verifies the log, then everything that is stored against what the log says was written.
    ///
    /// Two passes: the log from its beginning, then every stored version. Both are held against each other by keyed
    /// sums (``StoreReplay``), so that memory is the same for a thousand events and for ten million, but for 33 bytes an
    /// entry. Only if the sums differ, the log is walked again, once for every 250,000 versions, to name the fault:
    /// about 60 MB at a time.
    ///
    /// - Parameters:
    ///   - earlier: a checkpoint kept elsewhere.
    ///   - isResumed: goes on where a verification was interrupted in the last day, if one was.
    public func verify(
        against earlier: Checkpoint?, isResumed: Bool = false, with grant: consuming AccessGrant<Administer>,
        progress: @escaping @Sendable (VerificationProgress) -> Void = { _ in }
    ) async throws(VaultFailure) -> StoreVerification {
        let done = grant.event(.success, time: .now())
        let checked = try await check(
            against: earlier, isResumed: isResumed, .userInitiated, isStopped: { false }, progress: { progress })
        guard let (result, replay) = checked else { throw .storage }
        try await finish(result, replay, done)
        return result
    }

    /// Notes in the log that a verification was made, and keeps what it vouches for.
    func finish(
        _ result: StoreVerification, _ replay: StoreReplay, _ event: AuditEvent
    ) async throws(VaultFailure) {
        if result.isWhole {
            try await keep(VerifiedMark(replay: replay, lastFull: event.time), event)
        } else {
            var event = event
            event.outcome = .failed
            _ = try await append(event)
        }
    }

    /// Commits a mark with the event that accounts for it.
    func keep(
        _ mark: VerifiedMark, _ event: AuditEvent, adopted: [AuditedEntry] = []
    ) async throws(VaultFailure) {
        guard let entry = mark.sealed(keys) else { throw .damaged }
        do throws(SubmissionFailure) {
            _ = try await log.commit(event, entries: [.put(entry, .verifiedMark)], adopted: adopted)
        } catch {
            throw .auditUnavailable
        }
    }
}

/// Up to where the log was held against the store, and what the store held then.
///
/// An entry of the store like others, so that the event that writes it names its hash: an older one in its place
/// contradicts the events after it, and none at all makes the next start begin with the first event.
struct VerifiedMark: Sendable {
    static let place = Locator(high: 0, low: 1)

    let replay: StoreReplay
    /// When everything was verified, records too; nil for never.
    let lastFull: Instant?

    init(replay: StoreReplay, lastFull: Instant?) {
        self.replay = replay
        self.lastFull = lastFull
    }

    func sealed(_ keys: VaultKeys) -> StoredEntry? {
        let content = bigEndian(lastFull?.microseconds ?? 0) + replay.encoded()
        return (try? keys.verification.sealing.seal(content, boundTo: Self.context(keys)))
            .map { StoredEntry(id: Self.place, sealed: $0) }
    }

    /// Nil for what is not a mark of this store.
    init?(_ entry: StoredEntry, _ keys: VaultKeys) {
        guard
            let content = try? keys.verification.sealing.open(entry.sealed, boundTo: Self.context(keys)),
            content.count > 8, let replay = StoreReplay(decoding: content[8...])
        else { return nil }
        let time = content.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
        self.init(replay: replay, lastFull: time == 0 ? nil : Instant(microseconds: time))
    }

    private static func context(_ keys: VaultKeys) -> [UInt8] {
        Array("ward/verified-mark/1".utf8) + bigEndian(Int64(keys.tenant.number))
    }
}
