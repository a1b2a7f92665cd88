import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy
import WardTelemetry
import WardWatch

/// The weekly review at the machine itself.
extension OperatorService {
    func listActivity(_ request: OperatorRequest, _ reply: Reply) throws {
        let now = Instant.now()
        let weeks: [ActivityReview]
        do throws(ActivityFailure) { weeks = try house.reviews.weeks(at: now) } catch {
            throw CommandFailure(error.text)
        }
        for review in weeks {
            guard request.options["json"] != nil else {
                let who = review.signatures.map { "\($0.who) at \($0.time.text)" }.joined(separator: ", ")
                reply(.output("\(review.week.text)  \(state(review, now))\(who.isEmpty ? "" : "  by \(who)")"))
                continue
            }
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("week", review.week.text)
            writer.member("due", review.week.due.text)
            writer.member("state", state(review, now))
            writer.key("signedBy")
            writer.beginArray()
            for signature in review.signatures { writer.string(signature.who) }
            writer.endArray()
            writer.endObject()
            reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
        }
        if weeks.isEmpty, request.options["json"] == nil { reply(.output("no week is over yet")) }
    }

    private func state(_ review: ActivityReview, _ now: Instant) -> String {
        if review.isAlone { return "signed-alone" }
        if review.isComplete { return "signed" }
        if review.week.due <= now { return "overdue" }
        return review.signatures.isEmpty ? "to-sign" : "second-needed"
    }

    private func week(_ request: OperatorRequest) throws -> ActivityWeek {
        guard let week = ActivityWeek(request.options["week"] ?? "") else {
            throw CommandFailure("a week is named by its Monday, YYYY-MM-DD")
        }
        return week
    }

    func showActivity(_ request: OperatorRequest, _ reply: Reply) async throws {
        let week = try week(request)
        let activity: WeekActivity
        do throws(ActivityFailure) {
            activity = try await house.reviews.activity(
                of: week, by: Self.actor, source: Self.source, at: .now())
        } catch {
            throw CommandFailure(error.text)
        }
        let waiting = activity.alerts.count { !$0.isDecided }
        guard request.options["json"] != nil else {
            for line in activity.lines {
                reply(.output("\(line.category.rawValue)  \(line.count)"))
                for logged in line.newest { reply(.output("  event: \(visibleText(logged.line))")) }
                let more = line.events - line.newest.count
                if more > 0 { reply(.output("  and \(more) more")) }
            }
            reply(.output("alerts  \(activity.alerts.count), \(waiting) not decided"))
            return reply(.output("hash  \(activity.hash)"))
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("week", activity.week.text)
        writer.member("hash", activity.hash)
        for line in activity.lines {
            writer.key(line.category.rawValue)
            writer.beginObject()
            writer.member("count", line.count)
            writer.member("eventCount", line.events)
            writer.key("events")
            writer.beginArray()
            for logged in line.newest { writer.number(logged.index) }
            writer.endArray()
            writer.endObject()
        }
        writer.member("alerts", activity.alerts.count)
        writer.member("alertsNotDecided", waiting)
        writer.endObject()
        reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
    }

    func signActivity(_ request: OperatorRequest, _ reply: Reply) async throws {
        let week = try week(request)
        let actor = try await acting(.reviewAccess, request)
        let people = house.people
        do throws(ActivityFailure) {
            try await house.reviews.sign(
                week, hash: request.options["hash"] ?? "", note: PHI(request.options["note"] ?? ""), by: actor,
                isAlone: !people.isAnybodyElse(than: actor.id, for: .reviewAccess), source: Self.source, at: .now(),
                areOneHuman: { people.areOneHuman(named: $0, $1) })
        } catch {
            throw CommandFailure(error.text)
        }
        let review = house.reviews.review(week)
        reply(.output(review.isComplete ? "signed" : "signed; somebody else has to sign as well"))
    }
}

extension ActivityFailure {
    var text: String {
        switch self {
        case .auditUnavailable: "the log cannot be read or written"
        case .busy: "somebody else is looking at a week; try again"
        case .changed: "this is not the week's hash by now: look again with ward review show"
        case .noteTooLong: "a note has up to \(ActivityReview.longestNote) bytes"
        case .notOver: "the week is not over"
        case .secondPersonNeeded: "this person has signed; somebody else has to sign as well"
        case .signed: "the week is signed already"
        case .storage: "the review could not be sealed or read"
        case .unknown: "nothing was logged in this week"
        }
    }
}

/// Tells of weeks that nobody signed for in time; from the log it is an alert.
struct ActivityClock: Sendable {
    private static let interval = Duration.seconds(20)

    let reviews: ActivityReviews
    let log: OperationalLog

    /// Runs until it is cancelled.
    func run() async {
        while !Task.isCancelled {
            do throws(ActivityFailure) { try await reviews.escalate(at: .now()) } catch {
                log.warning("weeks of activity could not be looked at")
            }
            try? await Task.sleep(for: Self.interval)
        }
    }
}
