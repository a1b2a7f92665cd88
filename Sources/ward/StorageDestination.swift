import Glibc
import WardContinuity
import WardCore
import WardCrypto
import WardEgress

/// Backups in S3-compatible storage.
///
/// Nothing is written over (`If-None-Match`), an object is there whole or not at all, and what a passing failure stopped
/// is tried again.
struct StorageDestination: BackupDestination {
    let store: ObjectStore
    /// Empty, or with a slash at its end.
    let prefix: String
    /// From when an object is written or found useful again; nil for no lock.
    let lockDays: Int?

    private static let attempts = 4
    /// One object: a chunk holds one record at least, and no record is larger than a request.
    private static let largest = 2 << 30

    func put(_ name: String, _ bytes: [UInt8]) async throws(BackupFailure) {
        let key = prefix + name
        do throws(EgressFailure) {
            try await trying { () throws(EgressFailure) in try await store.put(key, bytes, lock: lock, isNew: true) }
        } catch {
            guard error == .answered(412) else { throw Self.failure(error, name) }
            // There already: from an attempt whose answer was lost, or something else.
            guard try await get(name) == bytes else { throw .occupied(name) }
        }
    }

    func get(_ name: String) async throws(BackupFailure) -> [UInt8] {
        let found = try await named(name) { () throws(EgressFailure) in
            try await store.get(prefix + name, limit: Self.largest)
        }
        guard let found else { throw .missing(name) }
        return found
    }

    func size(of name: String) async throws(BackupFailure) -> Int? {
        try await named(name) { () throws(EgressFailure) in try await store.head(prefix + name) }.map { Int($0.size) }
    }

    func list(_ folder: String) async throws(BackupFailure) -> [String] {
        var names: [String] = []
        var after: String?
        while true {
            let start = after
            let page = try await named(folder) { () throws(EgressFailure) in
                try await store.list(prefix + folder, after: start)
            }
            for object in page {
                // Out of order or from elsewhere: nothing that storage would answer.
                guard object.key.hasPrefix(prefix + folder), after.map({ $0 < object.key }) ?? true else {
                    throw .place(EgressFailure.malformedAnswer.text)
                }
                after = object.key
                names.append(String(object.key.dropFirst(prefix.count)))
            }
            if page.isEmpty { return names.sorted() }
        }
    }

    func remove(_ name: String) async throws(BackupFailure) {
        try await named(name) { () throws(EgressFailure) in try await store.delete(prefix + name) }
    }

    private var lock: ObjectLock? {
        lockDays.map { ObjectLock(until: .now().adding(seconds: Int64($0) * 86_400)) }
    }

    private func named<Value: Sendable>(
        _ name: String, _ work: () async throws(EgressFailure) -> Value
    ) async throws(BackupFailure) -> Value {
        do throws(EgressFailure) { return try await trying(work) } catch { throw Self.failure(error, name) }
    }

    /// Tries again after 0.2, 0.8 and 3.2 seconds what may pass.
    private func trying<Value: Sendable>(
        _ work: () async throws(EgressFailure) -> Value
    ) async throws(EgressFailure) -> Value {
        var wait = Duration.milliseconds(200)
        for _ in 1..<Self.attempts {
            do throws(EgressFailure) { return try await work() } catch {
                guard error.mayPass, !Task.isCancelled else { throw error }
            }
            try? await Task.sleep(for: wait)
            wait *= 4
        }
        return try await work()
    }

    private static func failure(_ failure: EgressFailure, _ name: String) -> BackupFailure {
        switch failure {
        case .tooLarge: .altered(name)
        case .ended(let refusal), .refused(let refusal): .notCovered(refusal.text)
        default: .place(failure.text)
        }
    }
}

extension EgressFailure {
    /// Whether the same may go well a moment later.
    fileprivate var mayPass: Bool {
        switch self {
        case .answered(let status): [408, 409, 429].contains(status) || (500...599).contains(status)
        case .peerClosed, .timedOut, .unreachable, .unresolved: true
        default: false
        }
    }
}

/// `s3:DESTINATION/BUCKET[/PREFIX]`: in a restore, which has no register, `s3:HOST[:PORT]/BUCKET[/PREFIX]`.
struct StorageName: Sendable {
    static let scheme = "s3:"

    let server: String
    let bucket: String
    let prefix: String

    init(_ text: String) throws(CommandFailure) {
        let parts = text.dropFirst(Self.scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        func isPlain(_ part: Substring) -> Bool {
            !part.isEmpty && part != "." && part != ".."
                && part.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                    default: false
                    }
                }
        }
        guard parts.count >= 2, !parts[0].isEmpty, parts[1...].allSatisfy(isPlain), text.utf8.count <= 512 else {
            throw CommandFailure(
                "--backup is a folder, or s3:DESTINATION/BUCKET[/PREFIX] of letters, digits, '-', '.' and '_'")
        }
        server = String(parts[0])
        bucket = String(parts[1])
        prefix = parts.dropFirst(2).map { $0 + "/" }.joined()
    }
}

/// Where backups go, as it was asked for.
struct BackupChoice: Sendable {
    /// As ``path`` stands in requests, the configuration and the log.
    let path: String
    /// The destination's name in the register, if it is storage.
    let destination: String?
    let place: @Sendable (EgressBroker) -> any BackupDestination

    /// The same for a folder by whatever way it is named.
    var name: String { destination == nil ? DataFolder.canonical(path) : path }

    /// - Parameters:
    ///   - credentials: file with the key of the storage.
    ///   - lockDays: how long objects are locked there.
    init(_ text: String, credentials: String?, lockDays: Int?, outside folder: DataFolder) throws(CommandFailure) {
        guard text.hasPrefix(StorageName.scheme) else {
            guard credentials == nil, lockDays == nil else {
                throw CommandFailure("--backup-credentials and --backup-lock-days go with --backup s3:...")
            }
            guard !folder.holds(text) else {
                throw CommandFailure("the backup must lie outside the data folder, on another disk")
            }
            let path = absolutePath(text)
            (self.path, destination) = (path, nil)
            place = { _ in FolderDestination(path) }
            return
        }
        guard lockDays.map({ (1...36_500).contains($0) }) ?? true else {
            throw CommandFailure("--backup-lock-days is 1 to 36500")
        }
        let name = try StorageName(text)
        let source = StorageCredentials.source(credentials, credential: "ward-backup-s3", "--backup-credentials")
        // Said in words at once.
        _ = try StorageCredentials.strict(credentials, credential: "ward-backup-s3", "--backup-credentials")
        (path, destination) = (text, name.server)
        place = { broker in
            StorageDestination(
                store: ObjectStore(
                    broker: broker, destination: name.server, bucket: name.bucket, credentials: source),
                prefix: name.prefix, lockDays: lockDays)
        }
    }
}

extension StorageCredentials {
    /// From a strict file, or the service manager's credentials; never from arguments or the environment.
    static func strict(_ file: String?, credential: String, _ option: String) throws(CommandFailure) -> Self {
        var path = file
        if path == nil, let folder = unsafe getenv("CREDENTIALS_DIRECTORY") {
            path = "\(unsafe String(cString: folder))/\(credential)"
        }
        guard let path else {
            throw CommandFailure("the key's file is needed: \(option), or the credential \(credential)")
        }
        var bytes: [UInt8]
        do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: true, limit: 8192) } catch {
            throw CommandFailure(
                error == .readableByOthers
                    ? "\(option): the file can be read by others; chmod 600 it"
                    : "\(option): the file cannot be read")
        }
        defer { wipe(&bytes) }
        guard let key = StorageCredentials(file: bytes) else {
            throw CommandFailure(
                "\(option): the file has the key's id on line 1, its secret on line 2, a session's token on line 3")
        }
        return key
    }

    /// Reads it anew whenever it is asked.
    static func source(
        _ file: String?, credential: String, _ option: String
    ) -> @Sendable () throws(EgressFailure) -> StorageCredentials {
        { () throws(EgressFailure) in
            do throws(CommandFailure) { return try strict(file, credential: credential, option) } catch {
                throw .withoutSecret
            }
        }
    }
}
