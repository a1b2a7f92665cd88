import ArgumentParser

/// Every technical safeguard, looked at now.
struct PostureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "posture",
        abstract: "Look at every technical safeguard now, on the running server, and say which hold.",
        discussion: """
            Each row says what was tried, what was found, and what that does not show. Exits with 0 if every row \
            holds, with 2 if one does not or could not be looked at. Without a running server most rows cannot be. \
            A server looks each hour by itself and raises an alert when a row turns red (docs/posture.md).
            """)
    @Flag(name: .long, help: "JSON instead of text.") var json = false
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let keyFile = absolutePath(try store.keyFilePath())
        try await Operator.perform(store) { _ in
            OperatorRequest(command: .posture, options: json ? ["json": "", "keyFile": keyFile] : ["keyFile": keyFile])
        }
    }
}
