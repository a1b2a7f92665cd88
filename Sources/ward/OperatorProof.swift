import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardPolicy
import WardWatch

/// What the log proves to others, and who vouches for it.
extension OperatorService {
    func prove(_ request: OperatorRequest, _ reply: Reply) throws {
        guard let index = request.options["index"].flatMap({ Int64($0) }) else {
            throw CommandFailure("the index of an event is needed")
        }
        let proof: LogProof?
        do throws(AuditFailure) { proof = try house.log.proof(of: index) } catch {
            throw CommandFailure(
                "the log does not agree with its checkpoint or could not be read; run: ward audit verify")
        }
        guard let proof else { throw CommandFailure("the log has no event \(index)") }
        guard let out = request.options["out"] else { return reply(.output(String(proof.text.dropLast()))) }
        do throws(FileFailure) { try PrivateFile.replace(out, Array(proof.text.utf8)) } catch {
            throw CommandFailure("\(out) cannot be written")
        }
        reply(.output("proof of event \(index) written to \(out)"))
    }

    func mirror(_ request: OperatorRequest, _ reply: Reply) async throws {
        guard let folder = request.options["folder"] else { throw CommandFailure("a folder is needed") }
        let source = LocalLog(log: house.log, takesPayloads: request.options["payloads"] != nil)
        // What leaves is sealed, and is still to be known before it does.
        if source.takesPayloads {
            var event = AuditEvent.system(.auditExported, decision: "sealed-mirror")
            event.actor = try await acting(.administer, request)
            _ = try await house.log.append(event)
        }
        let mirror = LogMirror(folder: folder, source: source, key: house.log.verifier)
        let outcome: LogMirror.Outcome
        do {
            outcome = try await mirror.run { reply(.progress(done: Int($0), total: Int($1), what: "events mirrored")) }
        } catch is AuditFailure {
            throw CommandFailure("the log could not be read")
        }
        switch outcome {
        case .whole(let size):
            reply(.output("\(size) events mirrored; they add up to the log's signed checkpoint"))
        case .unsound(let text):
            reply(.output("FAULT  \(text)"))
            reply(.unsound)
        }
    }

    func status(_ request: OperatorRequest, _ reply: Reply) {
        let standing = house.log.witnessStanding
        guard request.options["json"] != nil else {
            reply(.output("log        \(house.log.origin), \(standing.size) events"))
            reply(.output("key        \(house.log.verifier.text)"))
            reply(.output("witnesses  \(standing.text)"))
            return reply(.output("reviews    \(reviewsText)"))
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("origin", house.log.origin)
        writer.member("key", house.log.verifier.text)
        writer.member("size", standing.size)
        writer.key("witnessed")
        writer.bool(standing.isWitnessed)
        writer.member("quorum", standing.policy.quorum)
        writer.key("witnesses")
        writer.beginArray()
        for witness in standing.policy.witnesses { writer.string(witness.name) }
        writer.endArray()
        writer.key("cosignedBy")
        writer.beginArray()
        for name in standing.newest?.names ?? [] { writer.string(name) }
        writer.endArray()
        if let newest = standing.newest {
            writer.member("cosignedSize", newest.size)
            writer.member("cosignedAt", Instant(microseconds: newest.time * 1_000_000).text)
        }
        writer.member("eventsSince", standing.since)
        writer.member("posture", standing.text)
        writer.member("reviews", reviewsText)
        writer.member("reviewsOverdue", (try? house.reviews.overdue(at: .now()).count) ?? -1)
        writer.endObject()
        reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
    }

    /// How the weekly review stands.
    private var reviewsText: String {
        guard let weeks = try? house.reviews.weeks(at: .now()) else { return "the log cannot be read" }
        let open = weeks.filter { !$0.isComplete }
        let late = open.count { $0.week.due <= .now() }
        let alone = weeks.count(where: \.isAlone)
        var text = "\(weeks.count) weeks, \(open.count) not signed, \(late) overdue"
        if alone > 0 { text += ", \(alone) signed by whom they are about, since there was nobody else" }
        return text
    }

    func changeWitnesses(_ request: OperatorRequest, _ reply: Reply) async throws {
        let isAsked = ["add", "remove", "quorum"].contains(request.options["do"])
        let actor = isAsked ? try await acting(.administer, request) : nil
        let (name, count) = (request.options["name"] ?? "", request.options["count"].flatMap { Int($0) } ?? 0)
        do {
            switch request.options["do"] {
            case "add":
                guard let key = request.options["key"].flatMap({ VerifierKey($0) }) else {
                    throw WitnessFault.notAWitnessKey
                }
                try await house.log.changeWitnesses("witness=\(name) \(key.text)", by: actor, source: Self.source) {
                    policy throws(WitnessFault) in try policy.add(name, key)
                }
            case "remove":
                try await house.log.changeWitnesses("witness=\(name)", by: actor, source: Self.source) {
                    policy throws(WitnessFault) in try policy.remove(name)
                }
            case "quorum":
                try await house.log.changeWitnesses("quorum=\(count)", by: actor, source: Self.source) {
                    policy throws(WitnessFault) in try policy.require(count)
                }
            default: return reply(.output(String(house.log.witnessPolicy.text.dropLast())))
            }
        } catch let fault as WitnessFault {
            throw CommandFailure(fault.text)
        }
        let policy = house.log.witnessPolicy
        reply(.output("\(policy.witnesses.count) witnesses, of which \(policy.quorum) must have cosigned"))
    }
}
