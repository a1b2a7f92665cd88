public import WardCore
public import WardFHIR
public import WardStorage

/// What happened: who, what, when, from where, why, and how it ended (45 CFR 164.312(b), ASTM E2147-18 §7).
public struct AuditEvent: Sendable {
    public var kind: AuditEventKind
    public var time: Instant
    public var outcome: AuditOutcome
    /// Nil for what the system did by itself and for failures before anybody was known.
    public var actor: AuditActor?
    public var purpose: PurposeOfUse?
    public var source: RequestSource
    /// Why policy said yes or no: the rule's code.
    public var decision: String
    /// Resource type the request was about, where it named one.
    public var type: ResourceType?
    public var records: [AuditedRecord]
    /// Logical ids of the patients concerned.
    public var patients: [String]
    /// Records opened to decide a search and not released.
    public var candidates: Int
    /// How many identical events this one stands for; above 1 only for coalesced failures of strangers.
    public var count: Int
    /// Whom it was done to, named as an actor is: a change of rights, a session ended by an officer.
    public var subject: String?
    /// Number of the session it was done in.
    public var session: String?
    /// Id of the emergency it was done in, or that it is about (45 CFR 164.312(a)(2)(ii)).
    public var emergency: String?
    /// The browser or device, by the mark that it carries; nil where none is known.
    public var device: String?
    /// Whether the account was never used from that device before.
    public var isNewDevice = false
    /// The search as it was asked: names of patients stand in it, and it is sealed like the rest of the event.
    public var query: String?
    /// To whom records went that left the clinic (45 CFR 164.528).
    public var recipient: String?
    /// Where the event stands in the spool of a read-only emergency, from which it was taken into the log afterwards.
    public var spooled: SpoolPlace?
    /// Of the share of one patient: their place, from 1, among the patients of the whole event; not written.
    public internal(set) var sharePlace: Int?
    /// Accounts, sessions, registrations and the like that were put or removed with the event; the log fills it in.
    public internal(set) var entries: [AuditedEntry] = []
    /// Versions that were sealed anew with the event, without another content; the log fills it in.
    public internal(set) var resealed: [ResealedVersion] = []

    public init(
        kind: AuditEventKind, time: Instant, outcome: AuditOutcome, actor: AuditActor?, purpose: PurposeOfUse?,
        source: RequestSource, decision: String, type: ResourceType? = nil, records: [AuditedRecord] = [],
        patients: [String] = [], candidates: Int = 0, count: Int = 1
    ) {
        self.kind = kind
        self.time = time
        self.outcome = outcome
        self.actor = actor
        self.purpose = purpose
        self.source = source
        self.decision = decision
        self.type = type
        self.records = records
        self.patients = patients
        self.candidates = candidates
        self.count = count
        session = source.session
        device = source.device
    }
}

/// Kinds of events; the raw value is what the log holds.
public enum AuditEventKind: String, CaseIterable, Sendable {
    /// Somebody's rights were reviewed (45 CFR 164.308(a)(4)(ii)(C)).
    case accessReviewed = "access-reviewed"
    /// A week of system activity was not signed for in time.
    case activityReviewOverdue = "activity-review-overdue"
    /// Somebody signed for a week of system activity (45 CFR 164.308(a)(1)(ii)(D)).
    case activityReviewed = "activity-reviewed"
    /// A patient's accounting of disclosures was made (45 CFR 164.528).
    case accountingMade = "accounting-made"
    /// Somebody acknowledged or dismissed an alert of odd access.
    case alertAnswered = "alert-answered"
    /// An access was found odd.
    case alertRaised = "alert-raised"
    case appApproved = "app-approved"
    /// A person allowed an app to act for them, or refused.
    case appAuthorized = "app-authorized"
    case appLaunched = "app-launched"
    case appRegistered = "app-registered"
    case appRemoved = "app-removed"
    /// Events left the log as a file.
    case auditExported = "audit-exported"
    /// Payloads past their retention were let go of; leaves stay.
    case auditPruned = "audit-pruned"
    case auditRead = "audit-read"
    case auditVerified = "audit-verified"
    /// A backup was restored into another place and compared, on a schedule or by hand (45 CFR 164.308(a)(7)(ii)(D)).
    case backupDrilled = "backup-drilled"
    /// A backup could not be made, or is overdue.
    case backupFailed = "backup-failed"
    /// The recovery kit that backups are sealed to was made, or another took its place.
    case backupKitMade = "backup-kit-made"
    /// A full backup is complete (45 CFR 164.308(a)(7)(ii)(A)).
    case backupMade = "backup-made"
    /// This store was restored from a backup (45 CFR 164.308(a)(7)(ii)(B)).
    case backupRestored = "backup-restored"
    case clientAdded = "client-added"
    case clientRemoved = "client-removed"
    /// The machine's clock went back, or leapt ahead.
    case clockJumped = "clock-jumped"
    /// The server was started otherwise than before: what is different, old and new.
    case configurationChanged = "configuration-changed"
    case create
    case delete
    /// Records that left on paper, by fax or by telephone, as an officer wrote it down (45 CFR 164.528).
    case disclosureRecorded = "disclosure-recorded"
    /// The list of who opened one patient's record left through the browser as a file.
    case download
    case emergencyEnded = "emergency-ended"
    /// Also the alert: it is written in the transaction that opens the emergency.
    case emergencyOpened = "emergency-opened"
    case emergencyReviewed = "emergency-reviewed"
    case enrolmentIssued = "enrolment-issued"
    case enrolmentUsed = "enrolment-used"
    case export
    case factorAdded = "factor-added"
    case factorRemoved = "factor-removed"
    /// A kept form was sent or dropped by its person, or its time was over.
    case formEnded = "form-ended"
    /// A form came while its session was locked, or without a fresh proof, and was kept for its person.
    case formKept = "form-kept"
    case historyInstance = "history-instance"
    case holdEnded = "hold-ended"
    /// A legal hold: nothing of it is pruned or erased until it ends.
    case holdPlaced = "hold-placed"
    case `import` = "import"
    /// A patient's key was destroyed, and with it what it had sealed.
    case keyDestroyed = "key-destroyed"
    case keysCreated = "keys-created"
    case keysOpened = "keys-opened"
    /// Opened by the recovery code; the keys of before have ended.
    case keysRecovered = "keys-recovered"
    /// The security module that holds the root key does not answer; nothing is written.
    case keysAway = "keys-away"
    case keysBack = "keys-back"
    /// Another root key, tenant key or recovery code.
    case keysRotated = "keys-rotated"
    /// The log could not be written for a while.
    case logInterrupted = "log-interrupted"
    /// An exchange of patients' keys, which seals anew what they had sealed, was begun or has ended.
    case patientKeysRotated = "patient-keys-rotated"
    case personAdded = "person-added"
    case personChanged = "person-changed"
    case personDisabled = "person-disabled"
    case policyAdopted = "policy-adopted"
    case policyExplained = "policy-explained"
    /// That list was opened for printing. No page shows the records themselves.
    case print
    case read
    /// A part of an exchange of patients' keys: keys that were put in place, or versions that were sealed anew.
    case recordsResealed = "records-resealed"
    case recoveryApproved = "recovery-approved"
    case recoveryAsked = "recovery-asked"
    /// A request of somebody known that was refused before any record was looked for: malformed, not offered.
    case requestRefused = "request-refused"
    /// How long events are kept was set.
    case retentionSet = "retention-set"
    case rolesGranted = "roles-granted"
    case rolesRefused = "roles-refused"
    case rolesRequested = "roles-requested"
    case search
    case sessionEnded = "session-ended"
    case sessionUnlocked = "session-unlocked"
    case signedIn = "signed-in"
    case signInFailed = "sign-in-failed"
    /// What was looked at in a read-only emergency was taken into the log, or could not be (45 CFR 164.308(a)(7)(ii)(C)).
    case spoolReconciled = "spool-reconciled"
    case start
    /// The pairing with a standby ended; this store is written without a lease again.
    case standbyEnded = "standby-ended"
    /// A second machine may follow this store and be promoted (45 CFR 164.308(a)(7)(ii)(C)).
    case standbyPaired = "standby-paired"
    /// This store, which was a standby's copy, took the place of its primary: the epoch, and why.
    case standbyPromoted = "standby-promoted"
    case steppedUp = "stepped-up"
    case stop
    case storeVerified = "store-verified"
    case tokenIssued = "token-issued"
    case tokenRevoked = "token-revoked"
    case transaction
    case update
    case vread
    /// The detector of odd access put away what it knows.
    case watchKept = "watch-kept"
    case witnessAdded = "witness-added"
    case witnessRemoved = "witness-removed"
    /// Vendors and what may leave to them (45 CFR 164.308(b)).
    case vendorAdded = "vendor-added"
    case agreementSigned = "agreement-signed"
    case agreementRevoked = "agreement-revoked"
    case destinationAdded = "destination-added"
    case destinationRemoved = "destination-removed"
    /// A connection to the outside is about to be made.
    case egressOpened = "egress-opened"
    /// It ended, with how many bytes went and came.
    case egressClosed = "egress-closed"
    /// Nothing covers what was to leave; nothing was sent.
    case egressRefused = "egress-refused"
    /// Records are about to leave through a connection.
    case egressDisclosed = "egress-disclosed"
    /// Where notices go was set.
    case noticeSet = "notice-set"
    case noticeQueued = "notice-queued"
    /// A notice was sent, or given up.
    case noticeEnded = "notice-ended"
    /// Every technical safeguard was looked at (45 CFR 164.308(a)(8)).
    case postureChecked = "posture-checked"
    /// A safeguard that held does not hold any more.
    case postureRed = "posture-red"
    /// The store was brought to this version's formats.
    case storeUpgraded = "store-upgraded"
}

public enum AuditOutcome: String, CaseIterable, Sendable {
    case denied, failed, success
}

/// Who acted.
public struct AuditActor: Hashable, Sendable {
    /// Never reused.
    public let id: String
    public let name: String
    public let role: String
    /// Name and id of the app that acted for them; nil for none.
    public let app: String?

    public init(id: String, name: String, role: String, app: String? = nil) {
        self.id = id
        self.name = name
        self.role = role
        self.app = app
    }
}

/// A place in a spool.
public struct SpoolPlace: Hashable, Sendable {
    public let spool: String
    /// From 0.
    public let index: Int64

    public init(spool: String, index: Int64) {
        self.spool = spool
        self.index = index
    }
}

/// From where: the peer's address, or the local command.
public struct RequestSource: Hashable, Sendable {
    public let address: String
    /// Correlates with the operational log.
    public let request: String
    /// Number of the session that the request was made in.
    public var session: String?
    /// The browser, by the mark that it carries.
    public var device: String?

    public init(address: String, request: String) {
        self.address = address
        self.request = request
    }

    /// The process itself.
    public static let system = RequestSource(address: "system", request: "")
}

/// One record version an event touched.
public struct AuditedRecord: Hashable, Sendable {
    public let type: ResourceType
    public let id: String
    public let version: Int64
    /// The first 16 bytes, in hex, of the SHA-256 of the sealed version; for writes.
    public let hash: String?
    public let interaction: AuditEventKind?
    /// Positions in the event's patients of those it is about; nil for all of them.
    public let owners: [Int]?

    public init(
        type: ResourceType, id: String, version: Int64, hash: String? = nil, interaction: AuditEventKind? = nil,
        owners: [Int]? = nil
    ) {
        self.type = type
        self.id = id
        self.version = version
        self.hash = hash
        self.interaction = interaction
        self.owners = owners
    }
}

/// An entry of the store that an event put or removed: what a later check of the store is held against.
public struct AuditedEntry: Hashable, Sendable {
    public let kind: EntryKind
    public let id: Locator
    /// The first 16 bytes, in hex, of the SHA-256 of the sealed entry; nil for one that was removed.
    public let hash: String?

    public init(kind: EntryKind, id: Locator, hash: String?) {
        self.kind = kind
        self.id = id
        self.hash = hash
    }
}

/// A version that an event sealed anew: the same content under another key.
public struct ResealedVersion: Hashable, Sendable {
    public let locator: Locator
    public let version: Int64
    public let isDeleted: Bool
    /// The first half of the SHA-256 of the sealed version, before and after.
    public let old: Locator
    public let new: Locator

    /// So many fit into one leaf.
    public static let most = 500
}
