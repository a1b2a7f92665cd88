import ArgumentParser
import Glibc
import WardAudit
import WardCore

/// Watches the log of somebody else's Ward, on another machine, and vouches that it only grows.
struct WitnessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witness", abstract: "Watch another log and vouch that it only grows.",
        discussion: """
            Belongs on a machine that whoever runs the log cannot change. It sees hashes, never records or events.
            """,
        subcommands: [Init.self, Run.self])

    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a witness's key and print its public half.")
        @Argument(help: "Folder of the witness.") var folder: String
        @Option(name: .long, help: "Its name in notes: no spaces; best the address of who runs it.") var name: String

        func run() throws {
            let key = try WitnessFolder(path: folder).create(name: name)
            Terminal.say(key.text)
            Terminal.note("at the log: ward audit witnesses add \(name) '\(key.text)'")
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Look at a log again and again; cosign what is consistent with everything seen before.",
            discussion: """
                Exits with 2, and keeps both checkpoints as evidence, if the log was rolled back, forked or shows two \
                histories. Exits with 1 if a single look (--once) could not be taken.
                """)
        @Argument(help: "Folder of the witness.") var folder: String
        @Option(name: .long, help: "Address of the log: https://HOST:PORT/log.") var log: String
        @Option(name: .long, help: "The log's key, as ward audit status prints it there.") var key: String
        @Option(name: .long, help: "PEM file of the authority to trust.") var ca: String?
        @Option(name: .long, help: "Seconds between two looks.") var interval = 60
        @Flag(name: .long, help: "Look once and end.") var once = false

        func run() async throws {
            guard let verifier = VerifierKey(key), verifier.algorithm == .ed25519 else {
                throw CommandFailure("--key is not the key of a log")
            }
            guard (1...86_400).contains(interval) else { throw CommandFailure("--interval is 1 to 86400") }
            let place = WitnessFolder(path: folder)
            let cosigner = try place.cosigner()
            let lock = try FolderLock(DataFolder(folder))
            defer { withExtendedLifetime(lock) {} }
            let run = WitnessRun(
                folder: place, cosigner: cosigner, client: try LogClient(url: log, authority: ca), log: verifier)
            while true {
                do {
                    let (size, answer) = try await run.look()
                    Terminal.say("\(Instant.now().text)  cosigned \(size) events: \(answer)")
                } catch let contradiction as WitnessRun.Contradiction {
                    Terminal.warn("THE LOG CANNOT BE TRUSTED: \(contradiction.what)")
                    Terminal.warn("both checkpoints are kept in \(contradiction.evidence)")
                    Glibc.exit(2)
                } catch let failure as CommandFailure where !once {
                    Terminal.warn(failure.text)
                }
                if once { break }
                try await Task.sleep(for: .seconds(interval))
            }
            await run.client.close()
        }
    }
}
