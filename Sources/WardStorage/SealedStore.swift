public import WardCore

/// What a database engine must do for Ward.
///
/// It sees ciphertext, sizes, keyed locators and commit order, never a value.
///
/// Reads may be called from any thread and see the last commit. Writes come from one place only, the audit log's
/// sequencer, so that a record and the event that accounts for it stand in one transaction.
public protocol SealedStore: Sendable {
    /// A small named value: format version, wrapped keys, the newest checkpoint.
    func metadata(_ key: MetadataKey) throws(StorageFailure) -> [UInt8]?

    /// Which version of a resource is current.
    func head(of locator: Locator) throws(StorageFailure) -> Head?

    /// The current version of a resource, in one look-up; a deletion is a version too.
    func current(of locator: Locator) throws(StorageFailure) -> StoredVersion?

    func version(_ record: RecordNumber) throws(StorageFailure) -> StoredVersion?

    /// Stored versions in commit order, those after `record`: as many as `limit`, or fewer where they are large, but none
    /// only where nothing follows.
    func versions(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredVersion]

    /// Every row that says which version is current, as one commit left them, in no particular order.
    func eachHead(_ body: (Locator, Head) -> Void) throws(StorageFailure)

    /// Every wrapped patient key, as one commit left them, in no particular order.
    func eachPatientKey(_ body: (Locator, [UInt8]) -> Void) throws(StorageFailure)

    /// Every version of a resource, newest first.
    func history(of locator: Locator) throws(StorageFailure) -> [Head]

    /// Index cards of current versions in commit order, those after `record`.
    func cards(after record: RecordNumber, limit: Int) throws(StorageFailure) -> [StoredCard]

    /// A patient's wrapped key.
    func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]?

    /// Sealed accounts and client registrations, in no particular order.
    func entries(_ kind: EntryKind) throws(StorageFailure) -> [StoredEntry]

    func entry(_ id: Locator, kind: EntryKind) throws(StorageFailure) -> StoredEntry?

    /// Audit leaves in log order, starting at `index`.
    func leaves(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf]

    /// As ``leaves(from:limit:)`` with empty payloads, for whoever needs the tree alone.
    func leafEntries(from index: Int64, limit: Int) throws(StorageFailure) -> [StoredLeaf]

    /// Number of audit leaves.
    func leafCount() throws(StorageFailure) -> Int64

    /// A full tile of 256 tree hashes (C2SP tlog-tiles); level 0 holds leaf hashes.
    func tile(level: Int, number: Int64) throws(StorageFailure) -> [UInt8]?

    /// A sealed chunk of the audit log's own search segments.
    func auditChunk(segment: Int64, chunk: Int64) throws(StorageFailure) -> [UInt8]?

    /// Runs `body` in one durable transaction: all of it is on disk when this returns, or none of it.
    func commit(
        _ body: (any StoreTransaction) throws(StorageFailure) -> Void
    ) throws(StorageFailure)

    /// Whether a destroyed key may still lie in free places of the store's files: see ``erase()``.
    func isErasureDue() throws(StorageFailure) -> Bool

    /// Writes over every place in the store's own files where a destroyed key may still lie.
    ///
    /// Does nothing unless one is due. What file system and drive keep of overwritten blocks is out of its reach.
    ///
    /// - Throws: ``StorageFailure/locked`` while a reader holds on to an older state; it stays due.
    func erase() throws(StorageFailure)

    /// Writes everything back and closes; later calls fail with ``StorageFailure/closed``.
    func close()
}

/// The write side of ``SealedStore``; lives only inside ``SealedStore/commit(_:)`` and sees its own writes.
public protocol StoreTransaction {
    func head(of locator: Locator) throws(StorageFailure) -> Head?
    func hasPatientKey(_ id: Locator) throws(StorageFailure) -> Bool
    func lastRecordNumber() throws(StorageFailure) -> RecordNumber
    func put(_ version: StoredVersion, card: [UInt8]?, replacing old: Head?) throws(StorageFailure)
    /// Puts the same content, sealed anew, in the place of a stored version's body, and of its card if it has one.
    ///
    /// What lay there before is written over in its page.
    ///
    /// - Throws: ``StorageFailure/corrupt`` if there is no such version.
    func reseal(_ record: RecordNumber, at locator: Locator, body: [UInt8], card: [UInt8]?) throws(StorageFailure)
    func putPatientKey(_ id: Locator, wrapped: [UInt8]) throws(StorageFailure)
    /// Destroys a patient's wrapped key, and notes that its place is to be written over (``SealedStore/erase()``).
    func removePatientKey(_ id: Locator) throws(StorageFailure)
    func patientKey(_ id: Locator) throws(StorageFailure) -> [UInt8]?
    func putEntry(_ entry: StoredEntry, kind: EntryKind) throws(StorageFailure)
    func removeEntry(_ id: Locator, kind: EntryKind) throws(StorageFailure)
    func append(_ leaf: StoredLeaf) throws(StorageFailure)
    /// Lets go of a leaf's payload: it reads as empty from then on. The leaf stays.
    func prunePayload(of index: Int64) throws(StorageFailure)
    func putTile(level: Int, number: Int64, hashes: [UInt8]) throws(StorageFailure)
    /// Takes the place of a chunk that is there: a segment half written when the process ended is written again.
    func putAuditChunk(segment: Int64, chunk: Int64, sealed: [UInt8]) throws(StorageFailure)
    func putMetadata(_ key: MetadataKey, _ value: [UInt8]) throws(StorageFailure)
}

/// Names of the small values.
public enum MetadataKey: String, CaseIterable, Sendable {
    /// Version of the whole store's format, kind of store (real or demo), store id; not sealed, authenticated by use.
    case header
    /// The newest signed checkpoint of the audit log.
    case checkpoint
    /// Checkpoints of the log with cosignatures of witnesses.
    case cosigned
    /// The checkpoint key's seed, sealed under the tenant.
    case signingKey
    /// Certificate authority and server certificate with their keys, sealed under the tenant.
    case certificates
    /// Under which address people found the server last, sealed under the tenant.
    case origin
    /// How far a full verification has come that has not ended, sealed.
    case verification
    /// How far a restore from a backup has come; empty when it is done.
    case restoration
    /// Whether a destroyed key may still lie in free places of the files; empty when it does not.
    case erasure
    /// That this store is a copy which follows a primary, and how far it is; empty or absent for any other.
    case standby
    /// How long the log was when a record was sealed anew last: 8 bytes, for copies that may lack it.
    case resealed
    /// The keyring of versions before its format 2; empty once the store was upgraded.
    case keyring
}

/// What a sealed entry describes.
public enum EntryKind: Int64, CaseIterable, Sendable {
    case client = 1
    /// Marks a part of an import as done, in the transaction that did it.
    case importMark = 2
    case person = 3
    /// What proves who a person is; apart from the person.
    case credentials = 4
    case session = 5
    /// A one-time link that has not been used.
    case enrolment = 6
    /// A change of rights that waits for a second person.
    case roleRequest = 7
    /// A lost factor that waits for a second person.
    case recovery = 8
    /// A registered app.
    case app = 16
    /// What a person allowed an app for longer than a session.
    case appGrant = 17
    /// An emergency that somebody declared, with its reviews.
    case emergency = 20
    /// The newest review of somebody's rights.
    case accessReview = 21
    /// The clinic's own policy.
    case policy = 22
    /// An alert of odd access, with what became of it.
    case alert = 24
    /// What the detector of odd access knows, planted records, and notices that wait.
    case watchKnowledge = 25
    /// A form that came while its session was locked.
    case parkedForm = 28
    /// Who witnesses the log.
    case witnesses = 40
    /// Never stored as an entry: how an event names a patient's wrapped key, which has a table of its own.
    case patientKey = 48
    /// Up to where the log was held against the store, and what the store held then.
    case verifiedMark = 49
    /// A legal hold on a patient's events.
    case legalHold = 50
    /// How long events are kept.
    case retention = 51
    /// A business associate and its agreements.
    case vendor = 60
    /// Where something may go, and why.
    case destination = 61
    /// A notice that waits to be sent.
    case notice = 62
    /// Where notices go, and which alerts were told already.
    case noticeSettings = 63
    /// How far the exchange of patients' keys is, or how the last one ended.
    case resealing = 64
    /// To which recovery kit backups are sealed.
    case backupRecipient = 70
    /// The newest full backup, and the newest drill.
    case backupState = 71
    /// Which standby follows this store, and the epoch of who writes it.
    case standby = 72
    /// How far the spool of a read-only emergency was taken into the log.
    case spool = 73
    /// That a spool was taken into the log as a whole, by the end of its chain.
    case spoolEnd = 74
    /// How the keys of the store are reached: wrapped keys.
    case keyring = 80
    /// That a patient's key was destroyed: whose, why, by whom.
    case destroyedKey = 82
    /// Never stored as an entry: how an event names a wrapped key that it destroyed.
    case patientKeyRemoved = 83
    /// How the server was started last.
    case serverConfiguration = 90
    /// A week of system activity that somebody signed for.
    case activityReview = 91
    /// What the last look at the safeguards found.
    case posture = 94
}

/// The current version of a resource, or one line of its history.
public struct Head: Hashable, Sendable {
    public let record: RecordNumber
    /// FHIR `meta.versionId`, from 1.
    public let version: Int64
    public let isDeleted: Bool

    public init(record: RecordNumber, version: Int64, isDeleted: Bool) {
        self.record = record
        self.version = version
        self.isDeleted = isDeleted
    }
}

/// One version of one resource, as the database sees it.
public struct StoredVersion: Hashable, Sendable {
    public let record: RecordNumber
    public let locator: Locator
    public let version: Int64
    public let isDeleted: Bool
    /// Which key sealed it, masked so that rows of one patient cannot be told together.
    public let maskedOwner: Locator
    public let body: [UInt8]

    public init(
        record: RecordNumber, locator: Locator, version: Int64, isDeleted: Bool, maskedOwner: Locator, body: [UInt8]
    ) {
        self.record = record
        self.locator = locator
        self.version = version
        self.isDeleted = isDeleted
        self.maskedOwner = maskedOwner
        self.body = body
    }
}

/// The sealed index card of a current version.
public struct StoredCard: Hashable, Sendable {
    public let record: RecordNumber
    public let locator: Locator
    public let version: Int64
    public let maskedOwner: Locator
    public let card: [UInt8]

    public init(record: RecordNumber, locator: Locator, version: Int64, maskedOwner: Locator, card: [UInt8]) {
        self.record = record
        self.locator = locator
        self.version = version
        self.maskedOwner = maskedOwner
        self.card = card
    }
}

/// A sealed account or client.
public struct StoredEntry: Hashable, Sendable {
    public let id: Locator
    public let sealed: [UInt8]

    public init(id: Locator, sealed: [UInt8]) {
        self.id = id
        self.sealed = sealed
    }
}

/// One leaf of the audit log; the payload may be pruned after its retention, the leaf never.
public struct StoredLeaf: Hashable, Sendable {
    public let index: Int64
    public let leaf: [UInt8]
    public let payload: [UInt8]

    /// Whether the payload is gone; the log says whether it may be.
    public var isPruned: Bool { payload.isEmpty }

    public init(index: Int64, leaf: [UInt8], payload: [UInt8]) {
        self.index = index
        self.leaf = leaf
        self.payload = payload
    }
}

/// Why the store could not do it.
///
/// Codes only: engines quote values in their messages.
public enum StorageFailure: Error, Hashable, Sendable {
    case closed
    case corrupt
    /// Disk, database or quota full.
    case full
    /// An engine error by its numeric code.
    case engine(Int)
    /// Another process holds the store.
    case locked
    /// Written by a newer Ward.
    case unknownFormat(Int)
}
