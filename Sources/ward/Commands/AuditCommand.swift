import ArgumentParser
import Foundation
import WardCore

func absolutePath(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
}

/// A checkpoint that was kept elsewhere, for comparison.
struct CheckpointOptions: ParsableArguments {
    @Option(name: .long, help: "A checkpoint file kept elsewhere; the log must have only grown since.")
    var checkpoint: String?

    @Flag(name: .long, help: "JSON instead of text.") var json = false

    func options() throws -> [String: String] {
        var options: [String: String] = json ? ["json": ""] : [:]
        if let checkpoint {
            do throws(FileFailure) {
                options["checkpoint"] = String(
                    decoding: try PrivateFile.read(checkpoint, secret: false, limit: 65_536), as: UTF8.self)
            } catch {
                throw CommandFailure("\(checkpoint) cannot be read")
            }
        }
        return options
    }
}

/// The audit log.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Verify, search and hand out the audit log.",
        subcommands: [
            Checkpoint.self, Search.self, Verify.self, ProveCommand.self, CheckProofCommand.self, MirrorCommand.self,
            StatusCommand.self, WitnessesCommand.self, AuditPrune.self, AuditRetention.self, AuditHold.self,
            AuditDiscover.self, AuditClock.self, Accounting.self, Report.self,
        ])

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Derive the whole log anew; exits with 2 if anything is not what was written.",
            discussion: """
                Exits with 2 as well if the log is refused as damaged before it is read, with 1 if it could not be looked \
                at. Without --checkpoint a log that was rolled back as a whole does not show.
                """)
        @OptionGroup var checkpoint: CheckpointOptions
        @Flag(
            name: .long, help: "The tree alone, in seconds: edited, lost or moved entries show; events are not opened.")
        var treeOnly = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let options = try checkpoint.options().merging(treeOnly ? ["tree": ""] : [:]) { first, _ in first }
            try await Operator.verify(store) { _ in OperatorRequest(command: .auditVerify, options: options) }
        }
    }

    struct Checkpoint: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a signed checkpoint (C2SP tlog-checkpoint); keep it on another machine.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { _ in OperatorRequest(command: .auditCheckpoint) }
        }
    }

    struct Search: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find events, newest first. Acts as a client of role administrator, and is itself logged.")
        @Option(name: .long, help: "Logical id of a patient.") var patient: String?
        @Option(name: .long, help: "Name of a client who acted, or person/ID.") var actor: String?
        @Option(name: .long, help: "Login name of a person it was done to.") var about: String?
        @Option(name: .long, help: "Kind of event: read, search, create...") var kind: String?
        @Option(name: .long, help: "Type/id of a record.") var record: String?
        @Option(name: .long, help: "Id of an emergency: its own events and what was done in it.") var emergency: String?
        @Option(name: .long, help: "UTC day, YYYY-MM-DD.") var day: String?
        @Option(name: .long, help: "success, denied or failed.") var outcome: String?
        @Option(name: .long, help: "Number of a session.") var session: String?
        @Option(name: .long, help: "Address that it came from.") var address: String?
        @Option(name: .long, help: "Label of an app, as events name it.") var app: String?
        @Option(name: .long, help: "Id of a device, as events name it.") var device: String?
        @Option(name: .long, help: "Only events below this index: where the page before ended.") var before: Int64?
        @Option(name: .long, help: "At most so many events.") var limit = 50
        @Flag(name: .long, help: "One JSON object a line.") var json = false
        @OptionGroup var principal: PrincipalOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { storeID in
                var options = ["assertion": try await principal.assertion(storeID: storeID), "limit": "\(limit)"]
                for (name, value) in [
                    ("patient", patient), ("actor", actor), ("about", about), ("kind", kind), ("record", record),
                    ("day", day), ("emergency", emergency), ("outcome", outcome), ("session", session),
                    ("address", address), ("app", app), ("device", device), ("before", before.map { "\($0)" }),
                ] {
                    if let value { options[name] = value }
                }
                if json { options["json"] = "" }
                return OperatorRequest(command: .auditSearch, options: options)
            }
        }
    }
}
