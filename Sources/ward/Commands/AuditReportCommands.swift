import ArgumentParser

extension AuditCommand {
    /// Who opened one record.
    struct Report: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Who opened a patient's record, in plain words, newest first; itself logged.",
            discussion: "Acts as a client that may read the log: auditor, privacy-officer, administrator.")
        @Option(name: .long, help: "Logical id of the patient.") var patient: String
        @Option(name: .long, help: "First UTC day, YYYY-MM-DD.") var from: String?
        @Option(name: .long, help: "Last UTC day, YYYY-MM-DD.") var to: String?
        @OptionGroup var principal: PrincipalOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { storeID in
                var options = ["assertion": try await principal.assertion(storeID: storeID), "patient": patient]
                if let from { options["from"] = from }
                if let to { options["to"] = to }
                return OperatorRequest(command: .auditReport, options: options)
            }
        }
    }

    /// Accounting of disclosures.
    struct Accounting: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A patient's accounting of disclosures, six years back (45 CFR 164.528); itself logged.",
            discussion: """
                Acts as a client of role privacy-officer. What went out on paper, by fax or by telephone is written down \
                with --record; --suspend-until holds disclosures to an agency back from the patient at its request.
                """)
        @Option(name: .long, help: "Logical id of the patient.") var patient: String
        @Option(name: .long, help: "First UTC day, YYYY-MM-DD.") var from: String?
        @Option(name: .long, help: "Last UTC day, YYYY-MM-DD.") var to: String?
        @Flag(name: .long, help: "Also those for treatment, payment and operations.") var tpo = false
        @Option(name: .long, help: "Write down a disclosure of that day; with --recipient, --what, --why.")
        var record: String?
        @Option(name: .long, help: "Hold disclosures to --recipient back until that day; with --what as the reason.")
        var suspendUntil: String?
        @Option(name: .long, help: "Who received it, with address if known; or which agency asked.")
        var recipient: String?
        @Option(name: .long, help: "What was disclosed, in a few words; or why it is held back.") var what: String?
        @Option(name: .long, help: "Purpose of the disclosure, in a few words.") var why: String?
        @Flag(name: .long, help: "One JSON object a line.") var json = false
        @OptionGroup var principal: PrincipalOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { storeID in
                var options = ["assertion": try await principal.assertion(storeID: storeID), "patient": patient]
                for (name, value) in [
                    ("from", from), ("to", to), ("record", record), ("suspend-until", suspendUntil),
                    ("recipient", recipient), ("what", what), ("why", why),
                ] {
                    if let value { options[name] = value }
                }
                if tpo { options["tpo"] = "" }
                if json { options["json"] = "" }
                return OperatorRequest(command: .auditAccounting, options: options)
            }
        }
    }
}
