import Glibc
import WardCore
import WatchSimulator

/// The results, for people and for programs.
struct Report {
    let runs: [Run]
    let kind: String
    let summary: Summary
    let baselines: [TunedBaseline]

    static let budget = 2.0
    static let goal = 0.95

    init(_ runs: [Run], kind: String) {
        self.runs = runs
        self.kind = kind
        summary = Summary(runs.map(\.score))
        let one = TunedBaseline.best(
            "one N", (1...60).map { Double($0 * 5) }, budget: Self.budget,
            score: { limit in runs.map { $0.baselineScore { _ in Int(limit) } } },
            says: { "more than \(Int($0)) patients a day" })
        let means = runs.map { $0.baseline.means() }
        let roles = TunedBaseline.best(
            "N by role", (4...80).map { Double($0) / 10 }, budget: Self.budget,
            score: { factor in
                zip(runs, means).map { run, means in
                    run.baselineScore { role in Int((factor * (means[role] ?? 20)).rounded()) }
                }
            }, says: { "more than \(decimal($0, 1)) times the mean of the role" })
        baselines = [one, roles].compactMap(\.self)
    }

    // MARK: Markdown

    var markdown: String {
        var lines = ["# watch-bench: \(kind)", ""]
        let settings = runs.first?.simulation.settings
        lines.append(
            "\(runs.count) clinics (seeds \(runs.map(\.name).joined(separator: ", "))) of \(settings?.people ?? 0) people and "
                + "\(settings?.patients ?? 0) patients, \(settings?.months ?? 0) months each; "
                + "\(summary.all.incidents) planted incidents; the first \(settings?.warmUp ?? 0) days are for learning and "
                + "are not scored.")
        lines += [
            "",
            "| Planted | Incidents | Found | Recall | 95 % interval | Baseline | Delay, events (median / p95) | Delay (median / p95) |",
            "| --- | ---: | ---: | ---: | --- | ---: | --- | --- |",
        ]
        for (place, row) in (summary.rows + [summary.all]).enumerated() {
            let interval = Summary.interval(row.found, of: row.incidents)
            let others = baselines.map { baseline in
                let other = place < baseline.summary.rows.count ? baseline.summary.rows[place] : baseline.summary.all
                return decimal(other.recall, 2)
            }
            lines.append(
                "| \(row.name) | \(row.incidents) | \(row.found) | \(decimal(row.recall, 3)) | \(decimal(interval.low, 2)) to "
                    + "\(decimal(interval.high, 2)) | \(others.joined(separator: " / ")) | \(pair(row.events, counted)) | "
                    + "\(pair(row.minutes, spell)) |")
        }
        lines += [
            "", "| | Recall | Precision | False alerts per clinic-day | Worst seed |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        lines.append(line("Ward", summary))
        for baseline in baselines {
            lines.append(line("Baseline, \(baseline.name): \(baseline.says)", baseline.summary))
        }
        lines.append("")
        lines.append(
            "Goal: recall at least \(decimal(Self.goal, 2)) at no more than \(decimal(Self.budget, 0)) false alerts per clinic "
                + "and day: \(isMet ? "met" : "NOT met"). Alerts while learning, per clinic: \(decimal(summary.earlyPerSeed, 1))."
        )
        lines.append("")
        let events = runs.reduce(0) { $0 + $1.events }
        lines.append(
            "\(events) events; the detector takes \(counted(speed)) events/s on one core (its questions to the simulated "
                + "facts included); the process grew by \(decimal(runs.map(\.memory).max() ?? 0, 0)) MiB at most while a clinic "
                + "was watched (labels and baseline included).")
        lines.append("")
        lines.append("Honest openings without a recorded part in the care, schedule or account: " + unrelated + ".")
        return lines.joined(separator: "\n") + "\n"
    }

    var isMet: Bool { summary.all.recall >= Self.goal && summary.falsePerDay <= Self.budget }

    private var speed: Double {
        Double(runs.reduce(0) { $0 + $1.events }) / max(1e-9, runs.reduce(0) { $0 + $1.seconds })
    }

    private var unrelated: String {
        let roles = Set(runs.flatMap { $0.simulation.honest.opened.keys }).sorted()
        return roles.map { role in
            let opened = runs.reduce(0) { $0 + ($1.simulation.honest.opened[role] ?? 0) }
            let without = runs.reduce(0) { $0 + ($1.simulation.honest.unrelated[role] ?? 0) }
            return "\(role) \(decimal(100 * Double(without) / Double(max(1, opened)), 1)) % of \(opened)"
        }.joined(separator: ", ")
    }

    private func line(_ name: String, _ summary: Summary) -> String {
        "| \(name) | \(decimal(summary.all.recall, 3)) | \(decimal(summary.precision, 3)) | "
            + "\(decimal(summary.falsePerDay, 2)) | \(decimal(summary.worst, 2)) |"
    }

    private func pair(_ sorted: [Double], _ text: (Double) -> String) -> String {
        guard let median = Summary.quantile(sorted, 0.5), let high = Summary.quantile(sorted, 0.95) else { return "–" }
        return "\(text(median)) / \(text(high))"
    }

    // MARK: JSON

    var json: String {
        func object(_ summary: Summary) -> String {
            let rows = (summary.rows + [summary.all]).map { row in
                "{\"kind\":\"\(row.name)\",\"incidents\":\(row.incidents),\"found\":\(row.found),\"recall\":\(decimal(row.recall, 4))"
                    + ",\"delayEvents\":\(numbers(row.events)),\"delayMinutes\":\(numbers(row.minutes))}"
            }
            return
                "{\"kinds\":[\(rows.joined(separator: ","))],\"precision\":\(decimal(summary.precision, 4)),\"alerts\":"
                + "\(summary.alerts),\"falseAlertsPerClinicDay\":\(decimal(summary.falsePerDay, 4)),\"worstSeed\":"
                + "\(decimal(summary.worst, 4))}"
        }
        let others = baselines.map {
            "{\"name\":\"\($0.name)\",\"says\":\"\($0.says)\",\"result\":\(object($0.summary))}"
        }
        let settings = runs.first?.simulation.settings
        return "{\"kind\":\"\(kind)\",\"seeds\":[\(runs.map { "\"\($0.name)\"" }.joined(separator: ","))],\"months\":"
            + "\(settings?.months ?? 0),\"people\":\(settings?.people ?? 0),\"patients\":\(settings?.patients ?? 0),"
            + "\"ward\":\(object(summary)),\"baselines\":[\(others.joined(separator: ","))],\"goalMet\":\(isMet),"
            + "\"events\":\(runs.reduce(0) { $0 + $1.events }),\"eventsPerSecond\":\(decimal(speed, 0)),\"memoryMiB\":"
            + "\(decimal(runs.map(\.memory).max() ?? 0, 1))}\n"
    }

    private func numbers(_ sorted: [Double]) -> String {
        guard let median = Summary.quantile(sorted, 0.5), let high = Summary.quantile(sorted, 0.95) else {
            return "null"
        }
        return "{\"median\":\(decimal(median, 2)),\"p95\":\(decimal(high, 2))}"
    }

    // MARK: Explaining

    /// What was missed, and what was raised for nothing; only of seeds that are there for tuning.
    var explanation: String {
        var lines: [String] = []
        for run in runs {
            lines.append("\n## Seed \(run.name): missed")
            for found in run.score.found where found.at == nil {
                let incident = found.incident
                lines.append(
                    "- \(incident.kind.rawValue): \(incident.actor), \(incident.note); \(incident.first.text) to "
                        + "\(incident.last.text), \(incident.events.count) events from \(incident.events.first?.index ?? -1), patients "
                        + incident.patients.sorted().prefix(5).joined(separator: " "))
            }
            lines.append("\n## Seed \(run.name): false alerts by rule")
            let rules = Dictionary(grouping: run.score.wrong, by: \.rule).sorted {
                ($1.value.count, $0.key) < ($0.value.count, $1.key)
            }
            for (rule, claims) in rules {
                lines.append("- \(rule): \(claims.count)")
                for claim in claims.prefix(12) {
                    lines.append(
                        "  - \(claim.time.text) \(claim.actor ?? "nobody") \(claim.patient ?? "-") events "
                            + "\(claim.events.prefix(4).map(String.init).joined(separator: " ")): \(claim.text)")
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

func decimal(_ value: Double, _ digits: Int) -> String {
    let scale = pow(10, Double(digits))
    let scaled = (abs(value) * scale).rounded()
    guard scaled.isFinite, scaled < 1e15 else { return "0" }
    let whole = Int64(scaled) / Int64(scale)
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(whole)" }
    let rest = String(Int64(scaled) % Int64(scale))
    return "\(sign)\(whole)." + String(repeating: "0", count: digits - rest.count) + rest
}

private func counted(_ value: Double) -> String { decimal(value, 0) }

private func spell(_ minutes: Double) -> String {
    if minutes < 1 { return "\(decimal(minutes * 60, 0)) s" }
    if minutes < 120 { return "\(decimal(minutes, 0)) min" }
    return minutes < 2880 ? "\(decimal(minutes / 60, 0)) h" : "\(decimal(minutes / 1440, 0)) d"
}
