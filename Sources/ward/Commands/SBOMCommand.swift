import ArgumentParser

/// What the program is made of.
struct SBOMCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sbom", abstract: "Print the bill of materials that a release carries (CycloneDX 1.6, JSON).",
        discussion: "Ends with 1 for a program that was not made by scripts/release: it carries none.")

    func run() throws {
        guard let bytes = ProgramSection.bytes(named: ".ward.sbom") else {
            throw CommandFailure("this program carries no bill of materials; those that make release makes do")
        }
        Terminal.say(String(decoding: bytes.last == 0x0A ? bytes.dropLast() : bytes[...], as: UTF8.self))
    }
}
