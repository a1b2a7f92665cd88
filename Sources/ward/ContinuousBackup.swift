import Glibc
import Synchronization
import WardAudit
import WardContinuity
import WardCore
import WardEgress
import WardSQLite
import WardStorage
import WardTelemetry
import WardVault

/// A store whose commits are followed, from before anything is written.
struct Following {
    let stream = BackupStream()
    let start: LogPosition
    let choice: BackupChoice

    init(_ store: SQLiteStore, to choice: BackupChoice) {
        self.choice = choice
        start = Backup.position(of: store) ?? .start
        stream.follow(store)
    }
}

/// The backup that a running server keeps.
struct ContinuousBackup: Sendable {
    let backup: Backup
    let stream: BackupStream
    let start: LogPosition
    let path: String
    /// In the register, if it is storage.
    let destination: String?

    init(_ following: Following, of store: any StreamedStore, desk: BackupDesk, _ broker: EgressBroker) {
        stream = following.stream
        start = following.start
        path = following.choice.path
        destination = following.choice.destination
        backup = Backup(
            of: store, desk: desk, to: following.choice.place(broker), stream: stream,
            place: following.choice.name)
    }
}

/// Carries commits over every few seconds, makes a full backup every day and a drill every month, and says when it cannot.
struct BackupService: Sendable {
    private static let day: Int64 = 86_400
    private static let drillDays: Int64 = 30
    /// Of what is told again and again, one event in this time.
    private static let quiet = Duration.seconds(3600)

    let house: House
    let continuous: ContinuousBackup
    let log: OperationalLog
    let interval: Int
    private let covered: BackupCover
    private let list = DestroyedAgain()

    init(house: House, continuous: ContinuousBackup, log: OperationalLog, interval: Int) {
        (self.house, self.continuous, self.log, self.interval) = (house, continuous, log, interval)
        covered = BackupCover(continuous.destination)
    }

    /// Runs until it is cancelled.
    func run() async {
        await covered.look(house, log)
        if covered.isCovered { await begin() }
        let full = Task.detached { await fulls() }
        var wasAway = false
        var told: ContinuousClock.Instant?
        let began = ContinuousClock.now
        var lastDone = began
        var pace = BackupPace(house, isRemote: continuous.destination != nil)
        while !Task.isCancelled {
            await covered.look(house, log)
            // The place may not be there yet: until the list was gone through, a key may live that was destroyed.
            if covered.isCovered, pace.isDue, house.vault.isReady { try? await destroyAgain() }
            do throws(BackupFailure) {
                if covered.isCovered, pace.isDue {
                    let mark = pace.mark
                    try await continuous.backup.carry()
                    pace.done(mark)
                }
                if wasAway, pace.isWell { log.info("the backup's place is back") }
                if pace.isWell { wasAway = false }
                if pace.isWell, covered.isCovered, !continuous.stream.needsFull { lastDone = .now }
            } catch {
                pace.failed()
                if !wasAway { log.error("commits cannot be carried to the backup; they wait") }
                wasAway = true
            }
            // By a clock that nobody sets, so that a jump neither hides an overdue backup nor makes one up.
            let isOverdue = ContinuousClock.now - lastDone > .seconds(Self.day) || isOverdueByDate
            if isOverdue, told.map({ .now - $0 > Self.quiet }) ?? true {
                told = .now
                log.error("the newest backup is older than 24 hours")
                try? await house.backups.fail("overdue")
            }
            try? await Task.sleep(for: .seconds(interval))
        }
        full.cancel()
    }

    private func begin() async {
        do throws(BackupFailure) {
            try await requirePlace()
            try await continuous.backup.begin(at: continuous.start)
        } catch {
            switch error {
            case .altered, .foreignSigner, .missing:
                log.error("the backup is not the one that was written last; it was set back, lost or altered")
                try? await house.backups.fail("not-as-written")
            default:
                log.error("the backup's place cannot be used; a full backup is made when it can")
                try? await house.backups.fail("away")
            }
        }
    }

    /// A store that took the place of another, a promoted standby perhaps, may not have what that one destroyed last.
    ///
    /// Goes through the list until all of it was done once.
    private func destroyAgain() async throws(BackupFailure) {
        guard await list.enter() else { return }
        defer { list.leave() }
        guard list.isDue else { return }
        let (unknown, faults) = try await continuous.backup.destroyedElsewhere()
        var (count, failed) = (0, faults.count)
        for entry in unknown {
            do throws(ShredFailure) {
                count += try await house.vault.shredAgain([entry], as: .system(.keyDestroyed))
            } catch {
                failed += 1
            }
        }
        if count > 0 {
            log.info("patients' keys destroyed again, by the list beside the backups", .count(count))
            try? house.store.erase()
        }
        if list.isNews(failed) {
            log.error("patients' keys that were destroyed could not be destroyed again; run: ward backup verify")
            try? await house.backups.fail("destroyed-keys")
        }
    }

    /// A share that is not mounted leaves an empty folder: what went there would fill this machine's own disk.
    private func requirePlace() async throws(BackupFailure) {
        guard try await continuous.backup.isThere() else { throw .notThere }
    }

    private var isOverdueByDate: Bool {
        let newest = max(
            continuous.stream.upToDate?.microseconds ?? 0, house.backups.state.made?.microseconds ?? 0)
        return newest > 0 && Instant.now().microseconds - newest > Self.day * 1_000_000
    }

    private func fulls() async {
        var last: ContinuousClock.Instant?
        var wait = Duration.seconds(1)
        let began = ContinuousClock.now
        while !Task.isCancelled {
            if !covered.isCovered {
                try? await Task.sleep(for: .seconds(1))
                continue
            }
            if continuous.stream.needsFull || isFullDue(last) {
                // What is destroyed again goes before it, once records can be found.
                if !house.vault.isReady, ContinuousClock.now - began < .seconds(600) {
                    try? await Task.sleep(for: .seconds(1))
                    continue
                }
                do throws(BackupFailure) {
                    try await requirePlace()
                    try await destroyAgain()
                    let made = try await continuous.backup.full()
                    log.info("full backup made", .count(Int(made.manifest.number)))
                    last = .now
                    wait = .seconds(1)
                } catch {
                    switch error {
                    case .notThere:
                        log.error(
                            "no backup of before is at the backup's place: its disk is not mounted, or it was emptied")
                    case .notTheWriter: log.error("no lease of the standby is held, so no full backup is made")
                    default: log.error("no full backup could be made")
                    }
                    try? await house.backups.fail("full")
                    wait = min(wait * 2, .seconds(600))
                }
            } else if isDrillDue {
                if await drill() { last = .now } else { wait = min(wait * 2, .seconds(600)) }
            }
            try? await Task.sleep(for: wait)
        }
    }

    private func isFullDue(_ last: ContinuousClock.Instant?) -> Bool {
        if let last { return .now - last > .seconds(Self.day) }
        guard let made = house.backups.state.made else { return true }
        let age = Instant.now().microseconds - made.microseconds
        return age < 0 || age > Self.day * 1_000_000
    }

    /// A month after the last one, or after the first backup.
    private var isDrillDue: Bool {
        let state = house.backups.state
        guard let last = state.drilled else { return state.number > 1 }
        return Instant.now().microseconds - last.microseconds > Self.drillDays * Self.day * 1_000_000
    }

    /// Whether it was carried out, well or not.
    private func drill() async -> Bool {
        do {
            let result = try await DrillScratch(house).run(continuous.backup)
            if result.isGood {
                log.info("backup drilled: what was restored is equal", .milliseconds(result.seconds * 1000))
            } else {
                log.error("the backup drill failed: what was restored is not what was stored")
            }
            return true
        } catch {
            log.error("the backup drill could not be carried out")
            try? await house.backups.fail("drill")
            return false
        }
    }
}

/// How far a server is with what its backup's place says was destroyed.
private final class DestroyedAgain: Sendable {
    private struct State {
        var isDone = false
        var next = ContinuousClock.now
        var told: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let turnstile = Turnstile()

    /// Whether it is to be gone through, by one at a time; then ``leave()`` must follow.
    func enter() async -> Bool {
        guard isDue else { return false }
        return await turnstile.enterInTurn()
    }

    func leave() { turnstile.leave() }

    var isDue: Bool { state.withLock { !$0.isDone && $0.next <= .now } }

    /// Notes that the list was gone through, and how much of it could not be done; whether that is to be told.
    func isNews(_ failed: Int) -> Bool {
        state.withLock { state in
            guard failed > 0 else {
                state.isDone = true
                return false
            }
            state.next = ContinuousClock.now + .seconds(60)
            guard state.told.map({ .now - $0 > .seconds(3600) }) ?? true else { return false }
            state.told = .now
            return true
        }
    }
}

/// Where a drill restores to: a folder beside the store, sealed as the store is, and gone when the drill is over.
struct DrillScratch: Sendable {
    private let path: String
    /// The folder is one; a drill that somebody asks for and the monthly one wait for each other.
    private static let turnstile = Turnstile()

    init(_ house: House) {
        path = "\(house.folder.path)/drill"
    }

    func run(
        _ backup: Backup, progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws -> BackupDrill {
        while !Self.turnstile.enter() { try await Task.sleep(for: .milliseconds(200)) }
        defer { Self.turnstile.leave() }
        clear()
        defer { clear() }
        let file = "\(path)/ward.db"
        return try await backup.drill(
            into: { () throws(BackupFailure) -> any SealedStore in
                do throws(FileFailure) { try PrivateFile.makeFolder(path) } catch { throw .store }
                do throws(StorageFailure) { return try SQLiteStore(path: file) } catch { throw .store }
            }, progress: progress)
    }

    private func clear() {
        for suffix in ["", "-wal", "-shm"] { unsafe unlink("\(path)/ward.db\(suffix)") }
        unsafe rmdir(path)
    }
}
