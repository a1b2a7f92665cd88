import Glibc
import WatchSimulator

/// `watch-bench`: how well odd access is found in simulated clinics. See docs/watch-bench.md.
let usage = """
    watch-bench [--json] [--months N] [--people N] [--patients N]     the evaluation: five seeds that nobody tuned on
    watch-bench --tuning [--seed N] [--explain] [...]                 seeds 1 to 5, which tuning may look at

    """

var isTuning = false
var explains = false
var isJSON = false
var single: UInt64?
var numbers: [String: Int] = [:]
var arguments = CommandLine.arguments.dropFirst()

@MainActor func fail() -> Never {
    tell(usage)
    exit(2)
}

while let argument = arguments.popFirst() {
    switch argument {
    case "--tuning": isTuning = true
    case "--explain": explains = true
    case "--json": isJSON = true
    case "--seed", "--months", "--people", "--patients":
        guard let value = arguments.popFirst().flatMap({ Int($0) }), value >= 0 else { fail() }
        if argument == "--seed" { single = UInt64(value) } else { numbers[argument] = value }
    default: fail()
    }
}
// Whoever could see what was missed in the evaluation would tune on it.
guard isTuning || (!explains && single == nil) else { fail() }

// The seeds of the evaluation come out of a phrase, so that nobody picked them.
let seeds: [(name: String, seed: UInt64)] =
    isTuning
    ? (single.map { [$0] } ?? Array(1...5)).map { ("\($0)", $0) }
    : (201...205).map {
        ("\($0)", seed(of: "two looks explain each other: the second evaluation of odd access, \($0)"))
    }
let runs = seeds.map { name, seed in
    Run(
        SimulationSettings(
            seed: seed, months: numbers["--months"] ?? 4, people: numbers["--people"] ?? 40,
            patients: numbers["--patients"] ?? 20_000), name: name)
}
let report = Report(runs, kind: isTuning ? "tuning" : "evaluation")
print(isJSON ? report.json : report.markdown, terminator: "")
if explains { print(report.explanation, terminator: "") }
