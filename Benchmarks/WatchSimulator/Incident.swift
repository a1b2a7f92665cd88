public import WardCore

/// What is planted.
public enum SnoopingKind: String, CaseIterable, Sendable {
    case ownRecord = "own record"
    case family
    case neighbour
    case colleague
    case famous = "VIP after news"
    case formerPartner = "ex-partner"
    case leaver = "bulk before leaving"
    case wandering = "slow wandering"
    case stolen = "stolen credentials"
    case deadAccount = "dead account or spraying"

    /// Whether one patient is what it is about.
    public var isAboutPatient: Bool {
        switch self {
        case .leaver, .wandering, .stolen, .deadAccount: false
        default: true
        }
    }
}

/// One planted incident, as a detector should have found it.
public struct Incident: Sendable {
    public let kind: SnoopingKind
    /// As the log names accounts.
    public let actor: String
    /// In words, for those who tune.
    public let note: String
    /// Logical ids of those looked at.
    public internal(set) var patients: Set<String> = []
    public internal(set) var first: Instant
    public internal(set) var last: Instant
    /// Places in the log and times, ascending.
    public internal(set) var events: [(index: Int64, time: Instant)] = []
}
