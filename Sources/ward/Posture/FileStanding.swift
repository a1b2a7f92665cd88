import Glibc

/// Whose a file is, who may open it, and on which device it lies.
struct FileStanding: Sendable {
    let path: String
    let mode: UInt32
    let owner: UInt32
    let device: UInt64
    let size: Int64
    let isFile: Bool
    let isFolder: Bool

    /// Nil if it is not there; of a link, what it leads to.
    init?(_ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.path = path
        mode = status.st_mode & 0o7777
        owner = status.st_uid
        device = UInt64(status.st_dev)
        size = Int64(status.st_size)
        isFile = status.st_mode & S_IFMT == S_IFREG
        isFolder = status.st_mode & S_IFMT == S_IFDIR
    }

    /// Nothing for group and others, and the owner is who runs this.
    var isPrivate: Bool { mode & 0o077 == 0 && owner == geteuid() }

    var modeText: String { String(mode, radix: 8) }

    /// What lies in a folder, and in the folders in it.
    static func all(in folder: String) -> [FileStanding] {
        guard let stream = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(stream) }
        var found: [FileStanding] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard name != ".", name != "..", let standing = FileStanding("\(folder)/\(name)") else { continue }
            found.append(standing)
            if standing.isFolder { found += all(in: standing.path) }
        }
        return found
    }
}
