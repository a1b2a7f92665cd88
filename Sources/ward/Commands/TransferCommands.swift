import ArgumentParser

/// FHIR in.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Import FHIR: transaction and collection Bundles, resources, NDJSON.",
        discussion: """
            Acts as a client of role integration. Every refused resource is listed with its place and reason. An \
            interrupted import can be repeated: what is in already is skipped. Exits with 2 if anything was refused.
            """)

    @Argument(help: "Files (.json, .ndjson) or folders.") var paths: [String]
    @OptionGroup var principal: PrincipalOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let absolute = paths.map(absolutePath)
        try await Operator.perform(store, isChecked: true) { storeID in
            OperatorRequest(
                command: .importFiles, options: ["assertion": try await principal.assertion(storeID: storeID)],
                paths: absolute)
        }
    }
}

/// FHIR out.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Export all current resources as NDJSON, one file a type.",
        discussion: "Acts as a client of role integration; every resource that leaves is in the audit log.")

    @Option(name: .long, help: "Folder for the files; they hold readable records, mode 600.") var out: String
    @Option(name: .long, help: "Only these types, separated by commas.") var types: String?
    @OptionGroup var principal: PrincipalOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await Operator.perform(store, isChecked: true) { storeID in
            var options = ["assertion": try await principal.assertion(storeID: storeID)]
            if let types { options["types"] = types }
            return OperatorRequest(command: .export, options: options, paths: [absolutePath(out)])
        }
    }
}
