import Synchronization
public import WardCore
import WardCrypto
import WardStorage

extension AuditLog {
    public var witnessPolicy: WitnessPolicy { witnesses.state.withLock { $0.policy } }

    /// The checkpoint that is handed out, with what witnesses have said of it.
    public func offeredCheckpoint(now: Instant) -> String? {
        witnesses.offer(now: now) { signedCheckpoint().flatMap { SignedNote($0) } }?.note
    }

    /// The newest checkpoint that a quorum has cosigned.
    public var witnessedCheckpoint: String? { witnesses.state.withLock { $0.witnessed?.note } }

    public var witnessStanding: WitnessStanding {
        let size = checkpoint.size
        return witnesses.state.withLock { state in
            let later = state.cosigned.max { $0.key < $1.key }?.value
            let newest = (state.witnessed ?? later).flatMap { note -> (size: Int64, names: [String], time: Int64)? in
                guard let checkpoint = Checkpoint(text: note.text) else { return nil }
                var (names, times): ([String], [Int64]) = ([], [])
                for witness in state.policy.witnesses {
                    guard case .valid(let time?) = note.standing(of: witness.key) else { continue }
                    names.append(witness.name)
                    times.append(time)
                }
                return names.isEmpty ? nil : (size: checkpoint.size, names: names, time: times.max() ?? 0)
            }
            return WitnessStanding(policy: state.policy, newest: newest, size: size)
        }
    }

    /// Whether the policy is the one that the log tells of: an older one put back, or the loss of it, shows at start.
    func checkWitnessPolicy() throws(AuditFailure) {
        var newest: LoggedEvent?
        for kind in [AuditEventKind.witnessAdded, .witnessRemoved] {
            guard let last = try events(with: [.kind(kind)], limit: 1).first else { continue }
            if last.index > newest?.index ?? -1 { newest = last }
        }
        let told = newest?.event.entries.last { $0.kind == .witnesses }?.hash
        guard told == witnesses.entryHash else { throw .damaged }
    }

    /// Changes who has to have seen the log; the policy and its event are one transaction.
    ///
    /// What weakens the policy is logged as ``AuditEventKind/witnessRemoved``, what does not as
    /// ``AuditEventKind/witnessAdded``.
    public func changeWitnesses(
        _ decision: String, by actor: AuditActor?, source: RequestSource,
        _ change: (inout WitnessPolicy) throws(WitnessFault) -> Void
    ) async throws {
        let before = witnessPolicy
        var policy = before
        try change(&policy)
        let isWeaker = policy.witnesses.count < before.witnesses.count || policy.quorum < before.quorum
        guard let sealed = try? keys.witnesses.seal(Array(policy.text.utf8), boundTo: LogWitnesses.context) else {
            throw AuditFailure.sealing
        }
        let event = AuditEvent(
            kind: isWeaker ? .witnessRemoved : .witnessAdded, time: .now(), outcome: .success, actor: actor,
            purpose: .systemAdministration, source: source, decision: decision)
        _ = try await commit(
            event, entries: [.put(StoredEntry(id: LogWitnesses.place, sealed: sealed), .witnesses)])
        witnesses.state.withLock { state in
            state.policy = policy
            // What a removed witness said no longer counts, and what was too little may be enough now.
            var all = state.cosigned.values.map { $0 } + [state.witnessed].compactMap { $0 }
            all = all.compactMap { LogWitnesses.sifted($0, policy, self.verifier) }
            state.witnessed = nil
            state.offered = nil
            state.cosigned = [:]
            for note in all { if let size = Checkpoint(text: note.text)?.size { state.cosigned[size] = note } }
            LogWitnesses.settle(&state)
        }
    }

    /// Takes a checkpoint with cosignatures that a witness hands in; nothing else of the store changes.
    public func takeCosignature(_ note: String, now: Instant) async -> CosignatureAnswer {
        guard let note = SignedNote(note), let checkpoint = Checkpoint(text: note.text),
            checkpoint.origin == origin, case .valid = note.standing(of: verifier)
        else { return .refused }
        var signers = 0
        let policy = witnessPolicy
        for witness in policy.witnesses {
            switch note.standing(of: witness.key) {
            case .absent: continue
            case .valid(let time?) where time <= now.microseconds / 1_000_000 + LogWitnesses.clockSkew: signers += 1
            case .invalid, .valid: return .refused
            }
        }
        guard signers > 0, let good = LogWitnesses.sifted(note, policy, verifier) else { return .refused }
        do throws(AuditFailure) {
            guard try tiles.holds(checkpoint) else { return .contradicts }
        } catch {
            return .unavailable
        }
        return await betweenCommits { self.keep(good, size: checkpoint.size) }
    }

    /// Runs on the log's queue, since it writes.
    private func keep(_ note: SignedNote, size: Int64) -> CosignatureAnswer {
        let before = witnesses.state.withLock { $0 }
        var after = before
        if let witnessed = before.witnessed, let known = Checkpoint(text: witnessed.text)?.size {
            guard size >= known else { return .stale }
            if size == known { after.cosigned[known] = witnessed }
        }
        let known = after.cosigned[size]?.signatures ?? []
        let merged = SignedNote(text: note.text, signatures: known + note.signatures)
        guard let kept = LogWitnesses.sifted(merged, after.policy, verifier) else { return .refused }
        if kept.signatures == known { return .accepted }
        after.cosigned[size] = kept
        LogWitnesses.settle(&after)
        do throws(StorageFailure) {
            let bytes = LogWitnesses.encoded(after)
            try store.commit { transaction throws(StorageFailure) in
                try transaction.putMetadata(.cosigned, bytes)
            }
        } catch {
            return .unavailable
        }
        let isKept = witnesses.state.withLock { state in
            guard state.policy == after.policy else { return false }
            (state.witnessed, state.cosigned) = (after.witnessed, after.cosigned)
            return true
        }
        return isKept ? .accepted : .unavailable
    }
}
