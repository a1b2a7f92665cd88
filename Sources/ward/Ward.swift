import ArgumentParser
import CWardSystem
import Glibc
import WardClinic
import WardContinuity

/// The `ward` program.
@main
struct Ward: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ward",
        abstract: "A health record server whose safeguards cannot be forgotten.",
        discussion: "Start with: ward demo",
        version: Clinic.softwareVersion,
        subcommands: [
            DemoCommand.self, InitCommand.self, ServeCommand.self, ImportCommand.self, ExportCommand.self,
            ClientCommand.self, UserCommand.self, AuditCommand.self, KeysCommand.self, VerifyCommand.self,
            PolicyCommand.self, EmergencyCommand.self, AccessCommand.self, AlertsCommand.self, WatchCommand.self,
            WitnessCommand.self, ReviewCommand.self, VendorCommand.self, NoticeCommand.self, BackupCommand.self,
            ConfigCommand.self, SBOMCommand.self,
            StandbyCommand.self, FollowCommand.self,
            PostureCommand.self, UpgradeCommand.self,
        ])

    static func main() async {
        // Whatever is written is the owner's alone.
        _ = umask(0o077)
        // Before anything is read: no core dump, no look into the process by others.
        if ward_forbid_dumps() != 0 { Terminal.warn("core dumps could not be switched off") }
        do {
            var command = try parseAsRoot(ServerConfiguration.completed(Array(CommandLine.arguments.dropFirst())))
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Terminal.warn(failure.text)
            Glibc.exit(failure.isDamage ? 2 : 1)
        } catch let failure as BackupFailure {
            Terminal.warn(failure.text)
            Glibc.exit(2)
        } catch {
            exit(withError: error)
        }
    }
}

/// A failure told in one line.
struct CommandFailure: Error {
    let text: String
    /// The log is not what was written: what a verification looks for, so that it ends as one that found faults.
    let isDamage: Bool

    init(_ text: String, isDamage: Bool = false) {
        self.text = text
        self.isDamage = isDamage
    }
}
