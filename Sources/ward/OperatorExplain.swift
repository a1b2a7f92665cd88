import WardAudit
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardVault

/// The policy that holds here, and why it lets somebody see one record or not.
extension OperatorService {
    func adoptPolicy(_ request: OperatorRequest, _ reply: Reply) async throws {
        let document = request.options["document"].map { Array($0.utf8) } ?? Policy.standardDocument
        let mistakes = Policy.check(document)
        do {
            guard mistakes.isEmpty else { throw PolicyFailure.invalid(mistakes) }
            let name = try await house.adopted.adopt(
                document, log: house.log, by: try await acting(.administer, request), source: Self.source)
            reply(.output("adopted \(name); it holds from the next start of the server on"))
        } catch PolicyFailure.invalid(let issues) {
            for issue in issues { reply(.output(issue.text)) }
            throw CommandFailure(
                "the policy has \(issues.count) mistake\(issues.count == 1 ? "" : "s"); nothing changed")
        }
    }

    func showPolicy(_ reply: Reply) { reply(.output(house.adopted.policy.identification)) }

    func explain(_ request: OperatorRequest, _ reply: Reply) async throws {
        let parts = (request.options["record"] ?? "").split(separator: "/").map(String.init)
        guard parts.count == 2, let type = ResourceType(parts[0]),
            let action = request.options["action"].flatMap(Action.init(rawValue:))
        else { throw CommandFailure("a record is named as Type/id, an action as read, search, update...") }
        guard let standpoint = try person(request).standpoint else {
            throw CommandFailure("this person has no role, and so may do nothing")
        }
        let explanation: Explanation
        do throws(VaultFailure) {
            explanation = try await house.vault.explain(
                action, type, parts[1], as: house.gate.filter(explaining: standpoint),
                by: Self.actor,
                source: Self.source)
        } catch {
            if case .notFound = error { throw CommandFailure("there is no such record") }
            throw CommandFailure("the record could not be looked at")
        }
        if request.options["json"] == nil { return reply(.output(explanation.text)) }
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("permitted")
        writer.raw(Array((explanation.isPermitted ? "true" : "false").utf8))
        writer.member("code", explanation.code)
        writer.member("says", explanation.says)
        for (name, texts) in [("missing", explanation.missing), ("fields", explanation.profiles)] {
            writer.key(name)
            writer.beginArray()
            for text in texts { writer.string(text) }
            writer.endArray()
        }
        writer.member("policy", explanation.policy)
        writer.endObject()
        reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
    }
}
