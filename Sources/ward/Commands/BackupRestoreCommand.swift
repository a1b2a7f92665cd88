import ArgumentParser
import Glibc
import Synchronization
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardFHIR
import WardKeys
import WardSQLite
import WardStorage
import WardVault

/// How a kit is read.
struct KitOptions: ParsableArguments {
    @Option(
        name: .long,
        help: "File with a sheet of the kit (mode 600); repeat it for shares. Without it the sheet is asked for.")
    var kitFile: [String] = []

    func kit() throws -> WardContinuity.RecoveryKit {
        let parts = kitFile.isEmpty ? try typed() : try kitFile.map(Self.part)
        do throws(KitFailure) { return try WardContinuity.RecoveryKit(parts) } catch {
            throw CommandFailure(error.text)
        }
    }

    private static func part(_ path: String) throws -> WardContinuity.RecoveryKit.Part {
        let text = try sheet(path)
        do throws(KitFailure) { return try WardContinuity.RecoveryKit.Part(typed: text) } catch {
            throw CommandFailure("\(path): \(error.text)")
        }
    }

    /// The lines of a sheet; what was printed around them is passed by.
    private static func sheet(_ path: String) throws -> String {
        let bytes: [UInt8]
        do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: true, limit: 65_536) } catch {
            throw CommandFailure(
                error == .readableByOthers ? "\(path) can be read by others; chmod 600 it" : "\(path) cannot be read")
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let numbered = lines.filter { line in
            let text = line.drop { $0 == " " }
            return text.first.map { ("1"..."6").contains($0) } == true && text.dropFirst().first == " "
        }
        return (numbered.count == 6 ? numbered : lines).joined(separator: "\n")
    }

    /// Asks for sheets until there are enough; a line that is mistyped is asked for again.
    private func typed() throws -> [WardContinuity.RecoveryKit.Part] {
        var parts: [WardContinuity.RecoveryKit.Part] = []
        while true {
            if !parts.isEmpty { Terminal.note("share \(parts.count + 1) of \(parts[0].threshold) that are needed") }
            var lines = try (1...6).map { try Self.line($0) }
            while true {
                do throws(KitFailure) {
                    parts.append(try .init(typed: lines.joined(separator: "\n")))
                    break
                } catch {
                    guard case .mistyped(let line) = error else { throw CommandFailure(error.text) }
                    Terminal.warn(error.text)
                    lines[line - 1] = try Self.line(line)
                }
            }
            if parts.count >= parts[0].threshold { return parts }
        }
    }

    private static func line(_ number: Int) throws -> String {
        try ConfirmOptions.code(nil, prompt: "line \(number): ")
    }
}

/// Brings a store back.
struct BackupRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Restore a backup into an empty data folder, with the kit.",
        discussion: """
            The store gets a new key file (or passphrase) and a new recovery code; those of before do not open it. \
            Interrupted, the same command goes on where it was. Exits with 2 if the backup is not what was written, or not \
            a continuation of the checkpoint.
            """)
    @Option(name: .long, help: "Folder of the backup, or s3:HOST[:PORT]/BUCKET[/PREFIX] with a reason.")
    var backup: String
    @OptionGroup var storage: RestoreStorageOptions
    @Option(name: .long, help: "Go back to this moment: 2026-11-21T08:30:00Z.") var until: String?
    @Option(name: .long, help: "Checkpoint of the log, kept elsewhere; the backup must be a continuation of it.")
    var checkpoint: String?
    @Flag(name: .long, help: "Protect the restored store by a passphrase instead of a key file.") var passphrase = false
    @OptionGroup var sheets: KitOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let began = ContinuousClock.now
        let moment = try until.map(Self.instant)
        let source = try storage.source(backup)
        let note = try checkpoint.map(Self.note)
        let kit = try sheets.kit()
        let folder = store.folder
        try folder.make()
        let lock = try FolderLock(folder)
        defer { withExtendedLifetime(lock) {} }
        let database: SQLiteStore
        do throws(StorageFailure) { database = try SQLiteStore(path: folder.database) } catch {
            throw CommandFailure(error.text)
        }
        let access = try newAccess(database)
        let restore = BackupRestore(from: source.place, with: kit)
        let report = try await restore.run(
            into: database, until: moment, against: note.flatMap { Checkpoint(text: $0.text) }
        ) { done, total in Terminal.progress(Int(done), of: Int(total), "restored") }
        if report.resumed > 0 { Terminal.note("went on where an earlier restore was interrupted") }
        let recovery = RecoveryCode()
        let material = try await restore.tenantKey(of: report)
        let destroyed = try await restore.destroyed(of: report)
        let (path, way) = try newWay(report.store, access)
        database.close()
        try await open(folder, way, material, recovery, report, note, destroyed, fetched: source.fetched)
        Terminal.say(RecoveryKit.text(storeID: report.store, code: recovery))
        try conclude(folder)
        say(report, seconds: (ContinuousClock.now - began) / .seconds(1))
        if let path { Terminal.say("key file         \(path)   (move it to other media than the data)") }
        if let broken = report.broken {
            Terminal.warn("\(broken.text): what was committed after \(report.upTo.text) is lost")
            Glibc.exit(2)
        }
    }

    /// What the store is to open with from now on, known before anything is written.
    private enum Access {
        case keyFile(String)
        case known(Keyring.Unlock)
    }

    private func newAccess(_ database: SQLiteStore) throws -> Access {
        if passphrase || store.passphraseFile != nil {
            return .known(.passphrase(try store.newPassphrase()))
        }
        let path = try store.keyFilePath()
        // One that lies there already may be that of the machine before.
        guard try !PrivateFile.exists(path) || ((try? BackupRestore.isUnfinished(database)) == true && isOwn(path))
        else {
            throw CommandFailure("\(path) is there already; the restored store gets a key file of its own: --key-file")
        }
        return .keyFile(path)
    }

    /// Whether an interrupted restore into this folder has made the key file.
    private func isOwn(_ path: String) throws -> Bool {
        let mark = store.folder.restoredKey
        guard PrivateFile.exists(mark) else { return false }
        return try PrivateFile.read(mark, secret: false, limit: 8192) == Array(absolutePath(path).utf8)
    }

    private func newWay(_ id: String, _ access: Access) throws -> (path: String?, way: Keyring.Unlock) {
        switch access {
        case .known(let way): return (nil, way)
        case .keyFile(let path):
            do throws(KeyFailure) {
                if PrivateFile.exists(path) { return (path, .keyFile(try KeyFile.read(path, storeID: id))) }
                // Said first, so that this restore knows it again wherever it is interrupted.
                do throws(FileFailure) {
                    try PrivateFile.replace(store.folder.restoredKey, Array(absolutePath(path).utf8))
                } catch {
                    throw .file(error)
                }
                return (path, .keyFile(try KeyFile.create(path, storeID: id)))
            } catch {
                throw CommandFailure(error.text)
            }
        }
    }

    /// Opens what was restored, which holds it against its log, writes down that it was restored, and wraps the keys
    /// anew: nothing of the machine of before opens this store.
    private func open(
        _ folder: DataFolder, _ way: Keyring.Unlock, _ material: KeyMaterial, _ recovery: RecoveryCode,
        _ report: BackupRestore.Report, _ note: SignedNote?, _ destroyed: [StoredEntry], fetched: String?
    ) async throws {
        let house = try await House.open(
            folder, kind: nil, unlock: store.unlock, origin: nil, material: material)
        if let note, Checkpoint(note: note.note, publicKey: house.log.publicKey) == nil {
            await house.close()
            throw CommandFailure("the checkpoint file is not one that this log has signed", isDamage: true)
        }
        let what = "\(report.backup) \(report.segments) \(report.events) \(report.upTo.text)"
        _ = try await house.log.append(.system(.backupRestored, decision: what + (fetched.map { " \($0)" } ?? "")))
        try await shredAgain(destroyed, house)
        do throws(KeyFailure) {
            let made = try Keyring.create(
                storeID: house.header.id, unlock: way, recovery: recovery, today: OperatorService.today,
                material: material)
            try await adopt(made.keyring, way, house)
        } catch {
            throw CommandFailure(error.text)
        }
        await house.close()
    }

    /// Destroys again what was destroyed after the moment that was restored, before the store has keys that open it.
    private func shredAgain(_ destroyed: [StoredEntry], _ house: House) async throws {
        let count: Int
        do throws(ShredFailure) {
            count = try await house.vault.shredAgain(destroyed, as: .system(.keyDestroyed))
        } catch {
            await house.close()
            throw CommandFailure("patients' keys that were destroyed could not be destroyed again; nothing is opened")
        }
        if count > 0 {
            try house.store.erase()
            Terminal.note("destroyed again   \(count) patients' keys, by the list beside the backups")
        }
    }

    private func conclude(_ folder: DataFolder) throws {
        do throws(StorageFailure) {
            let database = try SQLiteStore(path: folder.database)
            defer { database.close() }
            try BackupRestore.conclude(database)
            unsafe unlink(folder.restoredKey)
        } catch {
            throw CommandFailure(error.text)
        }
    }

    private func adopt(_ ring: Keyring, _ way: Keyring.Unlock, _ house: House) async throws(KeyFailure) {
        do {
            try await house.keys.adopt(ring, way: way, .system(.keysRecovered, decision: "restored"), house.log)
        } catch {
            throw .malformedKeyring
        }
    }

    private func say(_ report: BackupRestore.Report, seconds: Double) {
        Terminal.say(
            "restored         \(report.versions) stored versions, \(report.events) events, from backup \(report.backup)"
        )
        Terminal.say("up to            \(report.upTo.text)")
        let loss = max(0, Instant.now().microseconds - report.upTo.microseconds) / 1_000_000
        Terminal.say("recovery point   \(loss) s before now; what was written after it is not here (RPO)")
        Terminal.say("recovery time    \(Int64(seconds * 1000)) ms (RTO)")
        let rate = report.coreSeconds > 0 ? Double(report.versions) / report.coreSeconds : 0
        Terminal.say(
            "rate             \(Int64(rate)) resources a core-second (\(Int64(report.coreSeconds * 1000)) ms of one core)"
        )
        Terminal.say(
            report.isContinuous && checkpoint != nil
                ? "the log has only grown since the given checkpoint"
                : "not compared with a checkpoint kept elsewhere: a backup set back as a whole would not show")
    }

    private static func note(_ path: String) throws -> SignedNote {
        let bytes: [UInt8]
        do throws(FileFailure) {
            bytes = try PrivateFile.read(path, secret: false, limit: SignedNote.largestSize)
        } catch {
            throw CommandFailure("\(path) cannot be read")
        }
        // Commands print it without its last newline.
        let text = String(decoding: bytes, as: UTF8.self)
        guard let note = SignedNote(text.hasSuffix("\n") ? text : text + "\n"), Checkpoint(text: note.text) != nil
        else {
            throw CommandFailure("\(path) is not a checkpoint")
        }
        return note
    }

    private static func instant(_ text: String) throws -> Instant {
        guard text.utf8.count == 20, text.hasSuffix("Z"), let (low, _) = FHIRDate.interval(text) else {
            throw CommandFailure("--until is a time like 2026-11-21T08:30:00Z")
        }
        return Instant(microseconds: low)
    }
}

/// Tries a restore out.
struct BackupDrillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill",
        abstract: "Restore into a scratch folder, compare, and write the signed result into the log.",
        discussion: """
            Without the kit a whole backup is written and read again under a key that is only in memory: it shows that the \
            backup is complete and opens. With --kit the newest backup is restored with the kit, as it would be on a bare \
            machine, into --scratch. Exits with 2 if anything is wrong.
            """)
    @Flag(name: .long, help: "With the printed kit.") var kit = false
    @Option(name: .long, help: "Folder to restore into, with --kit; it must not be there, and is removed afterwards.")
    var scratch: String?
    @OptionGroup var sheets: KitOptions
    @OptionGroup var place: BackupPlace
    @OptionGroup var store: StoreOptions

    func validate() throws {
        if kit, scratch == nil || place.backup == nil { throw ValidationError("--kit needs --backup and --scratch") }
        if kit, place.backup?.hasPrefix(StorageName.scheme) == true {
            throw ValidationError(
                "--kit reads a folder; of storage, restore into a scratch folder: ward backup restore")
        }
    }

    func run() async throws {
        guard kit, let scratch else {
            return try await Operator.perform(store) { _ in
                OperatorRequest(command: .backupDrill, options: place.options, paths: place.paths)
            }
        }
        let began = ContinuousClock.now
        let opened = try sheets.kit()
        guard !PrivateFile.exists(scratch) else { throw CommandFailure("\(scratch) is there already") }
        try DataFolder(scratch).make()
        let file = "\(scratch)/ward.db"
        defer {
            for suffix in ["", "-wal", "-shm"] { unsafe unlink("\(file)\(suffix)") }
            unsafe rmdir(scratch)
        }
        let database = try SQLiteStore(path: file)
        defer { database.close() }
        let restore = BackupRestore(from: FolderDestination(absolutePath(place.backup ?? "")), with: opened)
        var (report, fault) = (BackupRestore.Report(), String?.none)
        do throws(BackupFailure) {
            report = try await restore.run(into: database) { done, total in
                Terminal.progress(Int(done), of: Int(total), "restored")
            }
            _ = try await restore.tenantKey(of: report)
            fault = report.broken?.text
        } catch {
            // A drill that fails is what drills are for: it is written down as well.
            fault = error.text
        }
        let milliseconds = Int64((ContinuousClock.now - began) / .milliseconds(1))
        let (found, result) = (fault, report)
        try await Operator.perform(store) { _ in
            var options = [
                "backup": "\(result.backup)", "versions": "\(result.versions)", "events": "\(result.events)",
                "milliseconds": "\(milliseconds)",
            ]
            options["fault"] = found
            return OperatorRequest(command: .backupConclude, options: options, paths: place.paths)
        }
        if let found { throw CommandFailure(found, isDamage: true) }
        Terminal.say(
            "backup \(report.backup) restored with the kit in \(milliseconds) ms: \(report.versions) stored versions, "
                + "\(report.events) events, up to \(report.upTo.text)")
    }
}

/// What a command said, kept instead of shown.
final class Said: Sendable {
    private let state = Mutex<String?>(nil)

    var text: String? { state.withLock { $0 } }

    func take(_ text: String) { state.withLock { $0 = text } }
}
