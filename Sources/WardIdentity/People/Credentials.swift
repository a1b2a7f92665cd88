import Synchronization
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardStorage

/// What proves who one person is; sealed apart from the person and read here only.
struct Credentials: Sendable {
    struct Authenticator: Sendable {
        let seed: TOTPSeed
        /// Newest time step that was used; no code is taken twice (RFC 6238 §5.2).
        var lastStep: Int64?
        let added: Instant
    }

    let person: String
    var password: PasswordVerifier?
    var authenticator: Authenticator?
    var passkeys: [Passkey] = []
    var recovery: RecoveryCodes?

    /// Whether two factors can be shown: a passkey is two by itself.
    var isComplete: Bool { !passkeys.isEmpty || (password != nil && authenticator != nil) }
}

extension Credentials {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("person", person)
        if let password { writer.member("password", String(decoding: password.encoded(), as: UTF8.self)) }
        if let authenticator {
            writer.key("totp")
            writer.beginObject()
            writer.member("seed", base64URL(authenticator.seed.withBytes { $0 }))
            writer.member("added", authenticator.added.microseconds)
            if let step = authenticator.lastStep { writer.member("last", step) }
            writer.endObject()
        }
        writer.key("passkeys")
        writer.strings(passkeys.map { base64URL($0.encoded()) })
        if let recovery { writer.member("recovery", base64URL(recovery.encoded())) }
        writer.endObject()
        return writer.bytes
    }

    /// Nil if any part cannot be read: a person with half of their factors is not the same person.
    init?(decoding bytes: [UInt8]) {
        guard let root = (try? JSONTape(parsing: bytes))?.root, let person = root["person"]?.string else { return nil }
        self.init(person: person)
        if let text = root["password"]?.string {
            guard let verifier = PasswordVerifier(decoding: Array(text.utf8)) else { return nil }
            password = verifier
        }
        if let totp = root["totp"] {
            guard
                let seed = totp["seed"]?.string.flatMap({ base64URLDecoded($0) }).flatMap({ TOTPSeed($0) }),
                let added = totp["added"]?.instant
            else { return nil }
            authenticator = Authenticator(seed: seed, lastStep: totp["last"]?.integer, added: added)
        }
        for text in root.strings("passkeys") {
            guard let passkey = base64URLDecoded(text).flatMap({ Passkey(decoding: $0) }) else { return nil }
            passkeys.append(passkey)
        }
        if let text = root["recovery"]?.string {
            guard let codes = base64URLDecoded(text).flatMap({ RecoveryCodes(decoding: $0) }) else { return nil }
            recovery = codes
        }
    }
}

/// Everybody's credentials.
final class CredentialStore: Sendable {
    private struct State {
        var credentials: [String: Credentials] = [:]
        /// Person by passkey id.
        var passkeys: [[UInt8]: String] = [:]
        var busy: Set<String> = []
    }

    private let state: Mutex<State>
    private let vault: EntryVault

    init(vault: EntryVault) throws(IdentityFailure) {
        self.vault = vault
        var state = State()
        for bytes in try vault.all(.credentials) {
            guard let credentials = Credentials(decoding: bytes) else { throw .storage }
            state.credentials[credentials.person] = credentials
            for passkey in credentials.passkeys { state.passkeys[passkey.id] = credentials.person }
        }
        self.state = Mutex(state)
    }

    func credentials(of person: String) -> Credentials? { state.withLock { $0.credentials[person] } }

    /// The passkey with this id, whoever it belongs to.
    func passkey(_ id: [UInt8]) -> Passkey? {
        state.withLock { state in
            state.passkeys[id].flatMap { state.credentials[$0] }?.passkeys.first { $0.id == id }
        }
    }

    /// Changes one person's credentials by a transaction that `commit` makes with what is to be written.
    ///
    /// The change sees the credentials as they are, and nobody else changes them meanwhile: a code or a counter counts
    /// once. Nothing has changed if anything throws.
    func change<Result>(
        _ person: String, _ body: (inout Credentials) throws(IdentityFailure) -> Void,
        commit: (EntryWrite) async throws(IdentityFailure) -> Result
    ) async throws(IdentityFailure) -> Result {
        guard state.withLock({ $0.busy.insert(person).inserted }) else { throw .busy }
        defer { state.withLock { _ = $0.busy.remove(person) } }
        var credentials = self.credentials(of: person) ?? Credentials(person: person)
        try body(&credentials)
        let result = try await commit(vault.put(credentials.encoded(), .credentials, key: Array(person.utf8)))
        state.withLock { state in
            for passkey in state.credentials[person]?.passkeys ?? [] { state.passkeys[passkey.id] = nil }
            for passkey in credentials.passkeys { state.passkeys[passkey.id] = person }
            state.credentials[person] = credentials
        }
        return result
    }

    /// What removes somebody's credentials; to be part of the transaction that ends their access.
    func removal(of person: String) -> EntryWrite {
        .remove(vault.locator(.credentials, Array(person.utf8)), .credentials)
    }

    /// Forgets credentials whose removal is durable.
    func forget(_ person: String) {
        state.withLock { state in
            for passkey in state.credentials[person]?.passkeys ?? [] { state.passkeys[passkey.id] = nil }
            state.credentials[person] = nil
        }
    }
}
