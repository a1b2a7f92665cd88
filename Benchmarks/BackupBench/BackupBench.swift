import Glibc
import Synchronization
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage

/// Fills a store, backs it up and restores it, and measures what each takes (scripts/bench-backup).
///
/// Bodies and cards are of the size of sealed FHIR resources, in transactions of 60, each with its event, committed and
/// synced as in the server. `BackupBench FOLDER RESOURCES`.
@main
struct BackupBench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count > 2, let count = Int(arguments[2]) else {
            print("usage: BackupBench FOLDER RESOURCES")
            exit(64)
        }
        let folder = arguments[1]
        let (tenant, signing) = (KeyMaterial.random(), SigningKey())
        guard let keys = BackupKeys(tenant: tenant, store: "bench"), let kit = RecoveryKit(signer: keys.signer) else {
            exit(1)
        }
        let store = try SQLiteStore(path: "\(folder)/ward.db")
        try store.commit { transaction throws(StorageFailure) in try transaction.putMetadata(.header, [1]) }
        let log = try AuditLog(
            store: store, keys: AuditKeys(tenant.derived("audit"), signing: signing, tenant: .single),
            origin: "ward/bench")
        let desk = try BackupDesk(store: store, keys: keys, log: log)
        try await desk.adopt(kit.key.recipient, by: nil, source: .system)
        try await fill(log, from: 0, count: count)
        let place = FolderDestination("\(folder)/backup")
        let stream = BackupStream()
        let backup = Backup(of: store, desk: desk, to: place, stream: stream)

        let part = max(count / 20, 10_000)
        let before = try await written(log, from: count, parts: 3, of: part)
        stream.follow(store)
        try await measure("first full backup", count) { _ = try await backup.full() }
        try await measure("second full backup", count) { _ = try await backup.full() }
        let isDone = Mutex(false)
        let flushing = Task.detached {
            while !isDone.withLock({ $0 }) {
                try? await stream.flush()
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
        let followed = try await written(log, from: count * 2, parts: 3, of: part) { try await stream.flush() }
        isDone.withLock { $0 = true }
        await flushing.value
        print(
            "writing \(part * 3) resources: \(rounded(before)) core-seconds, with the stream \(rounded(followed)): "
                + "\(rounded((followed - before) / Double(part * 3) * 1e6)) microseconds a resource")
        try await stream.flush()
        await log.close()

        let target = try SQLiteStore(path: "\(folder)/restored.db")
        let report = try await BackupRestore(from: place, with: kit).run(into: target)
        let rate = Double(report.versions) / report.coreSeconds
        print(
            "restored \(report.versions) versions, \(report.events) events, \(report.segments) segments in \(rounded(report.seconds)) s, "
                + "\(rounded(report.coreSeconds)) core-seconds: \(Int(rate)) a core-second")
    }

    private static func written(
        _ log: AuditLog, from start: Int, parts: Int, of count: Int, end: () async throws -> Void = {}
    ) async throws -> Double {
        let before = coreSeconds()
        for part in 0..<parts { try await fill(log, from: start + part * count, count: count) }
        try await end()
        return coreSeconds() - before
    }

    private static func fill(_ log: AuditLog, from start: Int, count: Int) async throws {
        let body = randomBytes(1400)
        for first in stride(from: start, to: start + count, by: 60 * 16) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for begin in stride(from: first, to: min(first + 60 * 16, start + count), by: 60) {
                    group.addTask {
                        let writes = (begin..<min(begin + 60, start + count)).map { number in
                            let id = sha256(Array("\(number)".utf8)).locator
                            return RecordWrite(
                                locator: id, expectedVersion: 0, isDeleted: false, maskedOwner: id,
                                body: body, card: Array(body.prefix(286)),
                                newKey: number % 60 == 0 ? (id, Array(body.prefix(62))) : nil)
                        }
                        _ = try await log.commit(
                            AuditEvent(
                                kind: .transaction, time: .now(), outcome: .success, actor: nil, purpose: .treatment,
                                source: .system, decision: "bench"), writes: writes)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private static func measure(_ what: String, _ count: Int, _ work: () async throws -> Void) async throws {
        let (began, cpu) = (ContinuousClock.now, coreSeconds())
        try await work()
        let spent = coreSeconds() - cpu
        print(
            "\(what): \(rounded((ContinuousClock.now - began) / .seconds(1))) s, \(rounded(spent)) core-seconds, "
                + "\(Int(Double(count) / spent)) resources a core-second")
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    private static func coreSeconds() -> Double {
        var usage = rusage()
        unsafe getrusage(0, &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }
}
