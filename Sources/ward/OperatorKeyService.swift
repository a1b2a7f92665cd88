import Glibc
import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardKeys

/// Moving the root key to a key service.
extension OperatorService {
    /// The destination must be covered by a current agreement already: the service is asked through the broker.
    func exchange(
        toServiceAt name: String, _ request: OperatorRequest, _ actor: AuditActor, _ reply: Reply,
        ring: (Keyring.Unlock) throws -> Keyring
    ) async throws {
        let what = request.options["what"] ?? ""
        guard let destination = house.register.destination(name), destination.kind == .kms else {
            throw CommandFailure("--new-kms: the register has no destination of this name for a key service")
        }
        let key = request.options["newKMSKey"] ?? ""
        guard BootFile.isKey(key, in: destination.region) else {
            throw CommandFailure("--new-kms-key: the ARN of a key (not an alias) in the destination's region")
        }
        guard
            let boot = BootFile(
                store: house.header.id, destination: destination, key: key, signedBy: house.signing)
        else { throw CommandFailure("--new-kms: the destination cannot be signed for") }
        let credentials = request.options["newKMSCredentials"]
        // Said in words before anything is sent.
        _ = try StorageCredentials.strict(
            credentials, credential: KeyServiceAccess.credential, "--new-kms-credentials")
        let service = KeyManagementService(
            broker: house.broker, destination: name, key: key, credentials: KeyServiceAccess.source(credentials))
        let made: ServiceKey
        do {
            let (draft, context) = (
                try ServiceKey.Draft(storeID: house.header.id), KeyServiceAccess.context(house.header.id)
            )
            let sealed = try await service.encrypt(draft.wrapped, context: context)
            // What it gives back is what counts: a service that could not open it would lock the store out.
            let wrapped = try await service.decrypt(sealed, context: context)
            made = try ServiceKey(
                draft.place(sealed: sealed, boot: boot.digest), wrapped: wrapped, storeID: house.header.id,
                credentials: credentials)
        } catch let failure as KeyServiceFailure {
            await service.close()
            throw CommandFailure(failure.text)
        }
        await service.close()
        let before = try house.keys.ring().service
        let path = KeyServiceAccess.path(house.folder, boot.digest.bytes)
        do throws(FileFailure) { try PrivateFile.replace(path, boot.bytes) } catch {
            throw CommandFailure("\(path) cannot be written")
        }
        let way = Keyring.Unlock.keyService(made)
        try await keep(ring, way, "\(what) aws-kms \(name)", actor) {
            if before?.boot != boot.digest.bytes { unsafe unlink(path) }
        }
        reply(.output("root key: wrapped by \(key); from now on the store opens with --kms-credentials FILE"))
        reply(.output("boot file: \(path)"))
        reply(.output("destroy the old way in; with a copy of the store from before, it still opens that copy"))
    }

    func boot(of ring: Keyring) -> BootFile? {
        guard let service = ring.service,
            let bytes = try? PrivateFile.read(
                KeyServiceAccess.path(house.folder, service.boot), secret: false, limit: 262_144)
        else { return nil }
        return BootFile(bytes)
    }
}
