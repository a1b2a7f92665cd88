public import WardCore
public import WardPolicy
import WardFHIR

/// Somebody opened the record of one patient because care could not wait (45 CFR 164.312(a)(2)(ii)).
public struct Emergency: Sendable {
    /// Seconds after which it is over by itself.
    public static let lifetime: Int64 = 3600
    /// Letters that an explanation has at least, blanks at the ends not counted.
    public static let shortestText = 10
    /// Bytes that an explanation or a note has at most.
    public static let longestText = 2000

    /// Why; closed, so that reviews can be counted and compared.
    public enum Reason: String, CaseIterable, Sendable {
        /// Danger to life or limb.
        case lifeThreatening = "life-threatening"
        /// The patient cannot speak for themselves, and it is not known who treats them.
        case cannotSpeak = "patient-cannot-speak"
        /// Treatment cannot wait until somebody with access is reached.
        case urgentCare = "urgent-care"
        /// In place of a colleague who is absent without having handed over.
        case absentColleague = "absent-colleague"
        /// A medical emergency that substance use disorder records are needed for (42 CFR 2.51).
        case part2 = "part2-medical-emergency"

        /// Labels that the reason opens by itself.
        public var labels: LabelSet { self == .part2 ? [.part2] : [] }
    }

    /// What a reviewer finds.
    public enum Outcome: String, CaseIterable, Sendable {
        case appropriate
        case notAppropriate = "not-appropriate"
        /// Something is to be found out first: it is reviewed again.
        case needsFollowUp = "needs-follow-up"
    }

    public struct Review: Sendable {
        /// Person who reviewed; as the log names them.
        public let reviewer: String
        public let outcome: Outcome
        public let note: PHI<String>
        public let time: Instant
    }

    /// 16 random characters.
    public let id: String
    public let person: String
    /// `Patient` id.
    public let patient: String
    public let reason: Reason
    /// What happened, in the person's words.
    public let text: PHI<String>
    public let begun: Instant
    /// When somebody ended it, or when its time was over.
    public internal(set) var ended: Instant?
    /// Who ended it, as the log names them; nil if its time was over.
    public internal(set) var endedBy: String?
    /// Oldest first.
    public internal(set) var reviews: [Review] = []
    /// Events that the log has of it: an older copy on the disk shows.
    var events = 1

    /// When its time is over, whatever happens.
    public var ends: Instant { begun.adding(seconds: Self.lifetime) }

    /// Whether it opens anything at `now`; a clock that went backwards does not lengthen it.
    public func isRunning(at now: Instant) -> Bool { ended == nil && begun <= now && now < ends }

    /// Whether somebody else has decided on it.
    public var isReviewed: Bool { reviews.last.map { $0.outcome != .needsFollowUp } ?? false }

    /// When the review has to be done: after 48 hours of working days, in UTC; holidays are not known.
    public var due: Instant { begun.adding(workingHours: 48) }

    /// Whether the review is late; nothing but a review changes that.
    public func isOverdue(at now: Instant) -> Bool { reviews.isEmpty && due <= now }
}

extension Instant {
    /// So many hours later, Saturdays and Sundays left out.
    func adding(workingHours hours: Int64) -> Instant {
        let day: Int64 = 86_400_000_000
        var (left, place) = (hours * 3_600_000_000, microseconds)
        while true {
            let number = place.floorDivided(by: day)
            let end = (number + 1) * day
            // 1970-01-01 was a Thursday.
            let isWeekend = [5, 6].contains((number + 3) - (number + 3).floorDivided(by: 7) * 7)
            if !isWeekend {
                if left <= end - place { return Instant(microseconds: place + left) }
                left -= end - place
            }
            place = end
        }
    }
}

extension Emergency {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("id", id)
        writer.member("person", person)
        writer.member("patient", patient)
        writer.member("reason", reason.rawValue)
        text.exposed { writer.member("text", $0) }
        writer.member("begun", begun.microseconds)
        if let ended { writer.member("ended", ended.microseconds) }
        if let endedBy { writer.member("endedBy", endedBy) }
        writer.key("reviews")
        writer.beginArray()
        for review in reviews {
            writer.beginObject()
            writer.member("reviewer", review.reviewer)
            writer.member("outcome", review.outcome.rawValue)
            review.note.exposed { writer.member("note", $0) }
            writer.member("time", review.time.microseconds)
            writer.endObject()
        }
        writer.endArray()
        writer.member("events", events)
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, let id = root["id"]?.string,
            let person = root["person"]?.string, let patient = root["patient"]?.string,
            let reason = root["reason"]?.string.flatMap(Reason.init(rawValue:)), let text = root["text"]?.string,
            let begun = root["begun"]?.instant, let events = root["events"]?.integer
        else { return nil }
        self.init(
            id: id, person: person, patient: patient, reason: reason, text: PHI(text), begun: begun,
            ended: root["ended"]?.instant, endedBy: root["endedBy"]?.string)
        for value in root["reviews"]?.elements ?? [] {
            guard
                let reviewer = value["reviewer"]?.string,
                let outcome = value["outcome"]?.string.flatMap(Outcome.init(rawValue:)),
                let note = value["note"]?.string, let time = value["time"]?.instant
            else { return nil }
            reviews.append(Review(reviewer: reviewer, outcome: outcome, note: PHI(note), time: time))
        }
        self.events = Int(events)
    }
}
