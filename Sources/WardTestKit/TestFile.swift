import Glibc

/// Files that belong to the tests, found from where a test stands.
package enum TestFile {
    /// The bytes of a file beside the folder of `source`, such as `EndToEnd/minimal_resources.json`.
    package static func bytes(_ name: String, from source: String = #filePath) throws -> [UInt8] {
        let folder = source.split(separator: "/").dropLast(2).joined(separator: "/")
        guard let file = unsafe fopen("/\(folder)/\(name)", "r") else { throw Unexpected(what: name) }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe fread(&buffer, 1, buffer.count, file)
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }
}
