import WardAudit
import WardCore
import WatchSimulator

/// What many logs are watched with: more than so many patients in a day.
///
/// Notes every patient that somebody opens for the first time in a day, so that each threshold can be tried afterwards.
struct Baseline {
    struct Step {
        let actor: String
        let role: String
        let day: Int
        let time: Instant
        /// How many patients the actor has opened that day, this one included.
        let count: Int
    }

    private(set) var steps: [Step] = []
    private var today: [String: Set<String>] = [:]
    private var day = -1

    mutating func take(_ logged: LoggedEvent, day: Int) {
        let event = logged.event
        guard let actor = event.actor, actor.id.hasPrefix("person/"), event.outcome == .success else { return }
        if day != self.day {
            self.day = day
            today = [:]
        }
        // Lists of many are no openings; a file that is taken along is.
        guard event.patients.count == 1 || event.kind == .download || event.kind == .print else { return }
        for patient in event.patients where today[actor.id, default: []].insert(patient).inserted {
            steps.append(
                Step(
                    actor: actor.id, role: actor.role, day: day, time: event.time,
                    count: today[actor.id]?.count ?? 0))
        }
    }

    /// Mean number of patients of a member's day, by role.
    func means() -> [String: Double] {
        var most: [String: [String: Int]] = [:]
        for step in steps { most[step.role, default: [:]]["\(step.actor) \(step.day)"] = step.count }
        return most.mapValues { Double($0.values.reduce(0, +)) / Double($0.count) }
    }

    /// Alerts of a threshold; each stands for all that its actor did that day up to it.
    func claims(_ threshold: (String) -> Int, _ incidents: [Incident], _ day: (Instant) -> Int) -> [Claim] {
        var labelled: [String: [(index: Int64, time: Instant)]] = [:]
        for incident in incidents {
            for event in incident.events {
                labelled["\(incident.actor) \(day(event.time))", default: []].append(event)
            }
        }
        let limits = Dictionary(uniqueKeysWithValues: Set(steps.map(\.role)).map { ($0, threshold($0) + 1) })
        return steps.filter { $0.count == limits[$0.role] }.map { step in
            // A patient of none and an event of none: what cites nothing labelled is wrong.
            let cited = labelled["\(step.actor) \(step.day)", default: []].filter { $0.time <= step.time }.map(\.index)
            return Claim(
                rule: "patients-a-day", actor: step.actor, patient: nil, time: step.time,
                events: cited.isEmpty ? [-1] : cited)
        }
    }
}

/// The threshold that finds most within the same number of false alerts, chosen on the very clinics it is scored on.
struct TunedBaseline {
    let name: String
    let says: String
    let summary: Summary

    static func best(
        _ name: String, _ candidates: [Double], budget: Double, score: (Double) -> [Score], says: (Double) -> String
    ) -> TunedBaseline? {
        var best: TunedBaseline?
        for candidate in candidates {
            let summary = Summary(score(candidate))
            guard summary.falsePerDay <= budget else { continue }
            if summary.all.found >= best?.summary.all.found ?? -1 {
                best = TunedBaseline(name: name, says: says(candidate), summary: summary)
            }
        }
        return best
    }
}
