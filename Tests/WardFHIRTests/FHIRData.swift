// Foundation only for listing and reading the files of the official data, which are not part of the repository.
import Foundation
import Testing

/// Unpacked official examples and synthetic patients: the folder named by WARD_FHIR_DATA.
enum FHIRData {
    static let folder = ProcessInfo.processInfo.environment["WARD_FHIR_DATA"]

    /// Condition of the suites that need it; says why they are skipped.
    static let isPresent: ConditionTrait = .enabled(
        if: folder != nil, "skipped: WARD_FHIR_DATA does not name a folder with the unpacked FHIR data")

    /// Names and contents of the JSON files in one of its folders, sorted; empty if that folder is absent.
    static func files(_ name: String) throws -> [(name: String, bytes: [UInt8])] {
        guard let folder else { return [] }
        let path = folder + "/" + name
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".json") }.sorted().map {
            (name: $0, bytes: Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + $0))))
        }
    }
}
