import WardAudit
public import WardCore
import WardCrypto
import WardStorage

/// How far a full verification has come: kept sealed beside the store's other small values, so that it goes on after a
/// restart.
///
/// What was seen before an interruption is vouched for as it was then, and for a day at most.
struct CheckState: Sendable {
    private static let lifetime: Int64 = 86_400

    let started: Instant
    var replay = StoreReplay()
    /// What the log let go of, up to where it was walked.
    var pruned = PrunedSum()
    /// What the log had let go of in all when the walk began.
    var prunings = PrunedSum()
    /// Where the log ended when it was walked.
    var target = Checkpoint(origin: "", size: 0, root: MerkleHash.empty)
    /// The last record that the log had written by then.
    var lastRecord = RecordNumber(0)
    /// Nil while the log is walked.
    var scan: RecordScan?
    /// Whether nothing wrong was seen so far.
    var isResumable = true

    init(started: Instant) {
        self.started = started
    }

    /// The newest one that was interrupted in the last day.
    static func stored(in vault: Vault) -> CheckState? {
        guard
            let sealed = try? vault.store.metadata(.verification), !sealed.isEmpty,
            let content = try? vault.keys.verification.sealing.open(sealed, boundTo: context(vault)),
            let state = CheckState(decoding: content, origin: vault.log.origin)
        else { return nil }
        let age = Instant.now().microseconds - state.started.microseconds
        return (0...lifetime * 1_000_000).contains(age) ? state : nil
    }

    func save(in vault: Vault) throws {
        let sealed = try vault.keys.verification.sealing.seal(encoded(), boundTo: Self.context(vault))
        try Self.put(sealed, in: vault)
    }

    static func forget(in vault: Vault) throws {
        if try vault.store.metadata(.verification)?.isEmpty ?? true { return }
        try put([], in: vault)
    }

    private static func put(_ bytes: [UInt8], in vault: Vault) throws(StorageFailure) {
        try vault.store.commit { transaction throws(StorageFailure) in
            try transaction.putMetadata(.verification, bytes)
        }
    }

    private static func context(_ vault: Vault) -> [UInt8] {
        Array("ward/verification-state/2".utf8) + bigEndian(Int64(vault.keys.tenant.number))
    }

    // MARK: Coding

    private func encoded() -> [UInt8] {
        var bytes = bigEndian(started.microseconds) + bigEndian(target.size) + target.root.bytes
        bytes += bigEndian(lastRecord.value) + pruned.bytes + prunings.bytes
        bytes.append(scan == nil ? 0 : 1)
        let scan = scan ?? RecordScan()
        bytes += bigEndian(scan.last.value) + scan.versions.bytes + scan.rows.bytes + scan.places.bytes
        bytes.append(scan.isDoubtful ? 1 : 0)
        return bytes + replay.encoded()
    }

    private init?(decoding bytes: [UInt8], origin: String) {
        var rest = bytes[...]
        func take(_ count: Int) -> ArraySlice<UInt8> {
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number() -> Int64 { take(8).reduce(0) { $0 << 8 | Int64($1) } }
        guard bytes.count > 250 else { return nil }
        started = Instant(microseconds: number())
        let size = number()
        guard let root = Digest(bytes: take(32)) else { return nil }
        target = Checkpoint(origin: origin, size: size, root: root)
        lastRecord = RecordNumber(number())
        guard let pruned = PrunedSum(bytes: Array(take(40))), let prunings = PrunedSum(bytes: Array(take(40))) else {
            return nil
        }
        (self.pruned, self.prunings) = (pruned, prunings)
        let hasScan = take(1).first == 1
        var scan = RecordScan()
        scan.last = RecordNumber(number())
        guard
            let versions = DigestSum(bytes: Array(take(32))), let rows = DigestSum(bytes: Array(take(32))),
            let places = DigestSum(bytes: Array(take(32)))
        else { return nil }
        (scan.versions, scan.rows, scan.places) = (versions, rows, places)
        scan.isDoubtful = take(1).first == 1
        self.scan = hasScan ? scan : nil
        guard let replay = StoreReplay(decoding: rest) else { return nil }
        self.replay = replay
    }
}

/// What is known of verifications.
public struct VerificationStatus: Sendable {
    /// When everything was verified last; nil for never.
    public let lastFull: Instant?
    /// Up to which event the log was held against the store.
    public let events: Int64
    /// One that was interrupted or still runs: when it began, and how far it is.
    public let unfinished: (started: Instant, progress: VerificationProgress)?
    /// Entries and keys from before the log named them.
    public let notCovered: Int64
}

extension Vault {
    public func verificationStatus() throws(VaultFailure) -> VerificationStatus {
        let mark = try storedMark()
        let state = CheckState.stored(in: self)
        let end = log.checkpoint.size
        return VerificationStatus(
            lastFull: mark?.lastFull, events: mark?.replay.position.size ?? 0,
            unfinished: state.map { state in
                (
                    started: state.started,
                    progress: state.scan.map {
                        VerificationProgress(step: .records, done: $0.last.value, total: state.lastRecord.value)
                    } ?? VerificationProgress(step: .events, done: state.replay.position.size, total: end)
                )
            }, notCovered: mark?.replay.adopted ?? 0)
    }

    /// The mark as it is stored; nil for none, or none that opens.
    func storedMark() throws(VaultFailure) -> VerifiedMark? {
        do throws(StorageFailure) {
            return try store.entry(VerifiedMark.place, kind: .verifiedMark).flatMap { VerifiedMark($0, keys) }
        } catch {
            throw .storage
        }
    }
}
