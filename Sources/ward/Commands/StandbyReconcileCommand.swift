import ArgumentParser
import WardContinuity
import WardCore

/// Takes what was looked at in a read-only emergency into the log.
struct StandbyReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile", abstract: "Take the spool of a read-only emergency into the log, each event once.",
        discussion: """
            Where the store is written: on the primary, or on the copy that was promoted. The spool is opened by the process \
            that has the store, and checked to its end before anything is taken. Can be repeated. Exits with 2 if the spool \
            does not end in order, so that its last events may be missing, and with 1 if it is refused.
            """)
    @Argument(help: "The spool.") var spool: String
    @Flag(name: .long, help: "As JSON.") var json = false
    @OptionGroup var confirm: ConfirmOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        guard PrivateFile.exists(spool) else { throw CommandFailure("there is no file \(spool)") }
        let path = DataFolder.canonical(spool)
        try await Operator.perform(store, confirm: confirm, isChecked: true) { _ in
            OperatorRequest(
                command: .standbyReconcile, options: json ? ["spool": path, "json": ""] : ["spool": path])
        }
    }
}
