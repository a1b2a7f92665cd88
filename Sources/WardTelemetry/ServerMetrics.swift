import Synchronization

/// What the server counts, as numbers alone: no path, no id, no address and no name can be put in.
///
/// The names and labels are closed sets, so that a new one is a change here (OpenMetrics 1.0).
public final class ServerMetrics: Sendable {
    /// The listener that a request came to.
    public enum Plane: String, CaseIterable, Sendable {
        case records, office
    }

    /// What has to work for the server to do all of its work.
    public enum Part: String, CaseIterable, Sendable {
        /// The machine's clock is not behind the log.
        case clock
        /// Searches and writes wait for it after a start.
        case index
        /// The way to the root key stands.
        case keys
        /// The audit log is written.
        case log
    }

    /// How the server stands at one moment.
    public struct Standing: Sendable {
        public let notWorking: Set<Part>
        /// Size of the log, as its public checkpoint tells it as well.
        public let events: Int64

        public init(notWorking: Set<Part>, events: Int64) {
            self.notWorking = notWorking
            self.events = events
        }
    }

    /// Upper bounds of the histogram, in seconds.
    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    private struct Counts {
        /// By first digit of the status, from 1.
        var classes = [Int](repeating: 0, count: 5)
        /// Not summed up; the last holds what is above every bound.
        var durations = [Int](repeating: 0, count: bounds.count + 1)
        var seconds = 0.0

        mutating func add(_ status: Int, _ seconds: Double) {
            classes[min(max(status / 100, 1), 5) - 1] += 1
            durations[bounds.firstIndex { seconds <= $0 } ?? bounds.count] += 1
            self.seconds += seconds
        }
    }

    private let records = Mutex(Counts())
    private let office = Mutex(Counts())

    public init() {}

    /// Counts an answer.
    public func count(_ plane: Plane, status: Int, seconds: Double) {
        switch plane {
        case .records: records.withLock { $0.add(status, seconds) }
        case .office: office.withLock { $0.add(status, seconds) }
        }
    }

    /// Everything as OpenMetrics text (OpenMetrics 1.0, "Text format").
    public func text(_ standing: Standing, version: String) -> String {
        var text = """
            # TYPE ward_build info
            ward_build_info{version="\(Self.plain(version))"} 1
            # TYPE ward_ready gauge
            # HELP ward_ready Whether everything works.
            ward_ready \(standing.notWorking.isEmpty ? 1 : 0)
            # TYPE ward_working gauge
            # HELP ward_working Whether a part works.

            """
        for part in Part.allCases {
            text += "ward_working{part=\"\(part.rawValue)\"} \(standing.notWorking.contains(part) ? 0 : 1)\n"
        }
        text += """
            # TYPE ward_audit_events gauge
            # HELP ward_audit_events Events in the audit log.
            ward_audit_events \(standing.events)

            """
        let counts = [(Plane.office, office.withLock { $0 }), (Plane.records, records.withLock { $0 })]
        text += "# TYPE ward_requests counter\n# HELP ward_requests Requests answered, by the class of their status.\n"
        for (plane, counts) in counts {
            for (index, count) in counts.classes.enumerated() {
                text += "ward_requests_total{plane=\"\(plane.rawValue)\",status=\"\(index + 1)xx\"} \(count)\n"
            }
        }
        text += """
            # TYPE ward_request_duration_seconds histogram
            # UNIT ward_request_duration_seconds seconds
            # HELP ward_request_duration_seconds Time from a request's head to its answer.

            """
        for (plane, counts) in counts {
            let label = "plane=\"\(plane.rawValue)\""
            var sum = 0
            for (index, count) in counts.durations.enumerated() {
                sum += count
                let bound = index < Self.bounds.count ? "\(Self.bounds[index])" : "+Inf"
                text += "ward_request_duration_seconds_bucket{\(label),le=\"\(bound)\"} \(sum)\n"
            }
            text += "ward_request_duration_seconds_count{\(label)} \(sum)\n"
            text += "ward_request_duration_seconds_sum{\(label)} \(counts.seconds)\n"
        }
        return text + ProcessNumbers.read().text + "# EOF\n"
    }

    /// Letters, digits, `.`, `-` and `+`.
    private static func plain(_ version: String) -> String {
        version.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-" || $0 == "+") }
    }
}
