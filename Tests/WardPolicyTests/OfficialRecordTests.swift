// Foundation only for reading the official data, which is not part of the repository.
import Foundation
import Testing
import WardCore
import WardFHIR
import WardPolicy

@Suite struct `Official records under a profile` {
    private static let folder = ProcessInfo.processInfo.environment["WARD_FHIR_DATA"]

    /// What stays is valid, marked, and holds nothing but what the profile lists; filtering again changes nothing.
    @Test(
        .enabled(if: folder != nil, "skipped: WARD_FHIR_DATA does not name a folder with the unpacked FHIR data"),
        arguments: ["hl7-r4-examples", "synthea-blaze-2021"])
    func `stay valid and show nothing else`(name: String) throws {
        let path = try #require(Self.folder) + "/" + name
        let fields = Fields()
        let names = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".json") }.sorted()
        var count = 0
        for file in names.prefix(name.hasPrefix("synthea") ? 3 : .max) {
            let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)")))
            // Large ones are definitions and collections of more of the same.
            guard bytes.count < 4_000_000, let tape = try? JSONTape(parsing: bytes) else { continue }
            var nodes = [JSONTape.rootIndex]
            nodes += (tape.root["entry"]?.elements ?? []).compactMap { $0["resource"]?.index }
            for node in nodes {
                guard let type = tape.member(node, "resourceType").flatMap({ ResourceType(tape.text($0)) }) else {
                    continue
                }
                for role in [Role.frontDesk, .biller, .patient] {
                    let profiles = try fields.profiles(role, type.name)
                    guard let selection = fields.policy.selection(of: type, under: profiles),
                        let filter = fields.policy.filter(for: profiles)
                    else { continue }
                    guard ResourceValidator.validate(tape, at: node, isTransactionEntry: true).isEmpty,
                        !ResourceValidator.hasModifierExtension(tape, at: node)
                    else { continue }
                    let result = try filter.filtered(tape, at: node)
                    let copy = try JSONTape(parsing: result)
                    let issues = ResourceValidator.validate(copy, isTransactionEntry: true)
                    #expect(issues.isEmpty, "\(file) \(type.name): \(issues.map { "\($0.expression) \($0.rule)" })")
                    expectOnly(selection, copy, file)
                    #expect(try filter.filtered(copy) == result, "\(file)")
                    count += 1
                }
            }
        }
        #expect(count > 100, "\(count)")
    }

    private func expectOnly(_ selection: FieldSelection, _ tape: JSONTape, _ file: String) {
        let roots = Set(selection.paths.map { $0.split(separator: ".")[0].replacing("[x]", with: "") })
        let always: Set<String> = ["resourceType", "id", "meta", "implicitRules", "language", "contained"]
        for (key, _) in tape.root.members where !always.contains(key) {
            let plain = key.hasPrefix("_") ? String(key.dropFirst()) : key
            #expect(roots.contains { plain == $0 || plain.hasPrefix($0) }, "\(file) \(key)")
        }
        #expect(String(decoding: tape.bytes, as: UTF8.self).contains(#""code":"SUBSETTED"}"#))
    }
}
