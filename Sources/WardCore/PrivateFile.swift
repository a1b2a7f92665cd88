import Glibc

/// Files that hold secrets or must survive a crash: owner-only, written whole or not at all.
public enum PrivateFile {
    /// Writes a new file of mode 0600 and syncs it and its folder.
    ///
    /// - Throws: ``FileFailure/exists`` if there is one already; it is never overwritten.
    public static func create(_ path: String, _ bytes: [UInt8]) throws(FileFailure) {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw errno == EEXIST ? .exists : .system(Int(errno)) }
        defer { close(descriptor) }
        guard write(bytes, to: descriptor), fsync(descriptor) == 0 else {
            let failure = FileFailure.system(Int(errno))
            unsafe unlink(path)
            throw failure
        }
        try syncFolder(of: path)
    }

    /// Writes beside the target, syncs, renames over it, and syncs the folder.
    public static func replace(_ path: String, _ bytes: [UInt8]) throws(FileFailure) {
        let temporary = "\(path).new"
        unsafe unlink(temporary)
        try create(temporary, bytes)
        guard unsafe rename(temporary, path) == 0 else {
            let failure = FileFailure.system(Int(errno))
            unsafe unlink(temporary)
            throw failure
        }
        try syncFolder(of: path)
    }

    /// A name is durable when its folder is (fsync(2)).
    private static func syncFolder(of path: String) throws(FileFailure) {
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? "."
        let descriptor = unsafe open(String(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(Int(errno)) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system(Int(errno)) }
    }

    /// Reads a file of at most `limit` bytes.
    ///
    /// - Parameter secret: refuse a file that others may read or write.
    public static func read(_ path: String, secret: Bool, limit: Int = 1 << 20) throws(FileFailure) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw errno == ENOENT ? .missing : .system(Int(errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .system(Int(errno)) }
        if secret, status.st_mode & 0o077 != 0 { throw .readableByOthers }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system(Int(errno)) }
            if count == 0 { return bytes }
            bytes += chunk.prefix(count)
            guard bytes.count <= limit else { throw .tooLarge }
        }
    }

    /// Whether something is there.
    public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Makes a folder of mode 0700, and its parents, unless it is there.
    public static func makeFolder(_ path: String) throws(FileFailure) {
        var built = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            built += (built.isEmpty || built.hasSuffix("/") ? "" : "/") + part
            guard unsafe mkdir(built, 0o700) == 0 || errno == EEXIST else { throw .system(Int(errno)) }
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(descriptor, buffer.baseAddress.map { unsafe $0 + offset }, buffer.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            offset += count
        }
        return true
    }
}

/// Why a file could not be read or written.
public enum FileFailure: Error, Hashable, Sendable {
    case exists
    case missing
    /// Its mode lets others in; `chmod 600`.
    case readableByOthers
    /// The system's error number.
    case system(Int)
    case tooLarge
}
