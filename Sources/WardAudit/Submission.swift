public import WardCore
public import WardStorage

/// Writes that must stand in the same transaction as the event that accounts for them.
public struct RecordWrite: Sendable {
    public let locator: Locator
    /// Version that must be current at commit time; 0 means that the locator must be unused.
    public let expectedVersion: Int64
    public let isDeleted: Bool
    public let maskedOwner: Locator
    public let body: [UInt8]
    public let card: [UInt8]?
    /// A patient key that this write creates.
    public let newKey: (id: Locator, wrapped: [UInt8])?
    /// The patient key that it is sealed under; nil for none. Not stored: it does not commit once the key is destroyed.
    public let keyID: Locator?
    /// Which of that patient's keys it is. Not stored either: it does not commit once there is a later one.
    public let keyNumber: UInt32

    public init(
        locator: Locator, expectedVersion: Int64, isDeleted: Bool, maskedOwner: Locator, body: [UInt8], card: [UInt8]?,
        newKey: (id: Locator, wrapped: [UInt8])?, keyID: Locator? = nil, keyNumber: UInt32 = 1
    ) {
        self.locator = locator
        self.expectedVersion = expectedVersion
        self.isDeleted = isDeleted
        self.maskedOwner = maskedOwner
        self.body = body
        self.card = card
        self.newKey = newKey
        self.keyID = keyID
        self.keyNumber = keyNumber
    }
}

/// A stored version, sealed anew under another of its patient's keys; its content stays.
public struct RecordReseal: Sendable {
    public let stored: StoredVersion
    public let body: [UInt8]
    /// Of a current version.
    public let card: [UInt8]?
    /// The patient key that it was under and is under.
    public let keyID: Locator

    public init(stored: StoredVersion, body: [UInt8], card: [UInt8]?, keyID: Locator) {
        self.stored = stored
        self.body = body
        self.card = card
        self.keyID = keyID
    }
}

/// Another wrapped key in the place of a patient's.
public struct KeyReplacement: Sendable {
    public let id: Locator
    /// As it is stored: another one under that id is a conflict.
    public let old: [UInt8]
    public let new: [UInt8]
    /// From now on nothing is written under one of the patient's keys with a lower number.
    public let number: UInt32

    public init(id: Locator, old: [UInt8], new: [UInt8], number: UInt32) {
        self.id = id
        self.old = old
        self.new = new
        self.number = number
    }
}

/// An account change in the same transaction as its event.
public enum EntryWrite: Sendable {
    case put(StoredEntry, EntryKind)
    case remove(Locator, EntryKind)

    var kind: EntryKind {
        switch self {
        case .put(_, let kind), .remove(_, let kind): kind
        }
    }
}

/// A patient's wrapped key that goes, in the same transaction as its event.
public struct KeyRemoval: Sendable {
    public let id: Locator
    /// As it is stored: another one under that id is a conflict.
    public let wrapped: [UInt8]

    public init(id: Locator, wrapped: [UInt8]) {
        self.id = id
        self.wrapped = wrapped
    }
}

/// Why a submission was not committed.
public enum SubmissionFailure: Error, Hashable, Sendable {
    /// Another write came first; nothing of this submission happened.
    case conflict
    /// The log could not take the event; nothing of this submission counts.
    case unavailable
}

/// One request's share of the next transaction.
struct Submission: Sendable {
    let leaves: [SealedLeaf]
    let writes: [RecordWrite]
    let entries: [EntryWrite]
    /// Leaves whose payloads go.
    var pruned: [Int64] = []
    /// Patients' keys that go.
    var removedKeys: [KeyRemoval] = []
    /// Patients' keys under which nothing is written any more, whether there was one or not.
    var endedKeys: [Locator] = []
    var reseals: [RecordReseal] = []
    var replacedKeys: [KeyReplacement] = []
    /// Runs on the sequencer after the commit and before anybody is answered: the index learns of the write here.
    let applied: @Sendable ([RecordNumber]) -> Void
    let answer: @Sendable (Result<Committed, SubmissionFailure>) -> Void
}
