/// Where backups lie: objects by name, written once and never changed.
///
/// A folder, or storage; object lock fits, since nothing is written twice.
public protocol BackupDestination: Sendable {
    /// Writes a whole object durably, or nothing.
    ///
    /// Writing the same bytes again is no failure; other bytes under a name that is taken are
    /// ``BackupFailure/occupied(_:)``.
    func put(_ name: String, _ bytes: [UInt8]) async throws(BackupFailure)

    /// The whole object.
    ///
    /// - Throws: ``BackupFailure/missing(_:)`` if there is none.
    func get(_ name: String) async throws(BackupFailure) -> [UInt8]

    /// Size of an object; nil if there is none.
    func size(of name: String) async throws(BackupFailure) -> Int?

    /// Names of all objects that begin with `prefix`, which ends with a slash, in order.
    func list(_ prefix: String) async throws(BackupFailure) -> [String]

    /// Lets go of an object; none is no failure.
    func remove(_ name: String) async throws(BackupFailure)
}

/// Why a backup could not be written, read or restored. Names are those of objects, never of records.
public enum BackupFailure: Error, Hashable, Sendable {
    /// An object is not what was written.
    case altered(String)
    /// Not made by the store that the kit was printed for.
    case foreignSigner(String)
    /// The destination holds no backup, or none as old as asked for.
    case empty
    /// The log in the backup is not a continuation of the checkpoint, or does not add up.
    case log(LogBreak)
    case missing(String)
    case noKit
    /// Nothing of what was written is at its place.
    case notThere
    /// Another store may stand in this one's place, whose backups are the newer ones: this one writes none.
    case notTheWriter
    /// Nothing covers the backup's place, so nothing went there; with the reason.
    case notCovered(String)
    /// Under this name lies something else.
    case occupied(String)
    /// The backup's place failed, in the words of whoever talks to it.
    case place(String)
    /// The kit is not the one that this was sealed to.
    case otherKit
    /// The destination cannot be reached or written; the system's error number if there is one.
    case unreachable(Int)
    case sealing
    case store
    /// A later version of Ward wrote it.
    case unknownFormat(String)
    /// Something else stands where the restore is to go.
    case targetInUse

    public enum LogBreak: Hashable, Sendable {
        /// Leaves do not add up to the signed checkpoint.
        case damaged
        /// Not a continuation of the checkpoint kept elsewhere.
        case forked
        /// Older than the checkpoint kept elsewhere: something newer is missing.
        case rolledBack
    }

    public var text: String {
        switch self {
        case .altered(let name): "\(name) is not what was written"
        case .foreignSigner(let name): "\(name) was not signed by the store that this is for"
        case .empty: "there is no backup, or none from before that time"
        case .log(.damaged): "the audit log in the backup does not add up"
        case .log(.forked): "the audit log in the backup is not a continuation of the given checkpoint"
        case .log(.rolledBack): "the backup is older than the given checkpoint: newer parts of it are missing"
        case .missing(let name): "\(name) is missing"
        case .noKit: "there is no recovery kit yet; make one with: ward backup kit"
        case .notThere:
            "no backup of before is at its place; if that is right, begin anew with: ward backup now"
        case .notTheWriter: "this store holds no lease of its standby, and makes no backups without it"
        case .notCovered(let reason): "nothing was carried to the backup's place: \(reason)"
        case .occupied(let name): "something else lies under \(name); nothing was written over it"
        case .place(let text): "the backup's place: \(text)"
        case .otherKit: "the kit is not the one that this backup is sealed to"
        case .unreachable(let code) where code == 28: "the backup's disk is full"
        case .unreachable(let code): "the backup's place cannot be read or written (\(code))"
        case .sealing: "a part of the backup could not be sealed or opened"
        case .store: "the store could not be read or written"
        case .unknownFormat(let name): "\(name) is of a newer version of Ward"
        case .targetInUse: "something else stands where the restore is to go"
        }
    }
}
