public import WardCore

/// What the detector may ask about people and patients: keyed digests, numbers, yes and no. Never a name or an address.
public protocol WatchFacts: Sendable {
    /// An account, by its id in the log (`person/ID`, `client/ID`); nil for one that is not known.
    func person(_ actor: String) -> WatchedPerson?

    /// A patient, by logical id; nil for one that is not known.
    func patient(_ id: String) -> WatchedPatient?

    /// Whether the account has, or lately had, a part in the patient's care, schedule or account.
    func isRelated(_ actor: String, to patient: String) -> Bool
}

/// A member of the clinic, as far as odd access needs to know.
public struct WatchedPerson: Hashable, Sendable {
    /// Roles, as in the policy: peers are those who share the first one.
    public var roles: [String]
    public var isActive: Bool
    /// Logical id of the member's own patient record, if they are a patient here too.
    public var ownPatient: String?
    /// Keyed digest of the family name, folded; nil where it is not known.
    public var surname: UInt64?
    /// Keyed digest of the home: postal code and address line, folded.
    public var household: UInt64?
    /// Keyed digest of the street: postal code and address line without numbers, folded.
    public var street: UInt64?
    /// When the account was made.
    public var since: Instant?

    public init(
        roles: [String], isActive: Bool = true, ownPatient: String? = nil, surname: UInt64? = nil,
        household: UInt64? = nil, street: UInt64? = nil, since: Instant? = nil
    ) {
        self.roles = roles
        self.isActive = isActive
        self.ownPatient = ownPatient
        self.surname = surname
        self.household = household
        self.street = street
        self.since = since
    }
}

/// A patient, as far as odd access needs to know.
public struct WatchedPatient: Hashable, Sendable {
    public var surname: UInt64?
    public var household: UInt64?
    public var street: UInt64?
    /// Marked as somebody whom the curious look for (`VIP` or `CEL` in `meta.security`).
    public var isVIP: Bool
    /// Planted: nobody has a reason to open it.
    public var isDecoy: Bool
    /// Works here: id in the log of the member whose record it is, by what the account names or by the whole name.
    public var colleague: String?

    public init(
        surname: UInt64? = nil, household: UInt64? = nil, street: UInt64? = nil, isVIP: Bool = false,
        isDecoy: Bool = false, colleague: String? = nil
    ) {
        self.surname = surname
        self.household = household
        self.street = street
        self.isVIP = isVIP
        self.isDecoy = isDecoy
        self.colleague = colleague
    }
}
