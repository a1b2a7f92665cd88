import Glibc
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardSQLite
import WardStorage

/// Fills a log with synthetic events of ten years and measures how fast pages of it are read (scripts/bench-log-read).
///
/// Everything is what a server does: events are sealed, committed with a sync, indexed; pages are looked up, opened and
/// checked. `LogBench FOLDER EVENTS [PAGES]`.
@main
struct LogBench {
    static let patients = 20_000
    static let people = 40
    static let start = Instant(microseconds: 1_450_000_000_000_000)

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count > 2, let count = Int(arguments[2]) else {
            print("usage: LogBench FOLDER EVENTS [PAGES]")
            exit(64)
        }
        let path = "\(arguments[1])/log.db"
        let pages = arguments.count > 3 ? Int(arguments[3]) ?? 1000 : 1000
        let (material, signing) = (KeyMaterial.random(), SigningKey())
        func open() throws -> (SQLiteStore, AuditLog) {
            let store = try SQLiteStore(path: path)
            return (
                store,
                try AuditLog(
                    store: store, keys: AuditKeys(material, signing: signing, tenant: .single), origin: "ward/bench")
            )
        }
        let (store, log) = try open()
        let filling = ContinuousClock.now
        try await fill(log, count)
        report("fill", "\(count) events in \(seconds(since: filling)) s")
        await log.close()
        store.close()
        report("memory before reopening", "\(residentMiB()) MiB")

        let opening = ContinuousClock.now
        let (again, reopened) = try open()
        report("start of the log", "\(seconds(since: opening)) s, \(residentMiB()) MiB resident after it")
        try measure(reopened, count, pages)
        report("memory after reading", "\(residentMiB()) MiB")
        await reopened.close()
        again.close()
    }

    // MARK: Filling

    private static func fill(_ log: AuditLog, _ count: Int) async throws {
        var generator = Seeded(state: 20_261_121)
        let types = ["Observation", "Condition", "MedicationRequest", "Encounter", "Patient"].compactMap {
            ResourceType($0)
        }
        let wave = 4096
        var next = 0
        while next < count {
            let events = (next..<min(next + wave, count)).map { event($0, of: count, types, &generator) }
            // Order within a wave is that of arrival; times differ by minutes at most.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for event in events { group.addTask { _ = try await log.append(event) } }
                try await group.waitForAll()
            }
            next += wave
            if next / wave % 256 == 0 { report("filled", "\(next)") }
        }
    }

    private static func event(
        _ number: Int, of count: Int, _ types: [ResourceType], _ generator: inout Seeded
    ) -> AuditEvent {
        let span: Int64 = 315_576_000_000_000
        let time = Instant(microseconds: start.microseconds + span / Int64(count) * Int64(number))
        // A few patients are seen often, most of them now and then, and some hardly ever.
        let share = Double.random(in: 0..<1, using: &generator)
        let patient = "patient-\(Int(share * share * Double(patients)))"
        let person = Int.random(in: 0..<people, using: &generator)
        let dice = Int.random(in: 0..<100, using: &generator)
        let kind: AuditEventKind = dice < 60 ? .read : dice < 85 ? .search : dice < 97 ? .update : .signedIn
        var source = RequestSource(address: "10.0.0.\(person)", request: "bench-\(String(number, radix: 16))")
        source.session = "\(person)-\(number / 20_000)"
        source.device = "device-\(person)"
        let records = (0..<(kind == .search ? 5 : 1)).map { _ in
            AuditedRecord(
                type: types[Int.random(in: 0..<types.count, using: &generator)],
                id: "record-\(Int.random(in: 0..<2_000_000, using: &generator))", version: 1)
        }
        return AuditEvent(
            kind: kind, time: time, outcome: dice == 99 ? .denied : .success,
            actor: AuditActor(id: "person/p\(person)", name: "Person \(person)", role: "clinician"),
            purpose: .treatment, source: source, decision: "care-treats",
            records: kind == .signedIn ? [] : records, patients: kind == .signedIn ? [] : [patient])
    }

    // MARK: Reading

    private static func measure(_ log: AuditLog, _ count: Int, _ pages: Int) throws {
        var generator = Seeded(state: 7)
        func number(_ below: Int) -> Int { Int.random(in: 0..<below, using: &generator) }
        let days = 3652
        func day() -> Instant { start.adding(seconds: Int64(number(days)) * 86_400) }
        let questions: [(String, () -> AuditQuery)] = [
            ("a patient's newest 50", { AuditQuery(facets: [.patient("patient-\(number(patients))")]) }),
            (
                "the rarest patients' 50",
                { AuditQuery(facets: [.patient("patient-\(patients - 1 - number(200))")]) }
            ), ("a patient who is not there", { AuditQuery(facets: [.patient("nobody-\(number(1_000_000))")]) }),
            ("a user's newest 50", { AuditQuery(facets: [.actor("person/p\(number(people))")]) }),
            (
                "a day's newest 50",
                {
                    let day = CalendarDay(daysSinceEpoch: day().microseconds / 86_400_000_000)
                    return AuditQuery(facets: [.day(day)])
                }
            ),
            (
                "a user on one patient",
                {
                    AuditQuery(facets: [
                        .actor("person/p\(number(people))"), .patient("patient-\(number(patients))"),
                    ])
                }
            ),
            (
                "a patient's updates",
                {
                    AuditQuery(facets: [.kind(.update), .patient("patient-\(number(patients))")])
                }
            ),
            (
                "a session's newest 50",
                { AuditQuery(facets: [.session("\(number(people))-\(number(count / 20_000 + 1))")]) }
            ),
            (
                "one record's events",
                { AuditQuery(facets: [.record(type: observation, id: "record-\(number(2_000_000))")]) }
            ),
            ("refusals", { AuditQuery(facets: [.outcome(.denied)]) }),
            (
                "a patient within a month",
                {
                    var query = AuditQuery(facets: [.patient("patient-\(number(patients))")])
                    let from = day()
                    query.filter.from = from
                    query.filter.to = from.adding(seconds: 30 * 86_400)
                    return query
                }
            ),
        ]
        for (name, question) in questions {
            var times: [Double] = []
            var found = 0
            for _ in 0..<pages {
                let query = question()
                let began = ContinuousClock.now
                found += try log.page(query, limit: 50).events.count
                times.append((ContinuousClock.now - began) / .milliseconds(1))
            }
            times.sort()
            let p50 = rounded(times[pages / 2]), p95 = rounded(times[pages * 95 / 100]),
                most = rounded(times[pages - 1])
            report(name, "p50 \(p50) ms, p95 \(p95) ms, max \(most) ms, \(found / pages) events a page")
        }
    }

    private static let observation: ResourceType = ResourceType("Observation") ?? ResourceType.allCases[0]

    // MARK: Words

    private static func report(_ name: String, _ value: String) {
        print("\(name): \(value)")
        fflush(nil)
    }

    private static func seconds(since began: ContinuousClock.Instant) -> Double {
        rounded((ContinuousClock.now - began) / .seconds(1))
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    /// Resident memory by `/proc/self/statm`.
    private static func residentMiB() -> Int {
        guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
        defer { unsafe fclose(file) }
        var buffer = [CChar](repeating: 0, count: 200)
        guard unsafe fgets(&buffer, 200, file) != nil else { return 0 }
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096 / 1_048_576
    }
}

/// SplitMix64, so that every run fills the same log.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
