import Glibc
import Testing
import WardFHIR

/// Unpacked official examples, definitions and test cases: the folder that WARD_FHIR_DATA names.
enum OfficialData {
    /// Nil, with a line in the output, where the data is not at hand.
    static let folder: String? = {
        if let name = unsafe getenv("WARD_FHIR_DATA") { return unsafe String(cString: name) }
        print("WARD_FHIR_DATA is not set: tests over official data are skipped")
        return nil
    }()

    static var isThere: Bool { folder != nil }

    /// Measurements say little in debug builds, so they are asked for.
    static let measures = unsafe getenv("WARD_MEASURE") != nil && isThere

    static func bytes(_ path: String) -> [UInt8]? {
        guard let folder, let file = unsafe fopen(folder + "/" + path, "r") else { return nil }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe fread(&buffer, 1, buffer.count, file)
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// Names of the JSON files in a folder, sorted.
    static func names(_ path: String) -> [String] {
        guard let folder, let directory = unsafe opendir(folder + "/" + path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".json") { names.append(name) }
        }
        return names.sorted()
    }

    static func tape(_ path: String) throws -> JSONTape {
        try JSONTape(parsing: try #require(bytes(path), "no file \(path)"))
    }
}

/// A tape of text written in a test.
func tape(_ text: String) throws -> JSONTape { try JSONTape(parsing: Array(text.utf8)) }
