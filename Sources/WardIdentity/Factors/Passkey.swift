public import WardCore
import WardCrypto
import WardFHIR

/// A person's passkey: the credential record of WebAuthn Level 3 §4.
public struct Passkey: Hashable, Sendable {
    /// The credential id.
    public let id: [UInt8]
    public let key: PasskeyKey
    /// The user handle: whose it is.
    public let person: String
    /// As the person calls it.
    public let name: String
    /// The newest signature counter; 0 for authenticators that do not count.
    public let signCount: UInt32
    /// How the browser reaches it, in alphabetical order.
    public let transports: [String]
    /// AAGUID: the model, as the authenticator says and nobody checked.
    public let model: [UInt8]
    /// Whether it can be copied to other devices; false for one that is bound to its device.
    public let isBackupEligible: Bool
    public let isBackedUp: Bool
    public let added: Instant
    public let lastUsed: Instant?

    /// The same passkey after it signed.
    func used(signCount: UInt32, isBackedUp: Bool, at now: Instant) -> Passkey {
        Passkey(
            id: id, key: key, person: person, name: name, signCount: signCount, transports: transports, model: model,
            isBackupEligible: isBackupEligible, isBackedUp: isBackedUp, added: added, lastUsed: now)
    }

    /// The same passkey under another name.
    public func renamed(_ name: String) -> Passkey {
        Passkey(
            id: id, key: key, person: person, name: String(name.prefix(Self.longestName)), signCount: signCount,
            transports: transports, model: model, isBackupEligible: isBackupEligible, isBackedUp: isBackedUp,
            added: added, lastUsed: lastUsed)
    }

    static let longestName = 64

    // Internal on purpose: only a ceremony that kept every rule makes one.
    init(
        id: [UInt8], key: PasskeyKey, person: String, name: String, signCount: UInt32, transports: [String],
        model: [UInt8], isBackupEligible: Bool, isBackedUp: Bool, added: Instant, lastUsed: Instant?
    ) {
        self.id = id
        self.key = key
        self.person = person
        self.name = name
        self.signCount = signCount
        self.transports = transports
        self.model = model
        self.isBackupEligible = isBackupEligible
        self.isBackedUp = isBackedUp
        self.added = added
        self.lastUsed = lastUsed
    }
}

extension Passkey {
    /// JSON, to be sealed.
    package func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("id", base64URL(id))
        writer.member("key", base64URL(key.encoded))
        writer.member("person", person)
        writer.member("name", name)
        writer.member("signCount", Int64(signCount))
        writer.key("transports")
        writer.beginArray()
        for transport in transports { writer.string(transport) }
        writer.endArray()
        writer.member("model", base64URL(model))
        writer.key("backupEligible")
        writer.bool(isBackupEligible)
        writer.key("backedUp")
        writer.bool(isBackedUp)
        writer.member("added", added.microseconds)
        if let lastUsed { writer.member("lastUsed", lastUsed.microseconds) }
        writer.endObject()
        return writer.bytes
    }

    /// Reads what ``encoded()`` wrote.
    package init?(decoding bytes: [UInt8]) {
        guard let tape = try? JSONTape(parsing: bytes) else { return nil }
        let root = tape.root
        func number(_ name: StaticString) -> Int64? { root[name].flatMap { Int64(tape.text($0.index)) } }
        guard
            let id = root["id"]?.string.flatMap(base64URLDecoded),
            let keyBytes = root["key"]?.string.flatMap(base64URLDecoded), let key = try? PasskeyKey(keyBytes),
            let person = root["person"]?.string, let name = root["name"]?.string,
            let signCount = number("signCount").flatMap(UInt32.init(exactly:)),
            let model = root["model"]?.string.flatMap(base64URLDecoded), let added = number("added")
        else { return nil }
        self.init(
            id: id, key: key, person: person, name: name, signCount: signCount,
            transports: root["transports"]?.elements.compactMap(\.string) ?? [], model: model,
            isBackupEligible: root["backupEligible"]?.kind == .true, isBackedUp: root["backedUp"]?.kind == .true,
            added: Instant(microseconds: added),
            lastUsed: number("lastUsed").map { Instant(microseconds: $0) })
    }
}
