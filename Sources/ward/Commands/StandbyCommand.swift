import ArgumentParser
import WardContinuity
import WardCore

/// A second machine that follows, and takes over.
struct StandbyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "standby",
        abstract: "Pair a second machine that follows this store, and promote it; docs/standby.md.",
        subcommands: [
            Prepare.self, Pair.self, Status.self, StandbyPromoteCommand.self, StandbyReconcileCommand.self, End.self,
        ])

    struct Prepare: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "On the second machine: make its keys, and print the request for the primary.",
            discussion:
                "The request holds public keys alone. Bring it to the primary in a way that nobody can exchange it.")
        @OptionGroup var keys: StandbyKeyOptions

        func run() throws {
            let key = try StandbyKeyFile.make()
            let path = try keys.path()
            try key.write(path)
            Terminal.note("keys of the standby: \(path); whoever has them and the copy can read everything")
            Terminal.say(try StandbyRequest(key).text)
        }
    }

    struct Pair: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "On the primary: let the second machine follow, and print the pairing for it.",
            discussion: """
                The key of the store goes along, sealed to the second machine. From the next start on the server writes \
                only under a lease that the standby renews: start it with --standby-listen.
                """)
        @Argument(help: "File with the request of ward standby prepare.") var request: String
        @Option(name: .long, help: "Seconds after which the primary stops writing without its standby.") var lease = 15
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func validate() throws {
            guard (2...300).contains(lease) else { throw ValidationError("--lease is 2 to 300") }
        }

        func run() async throws {
            let text: String
            do throws(FileFailure) {
                text = String(decoding: try PrivateFile.read(request, secret: false, limit: 16_384), as: UTF8.self)
            } catch {
                throw CommandFailure("\(request) cannot be read")
            }
            _ = try StandbyRequest(Array(text.utf8))
            try await Operator.perform(store, confirm: confirm) { _ in
                OperatorRequest(command: .standbyPair, options: ["request": text, "lease": "\(lease)"])
            }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How primary and standby stand. Exits with 2 if the standby is not up to date.")
        @Flag(name: .long, help: "As JSON.") var json = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            if PrivateFile.exists(store.folder.standbyPairing) {
                return try FollowStatus.show(store.folder, json: json)
            }
            try await Operator.perform(store) { _ in
                OperatorRequest(command: .standbyStatus, options: json ? ["json": ""] : [:])
            }
        }
    }

    struct End: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "On the primary: end the pairing, so that the store is written without a standby again.",
            discussion: """
                Nothing here can know that the copy is gone. If it were promoted afterwards, there would be two stores that \
                both go on: destroy the copy or its key file first.
                """)
        @Flag(name: .long, help: "The standby's copy or its key file is destroyed, and was never promoted.")
        var copyIsDestroyed = false
        @Option(name: .long, help: "Why; it goes into the log.") var reason: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func validate() throws {
            guard copyIsDestroyed else {
                throw ValidationError(
                    "destroy the standby's copy or its key file first, and say so: --copy-is-destroyed")
            }
        }

        func run() async throws {
            try await Operator.perform(store, confirm: confirm, isChecked: true, standby: .ending) { _ in
                OperatorRequest(command: .standbyEnd, options: ["reason": reason])
            }
        }
    }
}

/// Where the standby's own keys lie.
struct StandbyKeyOptions: ParsableArguments {
    @Option(name: .long, help: "Folder of the copy.") var data = "./ward-data"
    @Option(
        name: .long,
        help: "The standby's keys; by default the data folder's name with .standby-key, beside it. Best on other media."
    )
    var standbyKey: String?

    var folder: DataFolder { DataFolder(data) }

    func path() throws(CommandFailure) -> String {
        let path = standbyKey ?? "\(folder.path).standby-key"
        guard !folder.holds(path) else {
            throw CommandFailure("the standby's keys must lie outside the data folder")
        }
        return path
    }
}
