import Glibc
import WardAudit
import WardCore
import WardWatch
import WatchSimulator

/// One clinic, simulated and watched.
struct Run {
    let name: String
    let simulation: Simulation
    let score: Score
    let claims: [Claim]
    let baseline: Baseline
    let events: Int64
    let seconds: Double
    /// MiB that the process held more at the end than before the first event: detector, labels and baseline together.
    let memory: Double
    let learned: Instant

    init(_ settings: SimulationSettings, name: String) {
        self.name = name
        let simulation = Simulation(settings)
        let watch = Watch(facts: simulation.facts, settings: WatchSettings(), knowledge: WatchKnowledge())
        var baseline = Baseline()
        var claims: [Claim] = []
        var events: Int64 = 0
        var spent = Duration.zero
        let clock = ContinuousClock()
        let before = residentMemory()
        while let day = simulation.nextDay() {
            events += Int64(day.count)
            let start = clock.now
            for logged in day {
                simulation.facts.advance(to: logged.event.time)
                for alert in watch.take(logged) { claims.append(Claim(alert)) }
            }
            spent += clock.now - start
            for logged in day { baseline.take(logged, day: simulation.day - 1) }
            progress(
                "\(name): day \(simulation.day) of \(settings.days)", Double(simulation.day) / Double(settings.days))
        }
        memory = residentMemory() - before
        self.simulation = simulation
        self.baseline = baseline
        self.claims = claims
        self.events = events
        learned = simulation.start(of: settings.warmUp)
        seconds = Double(spent.components.seconds) + Double(spent.components.attoseconds) / 1e18
        score = Score(
            claims, against: simulation.incidents, learned: learned,
            days: simulation.clinicDays(since: settings.warmUp))
    }

    func baselineScore(_ threshold: (String) -> Int) -> Score {
        let claims = baseline.claims(threshold, simulation.incidents) { time in simulation.day(of: time) }
        return Score(
            claims, against: simulation.incidents, learned: learned,
            days: simulation.clinicDays(since: simulation.settings.warmUp))
    }
}

extension Claim {
    init(_ alert: Alert) {
        self.init(
            rule: "\(alert.rule)", actor: alert.actor, patient: alert.patient, time: alert.time, events: alert.events,
            text: alert.explanation.map { "\($0)" }.joined(separator: "; "))
    }
}

/// MiB that the process holds.
func residentMemory() -> Double {
    guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
    defer { unsafe fclose(file) }
    var buffer = [CChar](repeating: 0, count: 128)
    let count = unsafe fread(&buffer, 1, 127, file)
    let fields = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
        separator: " ")
    return fields.count > 1 ? (Double(fields[1]) ?? 0) * 4096 / 1_048_576 : 0
}

/// A bar on a terminal's standard error; nothing elsewhere.
func progress(_ what: String, _ share: Double) {
    guard isatty(2) == 1 else { return }
    let filled = Int(share * 30)
    tell("\r" + String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled) + " \(what)   ")
    if share >= 1 { tell("\r\u{1b}[K") }
}

func tell(_ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
}
