import WardAudit
import WardCore
import WardKeys
import WardPolicy
import WardSQLite
import WardStorage

/// Brings a store of an earlier version to this one's formats, step by step; each can be stopped anywhere and done again.
struct StoreUpgrade {
    let folder: DataFolder
    let options: StoreOptions
    let confirmation: [String: String]

    /// Puts a verified copy of the store as it is beside it, from which the version before can go on.
    func keepCopy(in place: String) throws {
        guard !folder.holds(place) else { throw CommandFailure("the copy must lie outside the data folder") }
        let target = "\(place)/ward.db"
        do throws(FileFailure) { try PrivateFile.makeFolder(place) } catch {
            throw CommandFailure("the folder for the copy cannot be made")
        }
        do {
            if PrivateFile.exists(target) {
                // Of a run that was stopped; anything else is not written over.
                if (try? SQLiteStore.isCopy(target, of: folder.database)) == true { return }
                guard (try? SQLiteStore.isEarlier(target, than: folder.database)) == true else {
                    throw CommandFailure("the folder for the copy holds something else; name an empty one")
                }
            }
            try SQLiteStore.copy(folder.database, to: target)
        } catch let failure as StorageFailure {
            throw CommandFailure("no copy could be made: \(failure.text)")
        }
    }

    /// The keyring, from format 1 to 2: a new tenant key, the same way in, and a new recovery code.
    ///
    /// - Parameter show: is given the new recovery code before it holds.
    func exchangeKeyring(show: (String) -> Void) async throws {
        let store: SQLiteStore
        do throws(StorageFailure) { store = try SQLiteStore(path: folder.database) } catch {
            throw CommandFailure(error.text)
        }
        do {
            let header = try StoreHeader(of: store)
            guard let bytes = try StoreKeys.earlierRing(of: store) else { return store.close() }
            let earlier = try EarlierKeyring(decoding: bytes)
            let way = try way(in: earlier, header)
            let material = try earlier.open(storeID: header.id, unlock: way)
            let house = try await House.openEarlier(folder, header, store, material)
            let request = OperatorRequest(command: .keysStatus, options: confirmation)
            let actor = try await OperatorService(house: house).acting(.manageKeys, request)
            let code = RecoveryCode()
            let (ring, _) = try Keyring.create(
                storeID: header.id, unlock: way, recovery: code, today: OperatorService.today, material: material)
            show(RecoveryKit.text(storeID: header.id, code: code))
            let event = AuditEvent(
                kind: .storeUpgraded, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
                source: OperatorService.source, decision: "keyring \(earlier.format) -> \(Keyring.current)")
            try await house.keys.adopt(ring, way: way, event, house.log)
            await house.close()
        } catch let failure as KeyFailure {
            store.close()
            throw CommandFailure(failure.text)
        } catch {
            store.close()
            throw error
        }
    }

    /// Lets go of the earlier keyring, once the new one is in force.
    func clearEarlierKeyring() throws {
        let store = try SQLiteStore(path: folder.database)
        defer { store.close() }
        guard try store.entry(StoreKeys.place, kind: .keyring) != nil, let ring = try StoreKeys.earlierRing(of: store)
        else { return }
        // Written over at its length first: what a row no longer holds would stay in its page.
        let zeros = [UInt8](repeating: 0, count: ring.count)
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.keyring, zeros) }
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.keyring, []) }
    }

    private func way(in ring: EarlierKeyring, _ header: StoreHeader) throws -> Keyring.Unlock {
        switch ring.provider {
        case .keyFile: .keyFile(try KeyFile.read(try options.keyFilePath(), storeID: header.id))
        case .passphrase: .passphrase(try options.passphrase())
        case .keyService, .securityModule: throw KeyFailure.malformedKeyring
        }
    }
}
