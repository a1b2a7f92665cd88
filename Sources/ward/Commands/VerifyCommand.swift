import ArgumentParser

/// Log and store together.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Verify the log, then everything that is stored against it; exits with 2 on any fault.",
        discussion: """
            Every version of every record and its index card, patients' keys, accounts, credentials, sessions, \
            registrations, grants and marks. Exits with 2 as well if the log is refused as damaged before it is read. \
            Acts as a client of role administrator. The server does the same once a day.
            """)
    @Flag(name: .long, help: "Go on where a verification was interrupted in the last day.") var resume = false
    @Flag(name: .long, help: "Say when the store was verified last, and how far a verification is; needs no client.")
    var status = false
    @Option(name: .long, help: "Client that acts.") var client: String?
    @Option(name: .long, help: "The client's key file; by default NAME.key.json in the current folder.")
    var key: String?
    @OptionGroup var checkpoint: CheckpointOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        var given = try checkpoint.options()
        if status {
            let options = given
            return try await Operator.perform(store) { _ in OperatorRequest(command: .verifyStatus, options: options) }
        }
        guard let client else { throw ValidationError("Missing expected argument '--client <client>'") }
        if resume { given["resume"] = "" }
        let options = given
        try await Operator.verify(store) { storeID in
            let assertion = try await clientAssertion(client, key, storeID: storeID)
            return OperatorRequest(
                command: .verify, options: options.merging(["assertion": assertion]) { first, _ in first })
        }
    }
}
