import Testing
import WardFHIR

@Suite(FHIRData.isPresent) struct `The official examples` {
    @Test func `are valid except those known to be wrong`() throws {
        var rejected: [String: [String]] = [:]
        let files = try FHIRData.files("hl7-r4-examples")
        for file in files {
            let tape = try JSONTape(parsing: file.bytes)
            let issues = ResourceValidator.validate(tape)
            if !issues.isEmpty { rejected[file.name] = issues.map { "\($0.rule) \($0.expression)" } }
        }
        for (name, found) in rejected.sorted(by: { $0.key < $1.key }) {
            Issue.record("\(name): \(found.joined(separator: ", "))")
        }
    }
}
