import ArgumentParser

/// Destroys a patient's key.
struct KeysShredCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shred",
        abstract: "Destroy a patient's key: their records, in every version, are unreadable for ever.",
        discussion: """
            There is no way back. A legal hold on the patient wins over everything; the retention (ward audit retention) \
            wins unless --basis is agreement-ended (45 CFR 164.504(e)(2)(ii)(J)) or required-by-law. Confirmed by somebody \
            who may keep keys (--as), and logged. Records that concern several patients are not sealed under one \
            patient's key; they are named and stay. Backups from before hold the key until they are let go of: --status \
            says which, and until when. Exits with 0 when it is done, with 1 when nothing was destroyed.
            """)

    @Argument(help: "Patient/ID.") var patient: String?
    @Option(name: .long, help: "retention-over, agreement-ended or required-by-law.") var basis = "retention-over"
    @Option(name: .long, help: "Why: the matter it belongs to, in 1 to 500 characters. Sealed.") var reason: String?
    @Flag(name: .long, help: "Say what would go, and destroy nothing.") var dryRun = false
    @Flag(name: .long, help: "List what was destroyed, and what still holds each key.") var status = false
    @Flag(name: .long, help: "With --status: one JSON object a line.") var json = false
    @OptionGroup var place: BackupPlace
    @OptionGroup var store: StoreOptions
    @OptionGroup var confirm: ConfirmOptions

    func validate() throws {
        if status {
            guard patient == nil, reason == nil, !dryRun else { throw ValidationError("--status stands alone") }
        } else {
            guard patient != nil, reason != nil else { throw ValidationError("Patient/ID and --reason are needed") }
            guard !json, place.paths.isEmpty, place.options.isEmpty else {
                throw ValidationError("--json and the backup's place go with --status")
            }
        }
    }

    func run() async throws {
        var options = ["basis": basis]
        options["patient"] = patient
        options["reason"] = reason
        if dryRun { options["dry-run"] = "" }
        if json { options["json"] = "" }
        let request = OperatorRequest(
            command: status ? .keysShredStatus : .keysShred, options: options.merging(place.options) { $1 },
            paths: place.paths)
        try await Operator.perform(store, confirm: confirm, isChecked: !status) { _ in request }
    }
}
