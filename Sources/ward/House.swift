import WardAudit
import WardClinic
import WardContinuity
import WardCore
import WardCrypto
import WardEgress
import WardGate
import WardIdentity
import WardKeys
import WardPolicy
import WardServer
import WardSQLite
import WardStorage
import WardTransport
import WardVault
import WardWatch

/// An opened store with everything wired: the composition root.
///
/// The material of the keys passes through ``open(_:unlock:origin:)`` once, is split into the rings of log, identity and vault,
/// and is held by nobody here afterwards.
struct House: Sendable {
    let folder: DataFolder
    let header: StoreHeader
    let store: any StreamedStore
    let log: AuditLog
    let authenticator: Authenticator
    let people: People
    let vault: Vault
    let gate: Gate
    let clinic: Clinic
    /// `https://localhost:8443`: what links begin with.
    let origin: String
    let certificates: SealedCertificates
    let adopted: PolicyInForce
    let watch: WatchPost
    let keys: StoreKeys
    /// Signs the log's checkpoints, the policy and the boot file.
    let signing: SigningKey
    let configuration: SealedConfiguration
    let posture: SealedPosture
    let reviews: ActivityReviews
    let register: EgressRegister
    let broker: EgressBroker
    let postman: Postman
    let backups: BackupDesk
    /// Where the store's commits are carried to; nil unless they are.
    let continuous: ContinuousBackup?
    let standbyKey: SealingKey
    /// The lease under which the store is written; nil where no standby follows it.
    var standby: StandbyPrimary?
    let reconciliation: SpoolReconciliation
    /// Whether this is a copy that is only read, with a spool beside it.
    let isReadOnly: Bool

    /// Makes a store and its keys; the folder must not hold one yet.
    static func create(
        _ folder: DataFolder, kind: StoreHeader.Kind, storeID: String, unlock: Keyring.Unlock,
        recovery: RecoveryCode
    ) async throws {
        try folder.make()
        guard !PrivateFile.exists(folder.database) else { throw CommandFailure("\(folder.path) already holds a store") }
        let lock = try FolderLock(folder)
        defer { withExtendedLifetime(lock) {} }
        let (keyring, tenant) = try Keyring.create(
            storeID: storeID, unlock: unlock, recovery: recovery, today: OperatorService.today)
        let store = try SQLiteStore(path: folder.database)
        let header = StoreHeader(id: storeID, kind: kind)
        let signing = SigningKey()
        let sealing = SealingKey(tenant.derived("ward/signing-key/1"))
        // Bound to the whole header, so that a demo store relabelled as real (or the reverse) does not open.
        let seed = try sealing.seal(signing.seed, boundTo: header.encoded())
        try store.commit { transaction throws(StorageFailure) in
            try transaction.putMetadata(.header, header.encoded())
            try transaction.putMetadata(.signingKey, seed)
        }
        let house = try wire(folder, header, store, tenant, origin: "https://localhost", way: unlock)
        try await house.keys.adopt(
            keyring, way: unlock, .system(.keysCreated, decision: keyring.provider.rawValue), house.log)
        // From here on the log accounts for everything that is stored.
        _ = try await house.vault.verifyAtStart()
        await house.close()
    }

    /// Opens a store with its key.
    ///
    /// - Parameters:
    ///   - origin: what links begin with; nil for where the server was last.
    ///   - officeOrigin: what links of notices begin with, where the office has a listener of its own.
    ///   - isChecked: whether the store is held against the log first; a verification comes to look at a store that does
    ///     not pass.
    ///   - backup: where the store's commits are carried to from now on.
    ///   - material: of a store that was restored, whose keyring is still that of the machine of before.
    ///   - standby: how a store is written that a standby follows.
    static func open(
        _ folder: DataFolder, kind: StoreHeader.Kind?,
        unlock: (StoreHeader, Keyring, SQLiteStore) async throws -> Keyring.Unlock,
        origin: String?, officeOrigin: String? = nil, isChecked: Bool = true, backup: BackupChoice? = nil,
        material: KeyMaterial? = nil, standby: StandbyAccess = .none
    ) async throws -> House {
        try folder.requireStore()
        let store: SQLiteStore
        do throws(StorageFailure) { store = try SQLiteStore(path: folder.database) } catch {
            throw CommandFailure(error.text)
        }
        // Only the restore itself has the key at hand. What the machine before had must not open it half way.
        if material == nil, (try? BackupRestore.isUnfinished(store)) != false {
            throw CommandFailure(
                "this store is being restored and has no keys of its own yet: run ward backup restore again")
        }
        let mark: StandbyMark?
        do throws(StorageFailure) { mark = try StandbyMark(of: store) } catch { throw CommandFailure(error.text) }
        if material == nil, mark != nil {
            throw CommandFailure(
                "this is the copy of a standby: ward follow keeps it, and ward standby promote puts it in the primary's place"
            )
        }
        let header = try StoreHeader(of: store)
        if let kind, header.kind != kind {
            throw CommandFailure(
                header.kind == .demo
                    ? "this is a demo store; it can never hold real patients (use: ward demo)"
                    : "this is a real store; it can never be a demo")
        }
        let keyring = try StoreKeys.ring(of: store)
        let (way, tenant): (Keyring.Unlock?, KeyMaterial)
        do {
            if let material {
                (way, tenant) = (nil, material)
            } else {
                let asked = try await unlock(header, keyring, store)
                (way, tenant) = (asked, try keyring.open(storeID: header.id, unlock: asked))
            }
        } catch let failure as KeyFailure {
            throw CommandFailure(failure.text)
        }
        // Before anything is written.
        let leased = try await StandbyPrimary.enter(
            folder, header, store, StandbyRecord.key(tenant), material == nil ? standby : .promotion)
        let following = backup.map { Following(store, to: $0) }
        let known = SealedOrigin(store: store, key: SealingKey(tenant.derived("ward/origin/1")))
        if let origin { try known.keep(origin) }
        var house: House
        do throws(AuditFailure) {
            house = try wire(
                folder, header, store, tenant, origin: try known.origin ?? "https://localhost:8443", way: way,
                following: following, officeOrigin: officeOrigin)
        } catch {
            guard error == .damaged else { throw CommandFailure("the store could not be read") }
            throw CommandFailure(
                "the audit log does not agree with itself, its checkpoint or what it tells of; nothing is opened. "
                    + "keep the folder as evidence",
                isDamage: true)
        }
        house.standby = leased
        if case .keyService = way { try await house.checkKeyService() }
        if isChecked {
            do { try await house.check() } catch {
                await house.close()
                throw error
            }
        }
        _ = try await house.log.append(.system(.keysOpened, decision: keyring.provider.rawValue))
        // Cut short by the end of the process, or kept from it by a reader; if not now, then later.
        try? store.erase()
        return house
    }

    /// Opens a store of an earlier version, whose keyring this one does not open, to bring it to this one's formats.
    static func openEarlier(
        _ folder: DataFolder, _ header: StoreHeader, _ store: SQLiteStore, _ material: KeyMaterial
    ) async throws -> House {
        let house: House
        do throws(AuditFailure) {
            house = try wire(folder, header, store, material, origin: "https://localhost:8443", way: nil)
        } catch {
            throw CommandFailure(
                error == .damaged
                    ? "the audit log does not agree with itself or its checkpoint; nothing is changed"
                    : "the store could not be read", isDamage: error == .damaged)
        }
        try await house.check()
        return house
    }

    /// Refuses a store that is not what its log says.
    func check() async throws {
        let result: StartVerification
        do throws(VaultFailure) {
            result = try await vault.verifyAtStart {
                if $0.total > 10_000 { Terminal.progress(Int($0.done), of: Int($0.total), "events replayed") }
            }
        } catch {
            throw CommandFailure("the store could not be held against its log")
        }
        guard !result.isWhole else { return }
        for fault in result.faults.prefix(20) { Terminal.warn(fault) }
        throw CommandFailure(
            "the store does not agree with its audit log; nothing is opened. keep the folder as evidence, "
                + "and see what it is with: ward verify",
            isDamage: true)
    }

    /// - Parameter readOnly: how the log of a copy that is only read names itself; nil for a store.
    static func wire(
        _ folder: DataFolder, _ header: StoreHeader, _ store: any StreamedStore, _ tenant: KeyMaterial, origin: String,
        way: Keyring.Unlock?, following: Following? = nil, officeOrigin: String? = nil, readOnly: String? = nil
    ) throws(AuditFailure) -> House {
        let signing = try signingKey(header, store, tenant)
        let audit = AuditKeys(tenant.derived("ward/audit/1"), signing: signing, tenant: .single)
        let log = try AuditLog(
            store: store, keys: audit, origin: readOnly ?? "ward/\(header.id)",
            writable: readOnly == nil ? nil : EmergencyStore.kinds)
        let adopted = try PolicyInForce(store, log, tenant, signing)
        let (authenticator, people): (Authenticator, People)
        do throws(IdentityFailure) {
            let material = tenant.derived("ward/identities/1")
            authenticator = try Authenticator(store: store, material: material, log: log)
            people = try People(store: store, material: material, log: log, clinic: "Ward", policy: adopted.policy)
        } catch {
            throw error == .damaged ? .damaged : .storage
        }
        let base = "\(origin)/fhir"
        let vault = Vault(
            store: store, material: tenant.derived("ward/vault/1"), tenant: .single, log: log, ownBase: base)
        let doors = try Doors(store, tenant, log, origin: officeOrigin ?? origin)
        let storeKeys = StoreKeys(store: store, storeID: header.id, way: way, broker: doors.broker)
        let gate = Gate(
            policy: people.directory.policy, log: log, areKeysHeld: { storeKeys.areHeld },
            emergencies: { person, patient, now in
                people.emergencies.standing(of: person, for: patient, at: now).map {
                    OpenEmergency(id: $0.id, reasons: $0.reasons)
                }
            })
        let clinic = Clinic(
            gate: gate, vault: vault, base: base,
            isCurrent: { principal in
                principal.kind == .client
                    ? authenticator.isCurrent(principal) : people.isCurrent(principal, at: .now())
            })
        let desk: AlertDesk
        do throws(AlertFailure) {
            desk = try AlertDesk(
                store: store, material: tenant.derived("ward/watch/1"), log: log,
                isSame: { people.directory.areOneHuman(actor: $0, $1) })
        } catch {
            throw .storage
        }
        let reviews: ActivityReviews
        do throws(ActivityFailure) {
            reviews = try ActivityReviews(
                store: store, material: tenant.derived("ward/activity/1"), log: log, desk: desk)
        } catch {
            throw .storage
        }
        let backups: BackupDesk
        do throws(BackupFailure) {
            guard let keys = BackupKeys(tenant: tenant, store: header.id) else { throw .sealing }
            backups = try BackupDesk(store: store, keys: keys, log: log)
        } catch {
            throw .damaged
        }
        let facts = ClinicFacts(authenticator: authenticator, people: people, vault: vault, desk: desk)
        return House(
            folder: folder, header: header, store: store, log: log, authenticator: authenticator, people: people,
            vault: vault, gate: gate, clinic: clinic, origin: origin,
            certificates: SealedCertificates(store: store, key: SealingKey(tenant.derived("ward/certificates/1"))),
            adopted: adopted, watch: WatchPost(desk: desk, facts: facts, log: log), keys: storeKeys, signing: signing,
            configuration: SealedConfiguration(
                store: store, key: SealingKey(tenant.derived("ward/configuration/1"))),
            posture: SealedPosture(store: store, key: SealingKey(tenant.derived("ward/posture/1"))), reviews: reviews,
            register: doors.register, broker: doors.broker, postman: doors.postman,
            backups: backups,
            continuous: following.map { ContinuousBackup($0, of: store, desk: backups, doors.broker) },
            standbyKey: StandbyRecord.key(tenant),
            reconciliation: SpoolReconciliation(store: store, material: tenant, log: log), isReadOnly: readOnly != nil)
    }

    /// Signs the log's checkpoints.
    static func signingKey(
        _ header: StoreHeader, _ store: any SealedStore, _ tenant: KeyMaterial
    ) throws(AuditFailure) -> SigningKey {
        let sealing = SealingKey(tenant.derived("ward/signing-key/1"))
        let signing: SigningKey?
        do {
            signing = try store.metadata(.signingKey)
                .flatMap { try? sealing.open($0, boundTo: header.encoded()) }.flatMap(SigningKey.init(seed:))
        } catch {
            throw .storage
        }
        guard let signing else { throw .damaged }
        return signing
    }

    /// Finishes what was taken and closes the files.
    func close() async {
        await broker.close()
        await people.finishEnds()
        await log.close()
        // To a folder; storage had its last while doors still opened. What is not carried over by now is found at the next start.
        try? await continuous?.backup.carry()
        await standby?.close()
        store.close()
    }
}

extension AuditEvent {
    /// An event of the process itself.
    static func system(_ kind: AuditEventKind, decision: String = "system") -> AuditEvent {
        AuditEvent(
            kind: kind, time: .now(), outcome: .success, actor: nil, purpose: .systemAdministration, source: .system,
            decision: decision)
    }
}

/// The local certificates, sealed in the store.
struct SealedCertificates: Sendable {
    private let store: any SealedStore
    private let key: SealingKey
    private static let context = Array("ward/certificates/1".utf8)

    init(store: any SealedStore, key: SealingKey) {
        self.store = store
        self.key = key
    }

    /// The authority for these names: the stored one, renewed if needed, or a new one.
    func authority(for names: [String]) throws -> LocalAuthority {
        if let sealed = try store.metadata(.certificates) {
            let stored = try LocalAuthority(decoding: try key.open(sealed, boundTo: Self.context))
            guard let renewed = try stored.renewed(names: names, now: .now()) else { return stored }
            try keep(renewed)
            return renewed
        }
        let fresh = try LocalAuthority.make(names: names, now: .now())
        try keep(fresh)
        return fresh
    }

    private func keep(_ authority: LocalAuthority) throws {
        let sealed = try key.seal(try authority.encoded(), boundTo: Self.context)
        try store.commit { transaction throws(StorageFailure) in
            try transaction.putMetadata(.certificates, sealed)
        }
    }
}

/// Under which address people found the server last, so that a link made while none runs leads there.
struct SealedOrigin: Sendable {
    let store: any SealedStore
    let key: SealingKey
    private static let context = Array("ward/origin/1".utf8)

    var origin: String? {
        get throws(AuditFailure) {
            let stored: [UInt8]?
            do throws(StorageFailure) { stored = try store.metadata(.origin) } catch { throw .storage }
            guard let stored else { return nil }
            guard let bytes = try? key.open(stored, boundTo: Self.context) else { throw .damaged }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    func keep(_ origin: String) throws {
        guard try self.origin != origin else { return }
        let sealed = try key.seal(Array(origin.utf8), boundTo: Self.context)
        try store.commit { transaction throws(StorageFailure) in
            try transaction.putMetadata(.origin, sealed)
        }
    }
}
