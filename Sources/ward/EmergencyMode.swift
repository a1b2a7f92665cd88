import ArgumentParser
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardKeys
import WardSQLite
import WardStorage

/// Options of the read-only emergency mode (45 CFR 164.308(a)(7)(ii)(C), 164.310(a)(2)(i)).
struct EmergencyOptions: ParsableArguments {
    @Flag(
        name: .long,
        help: """
            Read from a copy while its primary is away: nothing is written to the copy, every access goes into a spool beside \
            it; see docs/standby.md.
            """)
    var emergencyReadOnly = false

    @Option(
        name: .customLong("spool"),
        help: "With --emergency-read-only: the spool; by default DATA.emergency-EVENTS.spool, beside the folder.")
    var spool: String?

    @Option(
        name: .customLong("standby-key"),
        help: "With --emergency-read-only on a standby's copy: its keys; by default DATA.standby-key.")
    var standbyKey: String?

    func validate() throws {
        guard emergencyReadOnly || (spool == nil && standbyKey == nil) else {
            throw ValidationError("--spool and --standby-key go with --emergency-read-only")
        }
    }
}

extension House {
    /// Opens a copy for reading: a standby's, a restored one, or a store that has lost its standby.
    ///
    /// No lease is asked for or granted, nothing is promoted, and nothing is written but the spool.
    static func openReadOnly(
        _ options: StoreOptions, _ emergency: EmergencyOptions, origin: String, officeOrigin: String?
    ) async throws -> House {
        let folder = options.folder
        let base: SQLiteStore
        do throws(StorageFailure) { base = try SQLiteStore(reading: folder.database) } catch {
            throw CommandFailure(error.text)
        }
        let header = try fitting(base, folder)
        let (way, tenant) = try await key(options, emergency, header, base)
        let store: EmergencyStore
        do {
            store = try spooling(base, header, tenant, folder, emergency)
        } catch is AuditFailure {
            throw CommandFailure(
                "the copy's log does not agree with its checkpoint; nothing is opened", isDamage: true)
        }
        let house: House
        do throws(AuditFailure) {
            house = try wire(
                folder, header, store, tenant, origin: origin, way: way, officeOrigin: officeOrigin,
                readOnly: store.header.origin)
        } catch {
            store.close()
            throw CommandFailure(
                "the audit log of the copy or its spool does not agree with itself; nothing is opened. keep both as evidence",
                isDamage: true)
        }
        do {
            try await house.check()
            Terminal.note(
                "read-only emergency mode: \(store.header.checkpoint.size) events in the copy, spool \(store.path)")
            _ = try await house.log.append(
                .system(.keysOpened, decision: "read-only emergency \(store.header.name)"))
        } catch {
            await house.close()
            throw error
        }
        return house
    }

    /// Refuses what is not of one moment, or has been replaced.
    private static func fitting(_ base: SQLiteStore, _ folder: DataFolder) throws -> StoreHeader {
        guard (try? BackupRestore.isUnfinished(base)) == false else {
            throw CommandFailure("this store is being restored: run ward backup restore again")
        }
        let mark: StandbyMark?
        do throws(StorageFailure) { mark = try StandbyMark(of: base) } catch { throw CommandFailure(error.text) }
        guard mark?.phase != .partial else {
            throw CommandFailure("this copy is not whole: its rows are not of one moment", isDamage: true)
        }
        guard mark?.phase != .promoting else {
            throw CommandFailure("a promotion of this copy has begun; finish it: ward standby promote")
        }
        guard !PrivateFile.exists(folder.standbyFence) else {
            throw CommandFailure("a standby was promoted in the place of this store; it is not served again")
        }
        let header = try StoreHeader(of: base)
        guard header.kind == .real else {
            throw CommandFailure("this is a demo store; it can never hold real patients (use: ward demo)")
        }
        return header
    }

    /// A standby's copy opens with the standby's own keys, unless others are named; anything else as ever.
    private static func key(
        _ options: StoreOptions, _ emergency: EmergencyOptions, _ header: StoreHeader, _ base: SQLiteStore
    ) async throws -> (Keyring.Unlock?, KeyMaterial) {
        let folder = options.folder
        let isCopy = PrivateFile.exists(folder.standbyPairing)
        guard isCopy, options.keyFile == nil, options.passphraseFile == nil else {
            let ring = try StoreKeys.ring(of: base)
            do {
                let way = try await options.unlock(header, ring, base)
                return (way, try ring.open(storeID: header.id, unlock: way))
            } catch let failure as KeyFailure {
                throw CommandFailure(failure.text)
            }
        }
        let path = emergency.standbyKey ?? "\(folder.path).standby-key"
        guard !folder.holds(path) else { throw CommandFailure("the standby's keys must lie outside the data folder") }
        let keys = try StandbyKeyFile.read(path)
        let pairing = try StandbyPairing.read(folder.standbyPairing)
        let fingerprint = try StandbyWire.fingerprint(keys.identity)
        do throws(SealFailure) {
            return (
                nil,
                try keys.opener.unwrap(
                    pairing.sealed, boundTo: BackupKeys.standbyContext(pairing.store, fingerprint))
            )
        } catch {
            throw CommandFailure("these are not the keys that this standby was paired with")
        }
    }

    private static func spooling(
        _ base: SQLiteStore, _ header: StoreHeader, _ tenant: KeyMaterial, _ folder: DataFolder,
        _ emergency: EmergencyOptions
    ) throws -> EmergencyStore {
        let signing = try signingKey(header, base, tenant)
        guard let note = try? base.metadata(.checkpoint),
            let checkpoint = Checkpoint(note: String(decoding: note, as: UTF8.self), publicKey: signing.publicKey),
            checkpoint.origin == "ward/\(header.id)"
        else { throw AuditFailure.damaged }
        let path = emergency.spool ?? folder.spool(after: checkpoint.size)
        guard !folder.holds(path) else { throw CommandFailure("the spool must lie outside the data folder") }
        do throws(SpoolFailure) {
            return try EmergencyStore(
                base, checkpoint: checkpoint, spool: path, key: SpoolKey(tenant), now: .now(),
                sign: { $0.signed(with: signing) })
        } catch {
            switch error {
            case .unknownCheckpoint:
                throw CommandFailure(
                    "\(path) belongs to another moment of this store; take it into the log, or name another with --spool"
                )
            case .altered, .noSpool: throw CommandFailure("\(path): \(error.text)", isDamage: true)
            default: throw CommandFailure("\(path): \(error.text)")
            }
        }
    }
}

extension OperatorRequest.Command {
    /// Whether it changes nothing but sessions, so that a copy that is only read carries it out.
    var isForReadOnly: Bool {
        switch self {
        case .alertList, .alertShow, .auditSearch, .clientList, .clientToken, .emergencyList, .keysStatus, .policyShow,
            .userEndSessions, .userList, .userSessions:
            true
        default: false
        }
    }
}
