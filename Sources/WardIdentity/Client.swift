public import WardCore
public import WardPolicy
import WardFHIR

/// A registered API client: a program with a role, a stated purpose, and a public key.
public struct Client: Hashable, Sendable {
    /// Its `client_id`; unique for ever, also after removal.
    public let name: String
    public let role: Role
    public let purpose: PurposeOfUse
    public let key: ClientKey
    public let added: Instant
    /// Removed clients stay as names that nobody can take.
    public let isRemoved: Bool

    public init(name: String, role: Role, purpose: PurposeOfUse, key: ClientKey, added: Instant, isRemoved: Bool) {
        self.name = name
        self.role = role
        self.purpose = purpose
        self.key = key
        self.added = added
        self.isRemoved = isRemoved
    }

    /// 1 to 64 letters, digits, `-`, `_` and `.`.
    public static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }

    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("name", name)
        writer.member("role", role.rawValue)
        writer.member("purpose", purpose.rawValue)
        writer.member("added", added.microseconds)
        writer.member("state", isRemoved ? "removed" : "active")
        writer.key("key")
        writer.raw(Array(key.publicJWK.utf8))
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard
            let tape = try? JSONTape(parsing: bytes), let name = tape.root["name"]?.string,
            let role = tape.root["role"]?.string.flatMap(Role.init(rawValue:)),
            let purpose = tape.root["purpose"]?.string.flatMap(PurposeOfUse.init(rawValue:)),
            let added = tape.root["added"].flatMap({ Int64(tape.text($0.index)) }),
            let jwk = tape.root["key"], let key = ClientKey(jwk: Array(tape.slice(tape.range(jwk.index))))
        else { return nil }
        self.init(
            name: name, role: role, purpose: purpose, key: key, added: Instant(microseconds: added),
            isRemoved: tape.root["state"]?.string != "active")
    }
}
