import Glibc
import WardCore

/// A folder of one test's own for files, gone with them when nobody holds it any more.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init() throws {
        path = "/tmp/ward-tests-\(getpid())-\(UInt64.random(in: .min ... .max))"
        try PrivateFile.makeFolder(path)
    }

    deinit {
        if let folder = unsafe opendir(path) {
            while let entry = unsafe readdir(folder) {
                let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                unsafe unlink("\(path)/\(name)")
            }
            unsafe closedir(folder)
        }
        unsafe rmdir(path)
    }
}
