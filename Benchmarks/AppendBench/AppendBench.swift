import Glibc
import Synchronization
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardSQLite
import WardStorage

/// Measures the audit log on the real store, every commit synced: appending by many and by one, restart, verification.
///
/// `AppendBench FOLDER [EVENTS]`; the folder is made, must be empty, and is left for a second look.
@main
struct AppendBench {
    static let callers = 64
    private static let patientType = ResourceType("Patient")

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 2, let events = arguments.count > 2 ? Int(arguments[2]) : 1_000_000 else {
            return say("AppendBench FOLDER [EVENTS]")
        }
        let folder = arguments[1]
        try PrivateFile.makeFolder(folder)
        let path = "\(folder)/ward.db"
        guard !PrivateFile.exists(path) else { return say("\(folder) holds a store already") }
        let material = KeyMaterial.random()
        let signing = SigningKey()
        func open() throws -> (SQLiteStore, AuditLog) {
            let store = try SQLiteStore(path: path)
            let keys = AuditKeys(material, signing: signing, tenant: .single)
            return (store, try AuditLog(store: store, keys: keys, origin: "ward/bench"))
        }
        var (store, log) = try open()
        say("key              \(log.verifier.text)")
        sync(in: folder)
        try await append(events, to: log)
        sync(in: folder)
        try await single(2000, to: log)
        await log.close()
        store.close()
        let clock = ContinuousClock()
        let restart = try clock.measure { (store, log) = try open() }
        say("restart          \(restart)")
        let size = log.checkpoint.size
        for run in 1...3 {
            let cpu = cpuSeconds()
            var whole = false
            let wall = try clock.measure { whole = try log.verifyTree().isWhole }
            say("verify tree \(run)    \(size) leaves in \(wall), CPU \(cpuSeconds() - cpu) s, whole: \(whole)")
        }
        let cpu = cpuSeconds()
        var whole = false
        let wall = try clock.measure { whole = try log.verify().isWhole }
        say("verify all       \(size) leaves in \(wall), CPU \(cpuSeconds() - cpu) s, whole: \(whole)")
        await log.close()
        store.close()
    }

    /// Each caller waits for its receipt before it appends again, as requests do.
    private static func append(_ count: Int, to log: AuditLog) async throws {
        let clock = ContinuousClock()
        let cpu = cpuSeconds()
        let wall = try await clock.measure {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for caller in 0..<callers {
                    group.addTask {
                        for number in stride(from: caller, to: count, by: callers) {
                            _ = try await log.append(event(number))
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        let rate = Double(count) / (wall / .seconds(1))
        say("append by \(callers)     \(count) events in \(wall): \(Int(rate)) a second, CPU \(cpuSeconds() - cpu) s")
    }

    /// What the disk alone takes for a durable write of about one commit: nobody is answered before it.
    private static func sync(in folder: String) {
        let path = "\(folder)/sync"
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer {
            close(descriptor)
            unsafe unlink(path)
        }
        let block = [UInt8](repeating: 1, count: 32_768)
        let clock = ContinuousClock()
        var waits: [Duration] = []
        for number in 0..<200 {
            _ = unsafe block.withUnsafeBytes { buffer in
                unsafe pwrite(descriptor, buffer.baseAddress, buffer.count, number * buffer.count)
            }
            waits.append(clock.measure { fdatasync(descriptor) })
        }
        let mean = waits.reduce(Duration.zero, +) / waits.count
        let ceiling = Int(Double(callers) / (mean / .seconds(1)))
        say("disk             sync of 32 KB: mean \(mean), so that \(callers) callers get \(ceiling) a second at most")
    }

    private static func single(_ count: Int, to log: AuditLog) async throws {
        let clock = ContinuousClock()
        var waits: [Duration] = []
        for number in 0..<count { waits.append(try await clock.measure { _ = try await log.append(event(number)) }) }
        waits.sort()
        say("append by 1      p50 \(waits[count / 2]), p99 \(waits[count * 99 / 100]), slowest \(waits[count - 1])")
    }

    /// A read of one record by one of forty people, as a clinic has them.
    private static func event(_ number: Int) -> AuditEvent {
        let person = "person/\(number % 40)"
        let records = patientType.map {
            [AuditedRecord(type: $0, id: "patient-\(number % 20_000)", version: 1)]
        }
        var event = AuditEvent(
            kind: .read, time: .now(), outcome: .success,
            actor: AuditActor(id: person, name: "Person \(number % 40)", role: "clinician"), purpose: .treatment,
            source: RequestSource(address: "192.0.2.\(number % 40)", request: "bench-\(number)"),
            decision: "permit/treatment", type: patientType, records: records ?? [],
            patients: ["patient-\(number % 20_000)"])
        event.session = "session-\(number % 40)"
        return event
    }

    private static func cpuSeconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
    }

    private static func say(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
    }
}
