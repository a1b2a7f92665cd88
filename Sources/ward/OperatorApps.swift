import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy

/// What is decided on apps at the machine itself, by whoever holds its keys.
extension OperatorService {
    func approveApp(_ request: OperatorRequest, _ reply: Reply) async throws {
        let name = request.options["name"] ?? ""
        let actor = try await acting(.administer, request)
        try await house.people.oauth.apps.approve(name, byOperator: actor, source: Self.source)
        reply(.output("app \(name) approved"))
    }

    /// False if there is no app of this name.
    func removeApp(_ name: String, by actor: AuditActor) async throws -> Bool {
        guard house.people.oauth.apps.apps.contains(where: { $0.id == name }) else { return false }
        try await house.people.oauth.apps.remove(name, byOperator: actor, source: Self.source)
        return true
    }

    func listApps(_ request: OperatorRequest, _ reply: Reply) {
        for app in house.people.oauth.apps.apps {
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("name", app.id)
                writer.member("role", "app")
                writer.member("shown", app.name)
                writer.member("kind", app.kind.rawValue)
                writer.member("state", app.state.rawValue)
                writer.key("redirects")
                writer.beginArray()
                for redirect in app.redirects { writer.string(redirect) }
                writer.endArray()
                writer.member("added", app.registered.text)
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                reply(
                    .output(
                        "\(app.id)  app  \(app.kind.rawValue)  \(app.state.rawValue)  \(app.name)  "
                            + "\(app.redirects.joined(separator: " "))  registered \(app.registered.text)"))
            }
        }
    }
}
