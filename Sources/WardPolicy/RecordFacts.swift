import WardCore

/// What is known of a record and of the asking person's part in it, once the record is looked at.
public struct RecordFacts: Hashable, Sendable {
    /// Logical ids of the patients that the record is about.
    public var patients: [String]
    /// From meta.security, by ``Policy/labels(of:at:)``.
    public var labels: LabelSet
    /// Relationships that the asking person has to every one of ``patients``.
    public var relationships: RelationshipSet
    /// Whether the asking person wrote the record.
    public var isAuthor: Bool
    /// Whether the asking person has declared an emergency for every one of ``patients``.
    public var isEmergency: Bool
    /// Labels for which that emergency has a reason of its own.
    public var emergencyReasons: LabelSet
    /// Labels for which the patients' consent covers this person and purpose.
    public var consents: LabelSet
    /// Whether the patients' consent denies this person, or this purpose, the record.
    public var isRefused: Bool
    /// Whether every one of ``patients`` is the patient that the token was issued for (SMART launch context).
    public var isInContext: Bool
    /// Bit n: the record meets the search constraint of scope n of the question.
    public var metConstraints: UInt64

    public init(
        patients: [String] = [], labels: LabelSet = [], relationships: RelationshipSet = [], isAuthor: Bool = false,
        isEmergency: Bool = false, emergencyReasons: LabelSet = [], consents: LabelSet = [], isRefused: Bool = false,
        isInContext: Bool = false,
        metConstraints: UInt64 = 0
    ) {
        self.patients = patients
        self.labels = labels
        self.relationships = relationships
        self.isAuthor = isAuthor
        self.isEmergency = isEmergency
        self.emergencyReasons = emergencyReasons
        self.consents = consents
        self.isRefused = isRefused
        self.isInContext = isInContext
        self.metConstraints = metConstraints
    }

    /// A refusal does not keep patients from their own record, nor care from them in an emergency.
    var isOverRefusal: Bool { isEmergency || !relationships.isDisjoint(with: [.ownRecord, .proxy]) }

    var conditions: Conditions {
        var result = Conditions(rawValue: UInt16(relationships.rawValue))
        if isAuthor { result.insert(.author) }
        if isEmergency { result.insert(.emergency) }
        return result
    }
}

/// What somebody is to a patient.
public struct RelationshipSet: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Member of an active CareTeam.
    public static let careTeam = RelationshipSet(rawValue: 1)
    /// Takes part in an appointment of today.
    public static let appointmentToday = RelationshipSet(rawValue: 2)
    /// General practitioner, or participant of an open Encounter or EpisodeOfCare.
    public static let assigned = RelationshipSet(rawValue: 4)
    /// The patient.
    public static let ownRecord = RelationshipSet(rawValue: 8)
    /// Acts for the patient.
    public static let proxy = RelationshipSet(rawValue: 16)
}

/// Labels of a record as one policy knows them; see ``Policy/label(named:)`` for those a clinic added.
public struct LabelSet: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Substance use disorder records (42 CFR Part 2).
    public static let part2 = LabelSet(rawValue: 1)
    /// Psychotherapy notes (45 CFR 164.501).
    public static let psychotherapy = LabelSet(rawValue: 2)
    public static let restricted = LabelSet(rawValue: 4)
    /// Paid for by the patient (HITECH 13405(a)).
    public static let selfPay = LabelSet(rawValue: 8)

    static let names = ["part2", "psychotherapy", "restricted", "self-pay"]
}

/// What a rule may ask of a record or of a session; the lower bits are ``RelationshipSet``.
struct Conditions: OptionSet, Hashable, Sendable {
    let rawValue: UInt16

    static let author = Conditions(rawValue: 1 << 5)
    static let emergency = Conditions(rawValue: 1 << 6)
    static let fresh = Conditions(rawValue: 1 << 7)
    /// For each label that a rule speaks of.
    static let consent = Conditions(rawValue: 1 << 8)
    static let emergencyReason = Conditions(rawValue: 1 << 9)

    /// Known only when the record is looked at.
    static let ofRecords = Conditions(rawValue: 0b11_0111_1111)

    /// By bit, in the words of the document.
    static let names = [
        "care-team", "appointment-today", "assigned", "self", "proxy", "author", "emergency", "fresh", "consent",
        "emergency-reason",
    ]

    var names: [String] {
        Self.names.enumerated().filter { rawValue >> UInt16($0.offset) & 1 == 1 }.map(\.element)
    }
}

extension PurposeOfUse {
    /// One bit for each.
    var bit: UInt8 {
        switch self {
        case .treatment: 1
        case .payment: 2
        case .operations: 4
        case .patientRequest: 8
        case .systemAdministration: 16
        }
    }
}
