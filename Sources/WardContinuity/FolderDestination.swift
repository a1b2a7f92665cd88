import Glibc
import WardCore

/// Backups in a folder: another disk, or a share of another machine.
public struct FolderDestination: BackupDestination {
    public let path: String

    /// - Parameter path: of the folder; it is made with the first object.
    public init(_ path: String) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    public func put(_ name: String, _ bytes: [UInt8]) async throws(BackupFailure) {
        let target = "\(path)/\(name)"
        do throws(FileFailure) {
            if PrivateFile.exists(target) {
                guard try PrivateFile.read(target, secret: false, limit: Self.largest) == bytes else {
                    throw FileFailure.exists
                }
                return
            }
            if let slash = target.lastIndex(of: "/") { try PrivateFile.makeFolder(String(target[..<slash])) }
            // Whole or not at all: a name appears when the bytes are on the disk.
            try PrivateFile.replace(target, bytes)
        } catch {
            throw Self.failure(error, name)
        }
    }

    public func get(_ name: String) async throws(BackupFailure) -> [UInt8] {
        do throws(FileFailure) {
            return try PrivateFile.read("\(path)/\(name)", secret: false, limit: Self.largest)
        } catch {
            throw Self.failure(error, name)
        }
    }

    public func size(of name: String) async throws(BackupFailure) -> Int? {
        var status = stat()
        guard unsafe stat("\(path)/\(name)", &status) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw .unreachable(Int(errno)) }
            return nil
        }
        return Int(status.st_size)
    }

    public func list(_ prefix: String) async throws(BackupFailure) -> [String] {
        var names: [String] = []
        try collect(String(prefix.dropLast()), into: &names)
        return names.sorted()
    }

    public func remove(_ name: String) async throws(BackupFailure) {
        guard unsafe unlink("\(path)/\(name)") == 0 || errno == ENOENT else { throw .unreachable(Int(errno)) }
        // The last object takes its folder along.
        if let slash = name.lastIndex(of: "/") { unsafe rmdir("\(path)/\(name[..<slash])") }
    }

    private func collect(_ folder: String, into names: inout [String]) throws(BackupFailure) {
        guard let handle = unsafe opendir("\(path)/\(folder)") else {
            guard errno == ENOENT else { throw .unreachable(Int(errno)) }
            return
        }
        defer { unsafe closedir(handle) }
        while let entry = unsafe readdir(handle) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." || name.hasSuffix(".new") { continue }
            var status = stat()
            guard unsafe stat("\(path)/\(folder)/\(name)", &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                try collect("\(folder)/\(name)", into: &names)
            } else {
                names.append("\(folder)/\(name)")
            }
        }
    }

    /// No object is larger: a chunk holds one record at least, and no record is larger than a request.
    private static let largest = 2 << 30

    private static func failure(_ failure: FileFailure, _ name: String) -> BackupFailure {
        switch failure {
        case .exists: .occupied(name)
        case .missing: .missing(name)
        case .system(let code): .unreachable(code)
        case .tooLarge: .altered(name)
        case .readableByOthers: .unreachable(Int(EACCES))
        }
    }
}
