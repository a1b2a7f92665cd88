import Synchronization
import WardCore
import WardCrypto
import WardStorage

/// What witnesses have said of the log so far, and the checkpoint that they are asked about now.
///
/// Witnesses look in when they like. The checkpoint that is handed out stands still for a while, until a quorum has
/// cosigned it; were it always the newest, each witness of a busy log would cosign another one, and no quorum ever meet.
final class LogWitnesses: Sendable {
    struct State: Sendable {
        var policy = WitnessPolicy()
        /// Newest checkpoint that a quorum has cosigned.
        var witnessed: SignedNote?
        /// Later ones that at least one has cosigned, by size.
        var cosigned: [Int64: SignedNote] = [:]
        var offered: (note: SignedNote, size: Int64, until: Instant)?
    }

    /// Seconds that a checkpoint without a quorum is handed out.
    static let offerSeconds: Int64 = 120
    /// Later checkpoints that are kept while they wait for a quorum.
    static let mostWaiting = 8
    /// Seconds that a witness's clock may be ahead.
    static let clockSkew: Int64 = 600

    static let place = Locator(high: 0, low: 1)
    static let context = Array("ward/witnesses/1".utf8)

    let state: Mutex<State>
    /// Of the policy as it was stored at start, as the log tells of it.
    let entryHash: String?

    /// Reads policy and cosignatures, and holds them against the log.
    ///
    /// - Throws: ``AuditFailure/damaged`` for cosigned checkpoints that the log does not continue, or a policy that
    ///   does not open.
    init(
        store: any SealedStore, keys: AuditKeys, verifier: VerifierKey, tiles: LogTiles
    ) throws(AuditFailure) {
        var state = State()
        let (entry, kept): (StoredEntry?, [UInt8]?)
        do throws(StorageFailure) {
            entry = try store.entry(Self.place, kind: .witnesses)
            kept = try store.metadata(.cosigned)
        } catch {
            throw .storage
        }
        if let entry {
            guard let bytes = try? keys.witnesses.open(entry.sealed, boundTo: Self.context),
                let policy = WitnessPolicy(text: String(decoding: bytes, as: UTF8.self))
            else { throw .damaged }
            state.policy = policy
        }
        entryHash = entry.flatMap { AuditedEntry(.put($0, .witnesses)).hash }
        for note in Self.notes(kept ?? []) {
            guard let checkpoint = Checkpoint(text: note.text), let good = Self.sifted(note, state.policy, verifier)
            else { continue }
            // A cosigned checkpoint outlives a log that is cut back or exchanged under it.
            guard checkpoint.origin == verifier.name, try tiles.holds(checkpoint) else { throw .damaged }
            state.cosigned[checkpoint.size] = good
        }
        Self.settle(&state)
        self.state = Mutex(state)
    }

    // MARK: Notes

    /// The note with the log's signature and those of the policy's witnesses only, the newest of each; nil without any.
    static func sifted(_ note: SignedNote, _ policy: WitnessPolicy, _ log: VerifierKey) -> SignedNote? {
        guard case .valid = note.standing(of: log) else { return nil }
        var kept = note.signatures.filter { $0.name == log.name && $0.keyID == log.keyID }.prefix(1).map { $0 }
        for witness in policy.witnesses {
            let own = note.signatures.filter { $0.name == witness.key.name && $0.keyID == witness.key.keyID }
            let newest = own.compactMap { line -> (SignedNote.Signature, Int64)? in
                let alone = SignedNote(text: note.text, signatures: [line])
                guard case .valid(let time?) = alone.standing(of: witness.key) else { return nil }
                return (line, time)
            }.max { $0.1 < $1.1 }
            if let newest { kept.append(newest.0) }
        }
        return kept.count > 1 ? SignedNote(text: note.text, signatures: kept) : nil
    }

    /// The newest with a quorum, and what is later than it.
    static func settle(_ state: inout State) {
        let policy = state.policy
        let reached = state.cosigned.filter { policy.quorum > 0 && $0.value.signatures.count > policy.quorum }
        if let newest = reached.max(by: { $0.key < $1.key }) {
            state.witnessed = newest.value
            state.cosigned = state.cosigned.filter { $0.key > newest.key }
        }
        while state.cosigned.count > mostWaiting, let oldest = state.cosigned.keys.min() {
            state.cosigned[oldest] = nil
        }
    }

    /// What stands in the store: each note behind its length.
    static func encoded(_ state: State) -> [UInt8] {
        var bytes: [UInt8] = []
        let waiting = state.cosigned.sorted { $0.key < $1.key }.map(\.value)
        for note in [state.witnessed].compactMap({ $0 }) + waiting {
            let text = Array(note.note.utf8)
            bytes += withBytes(of: UInt32(text.count)) + text
        }
        return bytes
    }

    private static func notes(_ bytes: [UInt8]) -> [SignedNote] {
        var (notes, at): ([SignedNote], Int) = ([], 0)
        while at + 4 <= bytes.count {
            let count = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
            guard at + 4 + count <= bytes.count else { break }
            if let note = SignedNote(String(decoding: bytes[(at + 4)..<(at + 4 + count)], as: UTF8.self)) {
                notes.append(note)
            }
            at += 4 + count
        }
        return notes
    }

    /// The checkpoint that is handed out; `newest` is signed only if it is needed.
    func offer(now: Instant, newest: () -> SignedNote?) -> SignedNote? {
        state.withLock { state in
            if !state.policy.witnesses.isEmpty, let offered = state.offered, now < offered.until,
                now >= offered.until.adding(seconds: -Self.offerSeconds)
            {
                let note = state.cosigned[offered.size] ?? offered.note
                // Not yet witnessed: everybody who looks in is asked about the same one.
                if Checkpoint(text: state.witnessed?.text ?? "")?.size ?? -1 < offered.size { return note }
            }
            guard let note = newest(), let size = Checkpoint(text: note.text)?.size else { return nil }
            state.offered = (note: note, size: size, until: now.adding(seconds: Self.offerSeconds))
            if let witnessed = state.witnessed, witnessed.text == note.text { return witnessed }
            return state.cosigned[size] ?? note
        }
    }
}

/// What came of a cosignature that was handed in.
public enum CosignatureAnswer: Hashable, Sendable {
    case accepted
    /// The log signed this once and is another log now, or somebody else holds its key.
    case contradicts
    /// Not a checkpoint of this log with a valid cosignature of a named witness.
    case refused
    /// A later one is witnessed.
    case stale
    case unavailable
}

/// How far the log is witnessed.
public struct WitnessStanding: Sendable {
    public let policy: WitnessPolicy
    /// Who has cosigned the newest checkpoint that a quorum has seen, or else that anybody has; nil for none.
    public let newest: (size: Int64, names: [String], time: Int64)?
    /// Size of the log now.
    public let size: Int64

    public var isWitnessed: Bool { policy.quorum > 0 && (newest?.names.count ?? 0) >= policy.quorum }
    /// Events that nobody has vouched for.
    public var since: Int64 { size - (newest?.size ?? 0) }
}

extension WitnessStanding {
    /// One honest sentence.
    public var text: String {
        guard !policy.witnesses.isEmpty else {
            return "unwitnessed: no witness is named, so that whoever holds the keys could rewrite the log unseen"
        }
        guard let newest else {
            return "unwitnessed: \(policy.witnesses.count) named, none has cosigned yet"
        }
        let time = Instant(microseconds: newest.time * 1_000_000).text
        let seen = "\(newest.names.count) of \(policy.witnesses.count) up to event \(newest.size) at \(time)"
        return (isWitnessed ? "witnessed by \(seen)" : "unwitnessed: \(policy.quorum) must have cosigned, only \(seen)")
            + ", \(since) events since"
    }
}
