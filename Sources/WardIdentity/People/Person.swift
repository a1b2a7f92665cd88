public import WardCore
public import WardPolicy
import WardFHIR

/// Somebody who may sign in: a member of the clinic, a patient, or somebody who acts for a patient.
///
/// What proves who they are is kept apart, in ``Credentials``.
public struct Person: Hashable, Sendable {
    /// Where a person stands on the way from invitation to leaving.
    public enum State: String, Sendable {
        /// Has a one-time link and no factors yet.
        case invited
        case active
        /// Cannot sign in; the name stays taken for ever.
        case disabled
    }

    /// 16 random characters; never given to anybody else (45 CFR 164.312(a)(2)(i)).
    public let id: String
    /// What is typed at sign-in; unique for ever, without regard to case.
    public let loginName: String
    public var displayName: String
    /// Those of ``roleNames`` that the clinic's policy knows; the others give nothing.
    public internal(set) var roles: [Role]
    /// As they were granted, and as the store keeps them: a policy may come to know a name, or forget it.
    public internal(set) var roleNames: [String]
    /// `Practitioner` id, for relationships of care and authorship.
    public var practitioner: String?
    /// `Patient` ids: the person's own record, or those they act for.
    public var patients: [String]
    public var state: State
    /// May declare an emergency (45 CFR 164.312(a)(2)(ii)).
    public var mayUseEmergencyAccess: Bool
    public let added: Instant
    /// Access ends by itself at this time.
    public var ends: Instant?
    /// What was checked before the person was let work with records, by whom and when (45 CFR 164.308(a)(3)(ii)(B)).
    public internal(set) var clearance: String?

    public init(
        id: String, loginName: String, displayName: String, roles: [Role], practitioner: String? = nil,
        patients: [String] = [], state: State, mayUseEmergencyAccess: Bool = false, added: Instant,
        ends: Instant? = nil
    ) {
        self.id = id
        self.loginName = loginName
        self.displayName = displayName
        self.roles = roles
        roleNames = roles.map(\.rawValue)
        self.practitioner = practitioner
        self.patients = patients
        self.state = state
        self.mayUseEmergencyAccess = mayUseEmergencyAccess
        self.added = added
        self.ends = ends
    }

    /// Whether the person may be signed in at `now`.
    public func isActive(at now: Instant) -> Bool { state == .active && ends.map { $0 > now } ?? true }

    /// What two spellings of one login name have in common; nil for what cannot be a login name.
    ///
    /// 2 to 64 letters, digits, `.`, `_`, `-` and `@` of ASCII: names that look alike cannot be two names.
    public static func canonicalLoginName(_ text: String) -> String? {
        guard (2...64).contains(text.utf8.count) else { return nil }
        var canonical: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x40, 0x5F: canonical.append(byte)
            case 0x41...0x5A: canonical.append(byte | 0x20)
            default: return nil
            }
        }
        return String(decoding: canonical, as: UTF8.self)
    }
}

extension Person {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("id", id)
        writer.member("login", loginName)
        writer.member("name", displayName)
        writer.key("roles")
        writer.strings(roleNames)
        if let practitioner { writer.member("practitioner", practitioner) }
        writer.key("patients")
        writer.strings(patients)
        writer.member("state", state.rawValue)
        writer.member("emergency", mayUseEmergencyAccess ? "listed" : "no")
        writer.member("added", added.microseconds)
        if let ends { writer.member("ends", ends.microseconds) }
        if let clearance { writer.member("clearance", clearance) }
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8], policy: Policy) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, let id = root["id"]?.string,
            let login = root["login"]?.string, let name = root["name"]?.string,
            let state = root["state"]?.string.flatMap(State.init(rawValue:)), let added = root["added"]?.instant
        else { return nil }
        let names = root.strings("roles")
        self.init(
            id: id, loginName: login, displayName: name, roles: names.compactMap { policy.role(named: $0) },
            practitioner: root["practitioner"]?.string, patients: root.strings("patients"), state: state,
            mayUseEmergencyAccess: root["emergency"]?.string == "listed", added: added, ends: root["ends"]?.instant)
        roleNames = names
        clearance = root["clearance"]?.string
    }
}
