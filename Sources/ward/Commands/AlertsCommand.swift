import ArgumentParser

/// Alerts of odd access.
struct AlertsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alerts", abstract: "List alerts of odd access, look at them, answer them at the machine.",
        subcommands: [List.self, Show.self, Acknowledge.self, Dismiss.self, Incident.self, Suspend.self, Rules.self],
        defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List alerts: undecided ones first, the severest first.")
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() async throws {
            let request = OperatorRequest(command: .alertList, options: json ? ["json": ""] : [:])
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show why an alert was raised, the events it is about, and what became of it.")
        @Argument(help: "Id of the alert.") var id: String
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "JSON instead of text.") var json = false

        func run() async throws {
            var options = ["id": id]
            if json { options["json"] = "" }
            let request = OperatorRequest(command: .alertShow, options: options)
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Acknowledge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say that somebody looks at it.")
        @Argument(help: "Id of the alert.") var id: String
        @OptionGroup var store: StoreOptions

        func run() async throws { try await AlertsCommand.answer(store, id, "acknowledge") }
    }

    struct Dismiss: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Dismiss it, with a reason.",
            discussion: """
                Reason 'expected' makes the rule ask for more of that account from then on, by one bounded step: see \
                ward alerts rules. Decoys, ended accounts and trouble with the log never change.
                """)
        @Argument(help: "Id of the alert.") var id: String
        @Option(name: .long, help: "expected, training, mistake or other.") var reason: String
        @Option(name: .long, help: "What was found; without it, standard input is read.") var text: String?
        @Flag(name: .long, help: "Expected of everybody in the role.") var wholeRole = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var lines: [String] = []
            // Not on the command line, where other users of the machine could see who is spoken of.
            while text == nil, let line = readLine() { lines.append(line) }
            var options = ["reason": reason, "text": text ?? lines.joined(separator: "\n")]
            if wholeRole { options["role"] = "" }
            try await AlertsCommand.answer(store, id, "dismiss", options)
        }
    }

    struct Incident: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say that it is an incident.")
        @Argument(help: "Id of the alert.") var id: String
        @OptionGroup var store: StoreOptions

        func run() async throws { try await AlertsCommand.answer(store, id, "incident") }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End the person's sessions and what they allowed apps, at once.",
            discussion: "They can sign in again; to end the account: ward user disable.")
        @Argument(help: "Id of the alert.") var id: String
        @OptionGroup var store: StoreOptions
        @OptionGroup var confirm: ConfirmOptions

        func run() async throws { try await AlertsCommand.answer(store, id, "suspend", confirm: confirm) }
    }

    struct Rules: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the rules, what a step of learning changes, and what dismissals have taught.")
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() async throws {
            let request = OperatorRequest(command: .alertRules, options: json ? ["json": ""] : [:])
            try await Operator.perform(store) { _ in request }
        }
    }

    fileprivate static func answer(
        _ store: StoreOptions, _ id: String, _ act: String, _ more: [String: String] = [:],
        confirm: ConfirmOptions? = nil
    ) async throws {
        let request = OperatorRequest(
            command: .alertAnswer, options: more.merging(["id": id, "act": act]) { $1 })
        try await Operator.perform(store, confirm: confirm) { _ in request }
    }
}

/// What the detector of odd access is given to watch.
struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Records that nobody has a reason to open.", subcommands: [Decoy.self])

    struct Decoy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "decoy", abstract: "Plant them.", subcommands: [Plant.self])
    }

    struct Plant: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Store invented patients; whoever opens one raises an alert.",
            discussion: "Acts as a client of role integration. Nothing in the records tells them from others.")
        @Option(name: .long, help: "How many, 1 to 50.") var count = 1
        @Flag(name: .long, help: "Also print their ids, one JSON object a line.") var json = false
        @OptionGroup var principal: PrincipalOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store, isChecked: true) { storeID in
                var options = ["assertion": try await principal.assertion(storeID: storeID), "count": "\(count)"]
                if json { options["json"] = "" }
                return OperatorRequest(command: .decoyPlant, options: options)
            }
        }
    }
}
