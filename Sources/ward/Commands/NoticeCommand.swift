import ArgumentParser

/// Notices by mail.
struct NoticeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notice", abstract: "Where notices go: mail without names or records, from fixed templates.",
        subcommands: [List.self, Set.self, Clear.self, Test.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say where notices go, and which wait.")
        @Flag(name: .long, help: "JSON instead of text.") var json = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let request = OperatorRequest(command: .noticeList, options: json ? ["json": ""] : [:])
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set where notices of new alerts go, from now on.",
            discussion: "Connects to a destination of kind mail: see ward vendor destination add.")
        @Option(name: .long, help: "Destination of kind mail.") var destination: String
        @Option(name: .long, help: "Address that notices come from.") var from: String
        @Option(name: .long, help: "Address that they go to.") var to: String
        @Option(name: .long, help: "Name of the mail account.") var user: String?
        @Option(
            name: .long,
            help: "File (mode 600) with its password; without it, the systemd credential ward-mail-password.")
        var passwordFile: String?
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = ["destination": destination, "from": from, "to": to]
            options["user"] = user
            options["password-file"] = passwordFile.map(absolutePath)
            let sent = options
            try await Operator.perform(store, confirm: confirm) { _ in
                OperatorRequest(command: .noticeSet, options: sent)
            }
            Terminal.say("notices go to \(to)")
        }
    }

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Send no notices.")
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store, confirm: confirm) { _ in OperatorRequest(command: .noticeClear) }
            Terminal.say("notices go nowhere")
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Send a test notice, and say how it went.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { _ in OperatorRequest(command: .noticeTest) }
        }
    }
}
