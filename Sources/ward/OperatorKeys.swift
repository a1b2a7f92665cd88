import Glibc
import WardAudit
import WardCore
import WardEgress
import WardFHIR
import WardKeys
import WardPolicy

/// Keys: where they are, how old they are, and other ones in their place.
extension OperatorService {
    /// Says where the root key lives, and what that does and does not protect.
    func keysStatus(_ request: OperatorRequest, _ reply: Reply) async throws {
        let ring = try house.keys.ring()
        if request.options["json"] != nil { return reply(.output(try await json(ring, request))) }
        reply(.output("root key: \(ring.provider.words)"))
        if let place = ring.place {
            reply(.output("module: \(place.library), token \(place.token), key \(place.key)"))
            reply(.output("module now: \(house.keys.areHeld ? "answers" : "does not answer; nothing is written")"))
        } else if ring.provider == .keyService {
            if let boot = boot(of: ring) {
                reply(.output("key service: \(boot.destination), \(boot.place.host), region \(boot.place.region)"))
                reply(.output("key: \(boot.key)"))
            }
            reply(.output("key service now: \(house.keys.areHeld ? "answers" : "does not answer; nothing is written")"))
        } else if ring.provider == .keyFile, let path = request.options["keyFile"] {
            reply(.output("key file: \(path)\(PrivateFile.exists(path) ? "" : " (not there)")"))
        }
        for line in ring.provider.limits { reply(.output(line)) }
        let today = Self.today
        for (name, day) in ring.made.named {
            let due = today - day > Self.yearly ? "   (older than a year: ward keys rotate \(name))" : ""
            reply(.output("\(name) made: \(CalendarDay(daysSinceEpoch: day).text)\(due)"))
        }
        for line in try await resealingLines() { reply(.output(line)) }
        reply(
            .output(
                "ciphers: AES-256-GCM, HMAC-SHA-256, Ed25519, X25519; the module is BoringSSL as bundled, not a FIPS-validated build"
            ))
        reply(.output("without the way in above, the recovery code is the only one: a lost key is lost data"))
    }

    private func json(_ ring: Keyring, _ request: OperatorRequest) async throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("store", house.header.id)
        writer.member("provider", ring.provider.rawValue)
        if ring.provider == .keyFile, let path = request.options["keyFile"] { writer.member("keyFile", path) }
        if let place = ring.place {
            writer.member("module", place.library)
            writer.member("token", place.token)
            writer.member("key", place.key)
            writer.key("answers")
            writer.bool(house.keys.areHeld)
        }
        if ring.provider == .keyService {
            if let boot = boot(of: ring) {
                writer.member("destination", boot.destination)
                writer.member("vendor", boot.vendor)
                writer.member("host", boot.place.host)
                writer.member("region", boot.place.region)
                writer.member("key", boot.key)
            }
            writer.key("answers")
            writer.bool(house.keys.areHeld)
        }
        for (name, day) in ring.made.named { writer.member("\(name)Made", CalendarDay(daysSinceEpoch: day).text) }
        writer.member("algorithm", "AES-256-GCM")
        writer.key("fipsValidatedModule")
        writer.bool(false)
        try await writeResealing(to: &writer)
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Puts another root key, tenant key or recovery code in the place of the one there is, while the store serves.
    func rotateKeys(_ request: OperatorRequest, _ reply: Reply) async throws {
        let actor = try await acting(.manageKeys, request)
        guard house.keys.changes.enter() else {
            throw CommandFailure("another rotation runs; repeat this when it is done")
        }
        defer { house.keys.changes.leave() }
        let ring = try house.keys.ring()
        do {
            let old = try await way(in: ring, request)
            let open = try OpenKeyring(ring, storeID: house.header.id, unlock: old)
            switch request.options["what"] {
            case "root": try await exchange(request, actor, reply) { try open.withNewRoot($0, today: Self.today) }
            case "tenant": try await exchange(request, actor, reply) { try open.withNewTenant($0, today: Self.today) }
            case "recovery":
                let code = RecoveryCode()
                try await keep(try open.withNewRecovery(code, today: Self.today), way: old, "recovery", actor)
                reply(.output(RecoveryKit.text(storeID: house.header.id, code: code)))
                reply(.output("the printed code of before opens nothing any more: destroy it"))
            default: throw CommandFailure("what is exchanged is root, tenant or recovery")
            }
        } catch let failure as KeyFailure {
            throw CommandFailure(failure.text)
        }
    }

    /// Makes the new way in, puts the keyring in force that knows it, and undoes the first if the second fails.
    private func exchange(
        _ request: OperatorRequest, _ actor: AuditActor, _ reply: Reply, ring: (Keyring.Unlock) throws -> Keyring
    ) async throws {
        let what = request.options["what"] ?? ""
        if let path = request.options["newKeyFile"] {
            guard !house.folder.holds(path) else {
                throw CommandFailure("the key file must lie outside the data folder")
            }
            let way = Keyring.Unlock.keyFile(try KeyFile.create(path, storeID: house.header.id))
            try await keep(ring, way, "\(what) key-file", actor) { unsafe unlink(path) }
            reply(.output("new key file: \(path); from now on the store opens with --key-file \(path)"))
            reply(.output("destroy the old way in; with a copy of the store from before, it still opens that copy"))
        } else if let phrase = request.options["newPassphrase"] {
            let way = Keyring.Unlock.passphrase(SecretBytes(copying: Array(phrase.utf8)))
            try await keep(try ring(way), way: way, "\(what) passphrase", actor)
            reply(.output("from now on the store opens with the new passphrase"))
        } else if let key = request.options["newKey"] {
            let module = try newModule(key, request)
            try module.makeKey()
            let way = Keyring.Unlock.securityModule(module)
            try await keep(ring, way, "\(what) security-module", actor) { try? module.destroyKey() }
            reply(.output("new root key: \(key) in token \(module.place.token); it cannot be taken out"))
            reply(.output("destroy the old way in; with a copy of the store from before, it still opens that copy"))
        } else if let destination = request.options["newKMS"] {
            try await exchange(toServiceAt: destination, request, actor, reply, ring: ring)
        } else {
            throw CommandFailure(
                "say how the new root key is reached: a key file, a passphrase, a security module or a key service")
        }
    }

    func keep(
        _ ring: (Keyring.Unlock) throws -> Keyring, _ way: Keyring.Unlock, _ decision: String, _ actor: AuditActor,
        undo: () -> Void
    ) async throws {
        let made: Keyring
        do { made = try ring(way) } catch {
            undo()
            throw error
        }
        do { try await keep(made, way: way, decision, actor) } catch {
            guard !house.keys.mayBeInForce(made) else {
                throw CommandFailure(
                    "whether the exchange took effect is not known: keep both keys, restart, and see which one opens the store"
                )
            }
            undo()
            throw error
        }
    }

    func keep(_ ring: Keyring, way: Keyring.Unlock, _ decision: String, _ actor: AuditActor) async throws {
        let before = try house.keys.ring().service
        let event = AuditEvent(
            kind: .keysRotated, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: Self.source, decision: decision)
        do { try await house.keys.adopt(ring, way: way, event, house.log) } catch is SubmissionFailure {
            throw CommandFailure("the audit log cannot be written, so nothing was exchanged")
        }
        // The boot file of before says where a key service is that is not asked any more.
        if let before, before.boot != ring.service?.boot {
            unsafe unlink(KeyServiceAccess.path(house.folder, before.boot))
        }
    }

    /// The way in that there is, as the request brings it along.
    private func way(in ring: Keyring, _ request: OperatorRequest) async throws -> Keyring.Unlock {
        switch ring.provider {
        case .keyFile: return .keyFile(try KeyFile.read(request.options["keyFile"] ?? "", storeID: house.header.id))
        case .keyService:
            guard let key = try await house.keys.serviceKey(house.folder, house.register) else {
                throw KeyFailure.notConfigured
            }
            return .keyService(key)
        case .passphrase:
            guard let phrase = request.options["passphrase"] else {
                throw CommandFailure("the store opens with a passphrase: --passphrase-file, or --ask on a terminal")
            }
            return .passphrase(SecretBytes(copying: Array(phrase.utf8)))
        case .securityModule:
            guard var place = ring.place, let pin = request.options["pin"] else {
                throw CommandFailure("the store opens with a security module: --pin-file, or --ask on a terminal")
            }
            if let library = request.options["module"] { place.library = library }
            return .securityModule(SecurityModule(place, pin: SecretBytes(copying: Array(pin.utf8))))
        }
    }

    private func newModule(_ key: String, _ request: OperatorRequest) throws -> SecurityModule {
        let old = try house.keys.ring().place
        guard let library = request.options["newModule"] ?? request.options["module"] ?? old?.library,
            let token = request.options["newToken"] ?? old?.token,
            let place = TokenPlace(library: library, token: token, key: key)
        else { throw CommandFailure("a module's absolute path, the token's label and the key's label are needed") }
        guard let pin = request.options["newPIN"] ?? request.options["pin"] else {
            throw CommandFailure("the PIN of the token is needed: --new-pin-file")
        }
        return SecurityModule(place, pin: SecretBytes(copying: Array(pin.utf8)))
    }

    static var today: Int64 { Instant.now().microseconds / 86_400_000_000 }
    private static let yearly: Int64 = 366
}

extension Keyring.Provider {
    fileprivate var words: String {
        switch self {
        case .keyFile: "wrapped by a key file, and the tenant key under it by the recovery code"
        case .keyService:
            "wrapped by a key in AWS KMS, which that key never leaves; the tenant key under it by the recovery code"
        case .passphrase: "wrapped by a passphrase (argon2id), and the tenant key under it by the recovery code"
        case .securityModule:
            "in a security module, which it never leaves; the tenant key is wrapped by the recovery code, too"
        }
    }

    /// What it does and does not protect.
    fileprivate var limits: [String] {
        switch self {
        case .keyFile:
            [
                "protects against: a copied or stolen data folder without the key file; a curious database or backup operator",
                "does not protect against: theft of the whole disk if the key file lies on it, or whoever runs as this user",
                "breach safe harbour: not to be claimed while key file and data lie on one disk",
            ]
        case .keyService:
            [
                "protects against: theft of the disk or machine without the credentials for the key service; use of a copy once its key is disabled there",
                "does not protect against: whoever reads the memory of the running process, or has data folder and credentials",
                "the key service sees a wrapped key and the store's id, and no record",
            ]
        case .passphrase:
            [
                "protects against: theft of the disk or machine while it is off, as far as the passphrase is strong",
                "does not protect against: whoever reads the memory of the running process",
            ]
        case .securityModule:
            [
                "protects against: theft of the disk or machine without the module, or of the module without its PIN",
                "does not protect against: whoever reads the memory of the running process, which holds the tenant key",
            ]
        }
    }
}

extension Keyring.Ages {
    fileprivate var named: [(String, Int64)] { [("root", root), ("tenant", tenant), ("recovery", recovery)] }
}
