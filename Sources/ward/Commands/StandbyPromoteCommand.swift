import ArgumentParser
import Glibc
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardKeys
import WardPolicy
import WardSQLite
import WardStorage

/// Puts a standby in the place of its primary.
struct StandbyPromoteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote", abstract: "On the second machine: take the primary's place.",
        discussion: """
            Stops the follower, waits until every lease that it granted is over, and gives the copy keys of its own; then it \
            is a store like any other: ward serve. The primary of before never writes again. What it had not carried over \
            by then is only on its disk. Exits with 2 if the copy is not whole or not what its log says.
            """)

    @Option(name: .long, help: "Why; it goes into the log.") var reason: String
    @Option(
        name: .customLong("standby-key"),
        help: "The standby's keys; by default the data folder's name with .standby-key, beside it.")
    var standbyKey: String?
    @OptionGroup var confirm: ConfirmOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let folder = store.folder
        try folder.requireStore()
        guard PrivateFile.exists(folder.standbyPairing) else {
            throw CommandFailure("\(folder.path) is no standby's copy")
        }
        let pairing = try StandbyPairing.read(folder.standbyPairing)
        let keys = try StandbyKeyFile.read(try keyPath(folder))
        let material = try open(pairing, keys)
        let options = try confirm.options()
        let lock = try await stopped(folder)
        defer { withExtendedLifetime(lock) {} }
        try await begin(folder, pairing)
        try await take(folder, pairing, keys, material, options)
        // The last step: without it the promotion is repeated, which finds it done.
        try finish(folder)
        Terminal.say("this store takes the place of its primary; start it with: ward serve --data \(folder.path)")
    }

    private func keyPath(_ folder: DataFolder) throws -> String {
        let path = standbyKey ?? "\(folder.path).standby-key"
        guard !folder.holds(path) else { throw CommandFailure("the standby's keys must lie outside the data folder") }
        return path
    }

    private func open(_ pairing: StandbyPairing, _ keys: StandbyKeyFile) throws -> KeyMaterial {
        do throws(SealFailure) {
            return try keys.opener.unwrap(
                pairing.sealed,
                boundTo: BackupKeys.standbyContext(pairing.store, try fingerprint(keys)))
        } catch {
            throw CommandFailure("these are not the keys that this standby was paired with")
        }
    }

    private func fingerprint(_ keys: StandbyKeyFile) throws(SealFailure) -> [UInt8] {
        do { return try StandbyWire.fingerprint(keys.identity) } catch { throw .notAuthentic }
    }

    /// Has the follower end itself, and keeps it from beginning again.
    private func stopped(_ folder: DataFolder) async throws -> FolderLock {
        do throws(FileFailure) { try PrivateFile.replace(folder.standbyStop, []) } catch {
            throw CommandFailure("\(folder.standbyStop) cannot be written")
        }
        defer { unsafe unlink(folder.standbyStop) }
        let deadline = LeaseClock.now() + 60_000_000_000
        while LeaseClock.now() < deadline {
            if let lock = try? FolderLock(folder) { return lock }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw CommandFailure("the follower does not end; end it and try again")
    }

    /// Waits the lease out and writes that nobody follows with this copy any more.
    ///
    /// Whatever the follower granted last, it granted before it ended, and that was before now.
    private func begin(_ folder: DataFolder, _ pairing: StandbyPairing) async throws {
        let database = try SQLiteStore(path: folder.database)
        defer { database.close() }
        guard let mark = try StandbyMark(of: database) else { return }
        guard mark.phase != .partial else {
            throw CommandFailure(
                "this copy is not whole: its rows are not of one moment. restore a backup instead", isDamage: true)
        }
        guard mark.phase != .promoting else { return }
        var giver = LeaseGiver(length: pairing.leaseSeconds * 1_000_000_000, startedAt: LeaseClock.now())
        giver.stop()
        Terminal.note("waiting until every lease of the primary is over")
        let whole = giver.wait(at: LeaseClock.now()) ?? 0
        while let left = giver.wait(at: LeaseClock.now()), left > 0 {
            Terminal.progress(Int(whole - left), of: Int(whole), "of the lease")
            try await Task.sleep(for: .milliseconds(100))
        }
        try StandbyMark.beginPromotion(database)
    }

    /// Opens the copy, which holds it against its log, and writes down in one transaction who took over, the new epoch and
    /// the new way in.
    private func take(
        _ folder: DataFolder, _ pairing: StandbyPairing, _ keys: StandbyKeyFile, _ material: KeyMaterial,
        _ options: [String: String]
    ) async throws {
        let house = try await House.open(folder, kind: nil, unlock: store.unlock, origin: nil, material: material)
        do {
            var record = try StandbyRecord(of: house.store, house.standbyKey) ?? StandbyRecord()
            // Done already, and only the last step is missing.
            let isDone = record.epoch > pairing.epoch && record.former?.fingerprint == pairing.primary
            guard isDone || record.epoch <= pairing.epoch else {
                throw CommandFailure(
                    "its primary has ended the pairing of this copy and was written without a lease since; it takes "
                        + "nobody's place. restore a backup instead", isDamage: true)
            }
            if !isDone {
                let request = OperatorRequest(
                    command: .standbyPromote, options: options.merging(["reason": reason]) { $1 })
                let service = OperatorService(house: house)
                let why = try service.reason(request)
                let actor = try await service.acting(.administer, request)
                let primary = try house.keys.ring()
                let (path, way) = try newWay(house.header.id, primary)
                let ring = try primary.taken(
                    over: material, by: way, storeID: house.header.id, today: OperatorService.today)
                record.epoch = pairing.epoch + 1
                (record.follower, record.identity) = (nil, keys.identity)
                record.former = (pairing.address, pairing.primary)
                let event = AuditEvent(
                    kind: .standbyPromoted, time: .now(), outcome: .success, actor: actor,
                    purpose: .systemAdministration, source: OperatorService.source,
                    decision: "epoch \(record.epoch) \(why)")
                _ = try await house.log.commit(
                    event, entries: [try StoreKeys.entry(ring), try record.entry(house.standbyKey)])
                Terminal.note("it opens with \(path ?? "the passphrase"); the recovery code is that of before")
            }
        } catch {
            await house.close()
            if let failure = error as? KeyFailure { throw CommandFailure(failure.text) }
            if error is CommandFailure { throw error }
            throw CommandFailure("the promotion could not be written down; try again")
        }
        await house.close()
    }

    /// How the store opens from now on.
    private func newWay(_ id: String, _ ring: Keyring) throws -> (path: String?, way: Keyring.Unlock) {
        if store.passphraseFile != nil { return (nil, .passphrase(try store.passphrase())) }
        let path = try store.keyFilePath()
        guard PrivateFile.exists(path) else { return (path, .keyFile(try KeyFile.create(path, storeID: id))) }
        // There from an attempt that ended right after it; the primary's own opens the copy as it is.
        let way = Keyring.Unlock.keyFile(try KeyFile.read(path, storeID: id))
        guard (try? ring.open(storeID: id, unlock: way)) == nil else {
            throw CommandFailure("\(path) opens the primary; the promoted store gets a key file of its own: --key-file")
        }
        return (path, way)
    }

    private func finish(_ folder: DataFolder) throws {
        let database = try SQLiteStore(path: folder.database)
        defer { database.close() }
        try StandbyMark.end(database)
        for path in [folder.standbyPairing, folder.standbyStatus] { unsafe unlink(path) }
    }
}
