public import WardCore
public import WardPolicy
import WardFHIR

/// What a person may be: given as a whole, never added to in passing.
public struct Rights: Hashable, Sendable {
    /// Names of roles of the clinic's policy.
    public let roleNames: [String]
    /// Listed among those who may declare an emergency.
    public let mayUseEmergencyAccess: Bool

    public init(roles: [Role], mayUseEmergencyAccess: Bool) {
        roleNames = roles.map(\.rawValue)
        self.mayUseEmergencyAccess = mayUseEmergencyAccess
    }

    init(roleNames: [String], mayUseEmergencyAccess: Bool) {
        self.roleNames = roleNames
        self.mayUseEmergencyAccess = mayUseEmergencyAccess
    }

    /// Whether they are those of somebody who works here, and not of patients alone.
    public var areOfWorkforce: Bool {
        mayUseEmergencyAccess || roleNames.contains { $0 != Role.patient.rawValue && $0 != Role.proxy.rawValue }
    }

    /// As the log says it.
    var text: String {
        let names = roleNames.isEmpty ? "none" : roleNames.joined(separator: " ")
        return "roles \(names)\(mayUseEmergencyAccess ? ", emergency access" : "")"
    }
}

/// A change of rights that waits for a second person.
public struct RoleRequest: Hashable, Sendable {
    public let id: String
    public let person: String
    public let rights: Rights
    /// Why, in the asker's words.
    public let reason: String
    /// How the person was cleared; nil where that is on file, or not needed.
    public var clearance: String?
    /// Person who asked.
    public let asker: String
    public let created: Instant
}

extension RoleRequest {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        Petition(id: id, person: person, asker: asker, reason: reason, created: created).write(to: &writer)
        writer.key("roles")
        writer.strings(rights.roleNames)
        writer.member("emergency", rights.mayUseEmergencyAccess ? "listed" : "no")
        if let clearance { writer.member("clearance", clearance) }
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard let root = (try? JSONTape(parsing: bytes))?.root, let petition = Petition(root) else { return nil }
        self.init(
            id: petition.id, person: petition.person,
            rights: Rights(
                roleNames: root.strings("roles"), mayUseEmergencyAccess: root["emergency"]?.string == "listed"),
            reason: petition.reason, clearance: root["clearance"]?.string, asker: petition.asker,
            created: petition.created)
    }
}
