import WardCore
public import WardCrypto

/// What a store signs and names its backups with, and what of it goes to the kit.
public struct BackupKeys: Sendable {
    let store: String
    let names: MacKey
    let signing: SigningKey
    let entries: SealingKey
    let places: MacKey
    /// Only ever sealed to a kit.
    private let tenant: KeyMaterial

    /// - Returns: nil if no signing key can be made of the material.
    public init?(tenant: KeyMaterial, store: String) {
        guard let signing = tenant.derived("ward/backup-signing/1").withBytes({ SigningKey(seed: $0) }) else {
            return nil
        }
        self.tenant = tenant
        self.store = store
        self.signing = signing
        names = MacKey(tenant.derived("ward/backup-names/1"))
        entries = SealingKey(tenant.derived("ward/backup-entry/1"))
        places = MacKey(tenant.derived("ward/backup-entry-id/1"))
    }

    /// The public key of what this store signs.
    public var signer: [UInt8] { signing.publicKey }

    func sealedTenant(to recipient: RecoveryRecipient) throws(BackupFailure) -> [UInt8] {
        do throws(SealFailure) {
            return try recipient.wrap(tenant, boundTo: Self.tenantContext(store))
        } catch {
            throw .sealing
        }
    }

    /// Seals what the store's keys derive from to a standby, which opens it when it is promoted.
    public func sealed(
        to recipient: RecoveryRecipient, standby fingerprint: [UInt8]
    ) throws(BackupFailure) -> [UInt8] {
        do throws(SealFailure) {
            return try recipient.wrap(tenant, boundTo: Self.standbyContext(store, fingerprint))
        } catch {
            throw .sealing
        }
    }

    /// What ``sealed(to:standby:)`` binds to.
    public static func standbyContext(_ store: String, _ fingerprint: [UInt8]) -> [UInt8] {
        Array("ward/standby-tenant/1 \(store) ".utf8) + fingerprint
    }

    static func tenantContext(_ store: String) -> [UInt8] { Array("ward/backup-tenant/1 \(store)".utf8) }
}

extension BackupKeys: SilentKey {}

/// A key for the chunks of one full backup and the stream after it; kept in memory while it is in use, and sealed to the
/// kit in what it seals.
struct BackupEpoch: Sendable {
    let id: UInt64
    let key: KeyMaterial
    let sealed: [UInt8]
    /// Of the kit that it is sealed to.
    let recipient: [UInt8]
    private let sealing: SealingKey

    init(for recipient: RecoveryRecipient, store: String) throws(BackupFailure) {
        id = randomBytes(8).reduce(0) { $0 << 8 | UInt64($1) }
        key = .random()
        self.recipient = recipient.fingerprint
        sealing = SealingKey(key)
        do throws(SealFailure) { sealed = try recipient.wrap(key, boundTo: Self.context(id, store)) } catch {
            throw .sealing
        }
    }

    func seal(_ content: [UInt8], name: String) throws(BackupFailure) -> [UInt8] {
        do throws(SealFailure) { return try sealing.seal(content, boundTo: Array(name.utf8)) } catch {
            throw .sealing
        }
    }

    static func context(_ id: UInt64, _ store: String) -> [UInt8] {
        Array("ward/backup-epoch/1 \(store)".utf8) + BackupNames.bigEndian(id)
    }
}

extension BackupEpoch: SilentKey {}
