import CWardSystem
import Glibc
import WardCore
import WardFHIR
import WardKeys
import WardSQLite
import WardStorage

/// Names of the files of a store.
struct DataFolder: Sendable {
    let path: String

    init(_ path: String) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    var database: String { "\(path)/ward.db" }
    var lock: String { "\(path)/lock" }
    var socket: String { "\(path)/control.sock" }
    var authority: String { "\(path)/ca.pem" }
    /// Of a standby's copy: the pairing, how it stands, and that it shall stop.
    var standbyPairing: String { "\(path)/standby.json" }
    var standbyStatus: String { "\(path)/standby.status" }
    var standbyStop: String { "\(path)/standby.stop" }
    /// Of a store in whose place a standby was promoted.
    var standbyFence: String { "\(path)/standby.fenced" }
    /// Where an interrupted restore has made a key file.
    var restoredKey: String { "\(path)/restored.key-place" }
    /// Held by a server that only reads.
    var emergencyLock: String { "\(path)/emergency.lock" }
    /// Outside the data folder, so that it stays when that is emptied: what was looked at while a copy with so many events
    /// was served for reading.
    func spool(after size: Int64) -> String { "\(path).emergency-\(size).spool" }
    /// Outside the data folder: keys never lie beside the data unnoticed.
    var defaultKeyFile: String { "\(path).key" }

    func make() throws {
        do throws(FileFailure) {
            try PrivateFile.makeFolder(path)
        } catch {
            throw CommandFailure("the folder \(path) cannot be made")
        }
    }

    /// Says what to do where there is no store.
    func requireStore() throws {
        guard PrivateFile.exists(database) else {
            throw CommandFailure("there is no store in \(path); make one with: ward init --data \(path)")
        }
    }

    /// Whether a path lies inside this folder.
    func holds(_ other: String) -> Bool {
        guard let own = Self.resolved(path), let theirs = Self.resolved(other) ?? Self.resolved(folder(of: other))
        else {
            return false
        }
        return theirs == own || theirs.hasPrefix(own + "/")
    }

    private func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// A path without links and detours, where it leads to something.
    static func canonical(_ path: String) -> String { resolved(path) ?? path }

    private static func resolved(_ path: String) -> String? {
        guard let pointer = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(pointer) }
        return unsafe String(cString: pointer)
    }
}

/// One process owns a data folder.
final class FolderLock: Sendable {
    private let descriptor: Int32

    convenience init(_ folder: DataFolder) throws {
        try self.init(file: folder.lock, of: folder)
    }

    /// A lock of its own beside that one.
    init(file: String, of folder: DataFolder) throws {
        descriptor = unsafe open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0, ward_lock_file(descriptor) == 0 else {
            throw CommandFailure("another ward process holds \(folder.path)")
        }
    }

    deinit { close(descriptor) }
}

/// What a store says of itself without keys.
struct StoreHeader: Sendable {
    enum Kind: String, Sendable {
        case demo, real
    }

    static let format = 1

    let id: String
    let kind: Kind

    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("format", Self.format)
        writer.member("id", id)
        writer.member("kind", kind.rawValue)
        writer.endObject()
        return writer.bytes
    }

    init(id: String, kind: Kind) {
        self.id = id
        self.kind = kind
    }

    /// Reads the header of an opened file; a format that this version does not know is refused with what to do.
    init(of store: any SealedStore) throws {
        guard
            let bytes = try store.metadata(.header), let root = (try? JSONTape(parsing: bytes))?.root,
            let format = root["format"].flatMap({ Int(root.tape.text($0.index)) })
        else { throw CommandFailure("the store has no readable header; restore it from a backup") }
        guard format == Self.format else { throw CommandFailure(StorageFailure.unknownFormat(format).text) }
        guard let id = root["id"]?.string, let kind = root["kind"]?.string.flatMap(Kind.init(rawValue:)) else {
            throw CommandFailure("the store has no readable header; restore it from a backup")
        }
        self.init(id: id, kind: kind)
    }
}

extension StorageFailure {
    var text: String {
        switch self {
        case .closed: "the store is closed"
        case .corrupt: "the store's file is damaged; restore it from a backup"
        case .full: "the disk is full"
        case .engine(let code): "the store could not be opened (engine code \(code))"
        case .locked: "another process holds the store"
        case .unknownFormat(let version):
            "the store has format \(version), which this version of ward does not know; use the version that wrote it or a newer one"
        }
    }
}

extension KeyFailure {
    var text: String {
        switch self {
        case .argon2: "not enough memory to stretch the passphrase (64 MiB)"
        case .file(.readableByOthers): "the key file can be read by others; chmod 600 it"
        case .file(.missing): "the key file is not there; name it with --key-file"
        case .file(.exists): "there is a key file already; it is never overwritten"
        case .file: "the key file cannot be read or written"
        case .foreignKeyFile: "the key file belongs to another store"
        case .lockedPIN: "the PIN of the security module is locked; its security officer can reset it"
        case .mistypedGroup(let group): "group \(group) of the recovery code is mistyped or missing"
        case .malformedKeyFile: "the key file is damaged"
        case .newerKeyring: "a newer version of ward made the keyring of this store; use that one"
        case .moduleMissing: "the library of the security module cannot be loaded"
        case .malformedKeyring: "the store's keyring is damaged"
        case .notConfigured: "the store is not opened by this kind of key; see: ward keys status"
        case .refused: "the key does not open this store"
        case .softKey: "the key in the security module could be taken out of it; it is not used"
        case .tokenKeyExists: "the token has a key of this name already; keys are never taken over"
        case .tokenKeyMissing: "the security module has no such key, or two of one name"
        case .tokenMissing: "the security module is not there, or has no token of this label"
        case .tooShortPassphrase: "a passphrase needs at least \(Passphrase.minimumLength) characters"
        case .wrongPIN: "the PIN is wrong; after a few of them the security module locks it"
        }
    }
}
