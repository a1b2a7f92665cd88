import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardFHIR
import WardPolicy
import WardServer
import WardStorage

/// The pairing with a standby, where the store is.
extension OperatorService {
    func pairStandby(_ request: OperatorRequest, _ reply: Reply) async throws {
        guard let text = request.options["request"] else { throw CommandFailure("a request of the standby is needed") }
        let asked = try StandbyRequest(Array(text.utf8))
        guard let lease = request.options["lease"].flatMap({ Int64($0) }), (2...300).contains(lease) else {
            throw CommandFailure("--lease is 2 to 300")
        }
        var record = try StandbyRecord(of: house.store, house.standbyKey) ?? StandbyRecord()
        guard record.follower == nil else {
            throw CommandFailure("a standby is paired already; end that first: ward standby end")
        }
        let actor = try await acting(.administer, request)
        let identity = try PinnedIdentity.make(now: .now())
        (record.follower, record.leaseSeconds) = (asked.fingerprint, lease)
        (record.identity, record.former) = (identity, nil)
        let pairing = StandbyPairing(
            store: house.header.id, origin: house.log.origin, logKey: house.log.publicKey,
            primary: try StandbyWire.fingerprint(identity), leaseSeconds: lease, epoch: record.epoch,
            sealed: try house.backups.keys.sealed(to: asked.recipient, standby: asked.fingerprint))
        try await commit(
            record, .standbyPaired, "\(hex(asked.fingerprint)) epoch \(record.epoch) lease \(lease) s", actor)
        reply(.output(pairing.text))
    }

    /// Ends the pairing on the word of whoever confirms it: nothing else can know that the copy is gone.
    func endStandby(_ request: OperatorRequest, _ reply: Reply) async throws {
        guard var record = try StandbyRecord(of: house.store, house.standbyKey), record.follower != nil else {
            throw CommandFailure("no standby is paired")
        }
        let reason = try reason(request)
        let actor = try await acting(.administer, request)
        // Whoever follows later begins with another number than the copy that is said to be gone.
        (record.follower, record.identity, record.former) = (nil, nil, nil)
        record.epoch += 1
        try await commit(record, .standbyEnded, "epoch \(record.epoch) \(reason)", actor)
        house.standby?.feed.release()
        await house.standby?.close()
        reply(.output("the pairing has ended; the store is written without a lease"))
    }

    func reason(_ request: OperatorRequest) throws -> String {
        let reason = request.options["reason"] ?? ""
        guard (1...300).contains(reason.utf8.count), reason == visibleText(reason) else {
            throw CommandFailure("--reason says why in up to 300 bytes")
        }
        return reason
    }

    private func commit(
        _ record: StandbyRecord, _ kind: AuditEventKind, _ decision: String, _ actor: AuditActor
    ) async throws {
        let event = AuditEvent(
            kind: kind, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: Self.source, decision: decision)
        do throws(SubmissionFailure) {
            _ = try await house.log.commit(event, entries: [try entry(record)])
        } catch {
            throw CommandFailure("the log could not be written, so nothing was done")
        }
    }

    private func entry(_ record: StandbyRecord) throws(SubmissionFailure) -> EntryWrite {
        do { return try record.entry(house.standbyKey) } catch { throw .unavailable }
    }

    func standbyStatus(_ request: OperatorRequest, _ reply: Reply) throws {
        let record = try StandbyRecord(of: house.store, house.standbyKey)
        let status = house.standby?.feed.status
        let spools = KnownSpools(house.folder, house.store)
        let isGood =
            spools.waiting.isEmpty
            && (record?.follower == nil || (status.map { $0.follower == .following && !$0.hasFallenBack } ?? false))
        if request.options["json"] != nil {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("role", "primary")
            writer.member("epoch", record?.epoch ?? 1)
            writer.key("paired")
            writer.bool(record?.follower != nil)
            if let follower = record?.follower { writer.member("standby", hex(follower)) }
            if let status {
                writer.member("follower", status.follower.rawValue)
                writer.member("mode", status.isSynchronous ? "synchronous" : "asynchronous")
                writer.key("fallenBack")
                writer.bool(status.hasFallenBack)
                writer.member("leaseMilliseconds", Int64(status.leaseSeconds * 1000))
                writer.member("waiting", status.waiting)
                writer.member("lagMilliseconds", Int64(status.lagSeconds * 1000))
                if let epoch = status.fencedBy { writer.member("fencedBy", epoch) }
            }
            spools.write(to: &writer)
            writer.key("good")
            writer.bool(isGood)
            writer.endObject()
            reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
        } else {
            reply(.output("epoch     \(record?.epoch ?? 1)"))
            reply(.output("standby   \(record?.follower.map { hex($0) } ?? "none is paired")"))
            for line in spools.lines { reply(.output(line)) }
            if let status {
                reply(.output("follower  \(status.follower.rawValue)"))
                reply(
                    .output(
                        "mode      \(status.isSynchronous ? "synchronous" : "asynchronous")\(status.hasFallenBack ? ", FALLEN BACK: commits are answered without it" : "")"
                    ))
                reply(.output("lease     \(Int64(status.leaseSeconds * 1000)) ms left"))
                reply(
                    .output("lag       \(Int64(status.lagSeconds * 1000)) ms, \(status.waiting) transactions wait"))
                if let epoch = status.fencedBy { reply(.output("FENCED    a standby was promoted, epoch \(epoch)")) }
            }
        }
        if !isGood { reply(.unsound) }
    }
}
