import ArgumentParser

/// Emergencies that people declared.
struct EmergencyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "emergency", abstract: "List emergencies, and review them at the machine.",
        subcommands: [List.self, Review.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List emergencies: overdue reviews first, then what runs or waits, then the rest.",
            discussion: "What was done in one: ward audit search --emergency ID")
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() async throws {
            let request = OperatorRequest(command: .emergencyList, options: json ? ["json": ""] : [:])
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Review: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Record a review as the operator of the machine; the log says so.",
            discussion: "Whoever declared the emergency must not be the one who reviews it here.")
        @Argument(help: "Id of the emergency.") var id: String
        @Option(name: .long, help: "appropriate, not-appropriate or needs-follow-up.") var outcome: String
        @Option(name: .long, help: "What was looked at and what follows; without it, standard input is read.")
        var note: String?
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "JSON instead of text.") var json = false

        func run() async throws {
            // The code comes first where both are read from standard input.
            let confirmation = try confirm.options()
            var lines: [String] = []
            // Not on the command line, where other users of the machine could see who is spoken of.
            while note == nil, let line = readLine() { lines.append(line) }
            let request = OperatorRequest(
                command: .emergencyReview,
                options: ["id": id, "outcome": outcome, "note": note ?? lines.joined(separator: "\n")].merging(
                    confirmation
                ) { $1 })
            try await Operator.perform(store) { _ in request }
            Terminal.say(json ? #"{"id":"\#(id)","outcome":"\#(outcome)"}"# : "review of \(id) recorded")
        }
    }
}

/// Who has which access.
struct AccessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "access", abstract: "Look at who has which access.", subcommands: [Review.self])

    struct Review: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "For every active person: roles, last sign-in, rights used and not used within 90 days.",
            discussion: "Reads the audit log, which is itself logged. Decisions are made on the page Access review.")
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() async throws {
            let request = OperatorRequest(command: .accessReview, options: json ? ["json": ""] : [:])
            try await Operator.perform(store) { _ in request }
        }
    }
}
