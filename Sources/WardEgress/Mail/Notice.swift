import WardCore

/// Everything that mail can say: a closed set of texts with places for counts alone.
///
/// There is no place that a name, a word of a record or any other text could be put into; who wants to know more signs
/// in (45 CFR 164.312(e), 164.530(c)).
public enum Notice: Hashable, Sendable {
    /// Odd access was found.
    case alerts(count: Int, severe: Int)
    /// Agreements and lawful grounds that end soon.
    case agreementsEnding(count: Int)
    /// A backup that could not be made, failed a drill, or is overdue.
    case backupTrouble(count: Int)
    /// Safeguards that held and do not hold any more.
    case postureRed(count: Int)
    case test

    /// The same for all: a subject line is read on locked screens.
    public static let subject = "Notice from your record server"

    var body: String {
        switch self {
        case .alerts(let count, let severe):
            "\(count) \(count == 1 ? "alert" : "alerts") of odd access \(count == 1 ? "waits" : "wait") for an answer, "
                + "\(severe) of high severity."
        case .agreementsEnding(let count):
            "\(count) \(count == 1 ? "agreement or lawful ground ends" : "agreements or lawful grounds end") within 30 days."
        case .backupTrouble(let count):
            "A backup could not be made, failed its drill, or is overdue: \(count) \(count == 1 ? "alert" : "alerts")."
        case .postureRed(let count):
            "Safeguards that held do not hold any more: \(count) \(count == 1 ? "alert" : "alerts")."
        case .test: "This is a test. Notices reach this address."
        }
    }

    /// Where more is told, to whoever signs in.
    var page: String {
        switch self {
        case .alerts, .backupTrouble, .postureRed: "/app/alerts"
        case .agreementsEnding, .test: "/app"
        }
    }
}

extension Notice {
    var encoded: [Int64] {
        switch self {
        case .alerts(let count, let severe): [1, Int64(count), Int64(severe)]
        case .test: [2]
        case .agreementsEnding(let count): [3, Int64(count)]
        case .backupTrouble(let count): [4, Int64(count)]
        case .postureRed(let count): [5, Int64(count)]
        }
    }

    init?(decoding numbers: [Int64]) {
        switch (numbers.first, numbers.count) {
        case (1, 3): self = .alerts(count: Int(clamping: numbers[1]), severe: Int(clamping: numbers[2]))
        case (2, 1): self = .test
        case (3, 2): self = .agreementsEnding(count: Int(clamping: numbers[1]))
        case (4, 2): self = .backupTrouble(count: Int(clamping: numbers[1]))
        case (5, 2): self = .postureRed(count: Int(clamping: numbers[1]))
        default: return nil
        }
    }
}

/// A notice as a message (RFC 5322): plain ASCII, all of it from templates, addresses and the server's own origin.
struct MailMessage: Sendable {
    let from: MailAddress
    let to: MailAddress
    let notice: Notice
    /// `https://host[:port]`.
    let origin: String
    let time: Instant
    /// Random, of the message alone.
    let id: String

    var text: String {
        """
        Date: \(date)\r
        From: <\(from.text)>\r
        To: <\(to.text)>\r
        Subject: \(Notice.subject)\r
        Message-ID: <\(id)@\(from.domain)>\r
        Auto-Submitted: auto-generated\r
        MIME-Version: 1.0\r
        Content-Type: text/plain; charset=us-ascii\r
        \r
        \(notice.body)\r
        \r
        Sign in to see more: \(origin)\(notice.page)\r

        """
    }

    private var date: String {
        let days = time.microseconds.floorDivided(by: 86_400_000_000)
        let day = CalendarDay(daysSinceEpoch: days)
        let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][Int(days % 7 + 7) % 7]
        let month = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ][Int(day.month) - 1]
        return "\(weekday), \(day.day) \(month) \(day.year) \(time.text.dropFirst(11).prefix(8)) +0000"
    }
}

/// An address of mail: a narrow form of RFC 5321 §4.1.2, so that nothing in it can be another command or field.
public struct MailAddress: Hashable, Sendable {
    public let text: String

    public init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard text.utf8.count <= 254, parts.count == 2, (1...64).contains(parts[0].utf8.count),
            Destination.isHost(parts[1].lowercased()), parts[0].first != ".", parts[0].last != ".",
            parts[0].utf8.allSatisfy({ byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            })
        else { return nil }
        self.text = text
    }

    var domain: Substring { text.split(separator: "@")[1] }
}
