import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardKeys
import WardSQLite
import WardStorage
import WardTransport

/// How a store reaches the key service that opens its root key.
enum KeyServiceAccess {
    static let credential = "ward-kms"

    /// What the service holds every use against.
    static func context(_ storeID: String) -> [String: String] {
        ["ward-purpose": "root-key", "ward-store": storeID]
    }

    /// The boot file that a keyring names. It lies in the data folder, under a part of its hash, so that the one of
    /// before is there until another keyring is in force.
    static func path(_ folder: DataFolder, _ digest: [UInt8]) -> String {
        "\(folder.path)/boot-\(hex(Array(digest.prefix(8)))).txt"
    }

    /// Reads it, and believes it as far as that is possible before the store is open: it is the one that the keyring
    /// names, of this store, to the byte as it was signed, and signed by whoever signed the log's checkpoint.
    static func boot(
        _ keyring: Keyring, _ header: StoreHeader, _ folder: DataFolder, _ store: any SealedStore
    ) throws(CommandFailure) -> BootFile {
        guard let service = keyring.service else { throw CommandFailure(KeyFailure.malformedKeyring.text) }
        let path = path(folder, service.boot)
        let bytes: [UInt8]
        do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: false, limit: 262_144) } catch {
            throw refused("the boot file \(path) is not there or cannot be read")
        }
        guard let boot = BootFile(bytes) else { throw refused("the boot file was altered, or is not signed") }
        guard boot.store == header.id else { throw refused("the boot file belongs to another store") }
        guard boot.digest.bytes == service.boot else { throw refused("the boot file is not the one of the keyring") }
        let note = (try? store.metadata(.checkpoint)).flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
        guard let note, Checkpoint(note: note, publicKey: boot.signer) != nil else {
            throw refused("the boot file is not signed by this store")
        }
        return boot
    }

    /// Asks the service, before there is a register that could say whether that may be.
    static func unlock(
        _ keyring: Keyring, _ header: StoreHeader, _ folder: DataFolder, _ store: SQLiteStore, credentials: String?
    ) async throws -> Keyring.Unlock {
        let boot = try boot(keyring, header, folder, store)
        guard let place = keyring.service else { throw CommandFailure(KeyFailure.malformedKeyring.text) }
        // Said in words before anything is sent.
        _ = try StorageCredentials.strict(credentials, credential: credential, "--kms-credentials")
        let service = KeyManagementService(
            boot, transport: NIOTransport(), credentials: source(credentials))
        do {
            let wrapped = try await service.decrypt(place.sealed, context: context(header.id))
            await service.close()
            return .keyService(
                try ServiceKey(place, wrapped: wrapped, storeID: header.id, credentials: credentials))
        } catch let failure as KeyServiceFailure {
            await service.close()
            throw CommandFailure(failure.text)
        }
    }

    static func source(_ file: String?) -> @Sendable () throws(EgressFailure) -> StorageCredentials {
        StorageCredentials.source(file, credential: credential, "--kms-credentials")
    }

    static func refused(_ why: String) -> CommandFailure {
        CommandFailure(
            "\(why); nothing was sent. a way in without the key service: ward keys recover, or, where a standby follows, its promotion"
        )
    }
}

extension House {
    /// Looks, right after the store was opened, whether its boot file is the store's own and whether the register lets
    /// the key service be asked; or else the store is closed again.
    func checkKeyService() async throws {
        let boot: BootFile
        do throws(CommandFailure) {
            boot = try KeyServiceAccess.boot(try keys.knownRing(), header, folder, store)
            guard boot.signer == log.publicKey else {
                throw KeyServiceAccess.refused("the boot file is not signed by this store")
            }
        } catch {
            await close()
            throw error
        }
        var reason: String?
        do throws(EgressRefusal) {
            _ = try register.proof(for: boot.destination, kind: .kms, at: .now())
            if !boot.agrees(with: register.destination(boot.destination)) {
                reason = "the register says something else of its destination than the boot file"
            }
        } catch {
            reason = error.text
        }
        guard let reason else { return }
        var event = AuditEvent.system(.egressRefused, decision: "kms \(boot.destination) after-unsealing")
        event.outcome = .denied
        _ = try? await log.append(event)
        await close()
        throw CommandFailure(
            "the store was closed again: nothing covers the key service \(boot.destination): \(reason). "
                + "a way in without it: ward keys recover; then sign the agreement and go back to the key service")
    }
}

extension StoreKeys {
    func knownRing() throws(CommandFailure) -> Keyring {
        do { return try ring() } catch {
            throw error as? CommandFailure ?? CommandFailure(KeyFailure.malformedKeyring.text)
        }
    }

    /// Asks the key service through the broker for what opens the root key, if there is a key service.
    func serviceKey(_ folder: DataFolder, _ register: EgressRegister) async throws -> ServiceKey? {
        let ring = try knownRing()
        guard let place = ring.service else { return nil }
        let bytes: [UInt8]
        do throws(FileFailure) {
            bytes = try PrivateFile.read(
                KeyServiceAccess.path(folder, place.boot), secret: false, limit: 262_144)
        } catch {
            throw CommandFailure("the boot file cannot be read")
        }
        guard let boot = BootFile(bytes), boot.digest.bytes == place.boot,
            boot.agrees(with: register.destination(boot.destination))
        else { throw CommandFailure("the boot file does not agree with keyring and register") }
        let asked = service(boot)
        do {
            let wrapped = try await asked.decrypt(place.sealed, context: KeyServiceAccess.context(storeID))
            return try ServiceKey(place, wrapped: wrapped, storeID: storeID, credentials: credentials)
        } catch let failure as KeyServiceFailure where failure != .egress(.auditUnavailable) {
            throw CommandFailure(failure.text)
        }
    }

    /// Asks the key service whether it still opens the root key.
    func lookAtService(_ folder: DataFolder, _ register: EgressRegister) async {
        let turn = module.turn
        do {
            guard let key = try await serviceKey(folder, register) else { return }
            try ring().prove(key, storeID: storeID)
            module.note(true, of: turn)
        } catch KeyServiceFailure.egress(.auditUnavailable) {
            // Nobody was asked: this machine's own log cannot be written.
            module.postpone(of: turn)
        } catch {
            module.note(false, of: turn)
        }
    }
}
