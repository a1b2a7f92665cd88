import ArgumentParser

/// The weekly review of system activity.
struct ReviewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "review", abstract: "Weeks of system activity: what happened, who signed, what is overdue.",
        discussion: "45 CFR 164.308(a)(1)(ii)(D). A week is Monday to Sunday in UTC, named by its Monday.",
        subcommands: [List.self, Show.self, Sign.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List weeks, newest first.")
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() async throws {
            let request = OperatorRequest(command: .activityList, options: json ? ["json": ""] : [:])
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what happened in a week, and the hash that is signed; the look is logged.")
        @Argument(help: "The week's Monday, YYYY-MM-DD.") var week: String
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "JSON instead of text.") var json = false

        func run() async throws {
            var options = ["week": week]
            if json { options["json"] = "" }
            let request = OperatorRequest(command: .activityShow, options: options)
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Sign: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign for a week as it was shown.",
            discussion: """
                Confirmed by somebody who may review access (--as). Whoever something of the week is of or about does \
                not sign alone, unless nobody else could.
                """)
        @Argument(help: "The week's Monday, YYYY-MM-DD.") var week: String
        @Option(name: .long, help: "The hash that 'ward review show' printed.") var hash: String
        @Option(name: .long, help: "What was found.") var note: String?
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = ["week": week, "hash": hash]
            if let note { options["note"] = note }
            let request = OperatorRequest(command: .activitySign, options: options)
            try await Operator.perform(store, confirm: confirm) { _ in request }
        }
    }
}
