import ArgumentParser

/// Who acts on the log itself: a client of role administrator, or a person with a code.
struct ActorOptions: ParsableArguments {
    @Option(name: .long, help: "Client of role administrator that acts; or use --as.") var client: String?
    @Option(name: .long, help: "The client's key file; by default NAME.key.json in the current folder.")
    var key: String?
    @OptionGroup var confirm: ConfirmOptions

    func validate() throws {
        if client != nil, confirm.person != nil { throw ValidationError("--client and --as exclude each other") }
    }

    func check(isNeeded: Bool) throws {
        if isNeeded, client == nil, confirm.person == nil { throw ValidationError("--client or --as is needed") }
    }

    func options(storeID: String) async throws -> [String: String] {
        if confirm.person != nil { return [:] }
        guard let client else { throw CommandFailure("--client NAME, or --as LOGIN with a code, is needed") }
        return ["assertion": try await clientAssertion(client, key, storeID: storeID)]
    }
}

/// Lets go of old events' contents.
struct AuditPrune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Let go of the contents of events past their retention.",
        discussion: """
            Leaves, tree and checkpoints stay, so that every proof stays valid. Events that wrote records or accounts \
            stay, and those of patients under a legal hold. Acts as a client of role administrator (--client), or is \
            confirmed by a person (--as); it is logged with what went.
            """)
    @Option(name: .long, help: "UTC day, YYYY-MM-DD; no later than the retention allows.") var before: String
    @Flag(name: .long, help: "Say what would go, and let go of nothing.") var dryRun = false
    @OptionGroup var actor: ActorOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await Operator.perform(store, confirm: actor.confirm, isChecked: true) { storeID in
            var options = try await actor.options(storeID: storeID)
            options["before"] = before
            if dryRun { options["dry-run"] = "" }
            return OperatorRequest(command: .auditPrune, options: options)
        }
    }
}

/// How long events are kept.
struct AuditRetention: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retention", abstract: "Show how long events are kept, or set it.",
        discussion: """
            10 years unless set; at least 6 (45 CFR 164.316(b)(2)(i)). Once set, it can only be raised. Setting it acts \
            as a client of role administrator (--client), or is confirmed by a person (--as).
            """)
    @Option(name: .long, help: "Years to keep events.") var years: Int?
    @OptionGroup var actor: ActorOptions
    @OptionGroup var store: StoreOptions

    func validate() throws {
        try actor.check(isNeeded: years != nil)
    }

    func run() async throws {
        try await Operator.perform(store, confirm: actor.confirm) { storeID in
            var options: [String: String] = [:]
            if let years {
                options = try await actor.options(storeID: storeID)
                options["years"] = "\(years)"
            }
            return OperatorRequest(command: .auditRetention, options: options)
        }
    }
}

/// Legal holds.
struct AuditHold: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Legal holds: a patient's events that stay, whatever their age.",
        subcommands: [Place.self, End.self, List.self])

    struct Place: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Place a hold; it is logged.")
        @Option(name: .long, help: "Logical id of the patient.") var patient: String
        @Option(name: .long, help: "Why: the matter it belongs to. Sealed.") var reason: String
        @OptionGroup var actor: ActorOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store, confirm: actor.confirm) { storeID in
                let asked = ["patient": patient, "reason": reason]
                return OperatorRequest(
                    command: .auditHoldPlace, options: try await actor.options(storeID: storeID).merging(asked) { $1 })
            }
        }
    }

    struct End: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a hold; it is logged.")
        @Option(name: .long, help: "Logical id of the patient.") var patient: String
        @OptionGroup var actor: ActorOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store, confirm: actor.confirm) { storeID in
                let asked = ["patient": patient]
                return OperatorRequest(
                    command: .auditHoldEnd, options: try await actor.options(storeID: storeID).merging(asked) { $1 })
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Holds in force; the look is logged.")
        @Flag(name: .long, help: "One JSON object a line.") var json = false
        @OptionGroup var actor: ActorOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store, confirm: actor.confirm) { storeID in
                var options = try await actor.options(storeID: storeID)
                if json { options["json"] = "" }
                return OperatorRequest(command: .auditHoldList, options: options)
            }
        }
    }
}

/// A patient's events for somebody who has no key of the store.
struct AuditDiscover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discover", abstract: "Export a patient's events, each with its proof.",
        discussion: """
            Writes DIR/discovery.ndjson, mode 600. tools/verify_discovery.py checks it with the log's public key alone. \
            Acts as a client of role administrator; that it left is in the log first.
            """)
    @Option(name: .long, help: "Logical id of the patient.") var patient: String
    @Option(name: .long, help: "Folder for the file.") var out: String
    @OptionGroup var principal: PrincipalOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await Operator.perform(store) { storeID in
            OperatorRequest(
                command: .auditDiscover,
                options: ["assertion": try await principal.assertion(storeID: storeID), "patient": patient],
                paths: [absolutePath(out)])
        }
    }
}

/// The machine's clock against the log.
struct AuditClock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clock", abstract: "Say whether the clock is behind the newest event, or go on with it as it is.",
        discussion: """
            While the clock is more than two minutes behind the newest event, nothing about records is answered. Set \
            the clock; only if it was ahead for a while and is right now, stop the server and use --accept. It is logged.
            """)
    @Flag(name: .long, help: "Go on with the clock as it is.") var accept = false
    @OptionGroup var actor: ActorOptions
    @OptionGroup var store: StoreOptions

    func validate() throws { try actor.check(isNeeded: accept) }

    func run() async throws {
        try await Operator.perform(store, confirm: actor.confirm) { storeID in
            var options: [String: String] = [:]
            if accept {
                options = try await actor.options(storeID: storeID)
                options["accept"] = ""
            }
            return OperatorRequest(command: .auditClock, options: options)
        }
    }
}
