import ArgumentParser
import WardEgress

/// Business associates, what they signed, and where something may go.
struct VendorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vendor", abstract: "Vendors, their signed agreements, and the destinations that these open.",
        discussion: """
            Nothing leaves for a destination that no current agreement or lawful category covers: see docs/egress.md. \
            Once somebody may administer the store, they confirm changes: --as LOGIN.
            """,
        subcommands: [
            Add.self, Sign.self, List.self, Revoke.self, Clauses.self, DestinationCommand.self, Firewall.self,
        ])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a vendor; it is covered by nothing yet.")
        @Argument(help: "Name: letters, digits, '.', '_' and '-'; never reused.") var name: String
        @Option(name: .long, help: "\(Vendor.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
        var kind: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let request = OperatorRequest(command: .vendorAdd, options: ["name": name, "kind": kind])
            try await Operator.perform(store, confirm: confirm) { _ in request }
            Terminal.say("vendor \(name) added")
        }
    }

    struct Sign: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Record a signed agreement.",
            discussion: """
                Name each clause that you have found in the document; ward vendor clauses lists them. An agreement that \
                leaves one out is recorded and opens nothing. The document stays where it is: its name and SHA-256 are kept.
                """)
        @Argument(help: "Name of the vendor.") var vendor: String
        @Option(name: .long, help: "File of the signed agreement.") var document: String
        @Option(name: .long, help: "A clause that it has; repeat for each.") var clause: [String] = []
        @Option(name: .long, help: "A service that it names; may be repeated.") var service: [String]
        @Option(name: .long, help: "A region that it covers; may be repeated.") var region: [String]
        @Option(name: .long, help: "First day, YYYY-MM-DD, from its beginning in UTC.") var effective: String
        @Option(name: .long, help: "Day at whose beginning in UTC it ends, YYYY-MM-DD.") var ends: String
        @Option(name: .long, help: "Who signed for the clinic.") var signedBy: String
        @Option(name: .long, help: "Who signed for the vendor.") var signedForVendor: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let options = [
                "vendor": vendor, "document": absolutePath(document), "clauses": clause.joined(separator: "\n"),
                "services": service.joined(separator: "\n"), "regions": region.joined(separator: "\n"),
                "effective": effective, "ends": ends, "clinic": signedBy, "signer": signedForVendor,
            ]
            let request = OperatorRequest(command: .vendorSign, options: options)
            try await Operator.perform(store, confirm: confirm) { _ in request }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List vendors, agreements and destinations, and what is open now.")
        @Flag(name: .long, help: "One JSON object a line.") var json = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let request = OperatorRequest(command: .vendorList, options: json ? ["json": ""] : [:])
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revoke a vendor's agreements; connections to it are cut at once.")
        @Argument(help: "Name of the vendor.") var name: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let request = OperatorRequest(command: .vendorRevoke, options: ["name": name])
            try await Operator.perform(store, confirm: confirm) { _ in request }
        }
    }

    struct Firewall: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print rules of nftables that let the server's user reach open destinations, and nothing else.",
            discussion: """
                A second wall beside the broker; print and load them anew when an agreement begins or ends. A destination with a \
                host name is let through by its port alone, together with the resolver, unless --resolve asks for its \
                addresses now, which go stale when the name changes.
                """)
        @Option(name: .long, help: "User that the server runs as.") var user = "ward"
        @Flag(name: .long, help: "Resolve host names now, and let through these addresses alone.") var resolve = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = ["user": user]
            if resolve { options["resolve"] = "" }
            let request = OperatorRequest(command: .vendorFirewall, options: options)
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Clauses: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the clauses that an agreement must have, with their paragraphs of 45 CFR.")
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() {
            for clause in AgreementClause.allCases {
                Terminal.say(
                    json
                        ? #"{"clause":"\#(clause.rawValue)","citation":"45 CFR \#(clause.citation)","text":"\#(clause.text)"}"#
                        : "\(clause.rawValue)  45 CFR \(clause.citation)  \(clause.text)")
            }
        }
    }
}

/// Where something may go.
struct DestinationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destination", abstract: "Destinations, each bound to a vendor's service or a lawful category.",
        subcommands: [Add.self, Remove.self, Test.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a destination.",
            discussion: """
                Bind it to a vendor's service (--vendor, --service), or to a lawful category that needs no agreement \
                (--lawful, --reason, --ends). For a webhook, the secret that signs its messages is printed once.
                """)
        @Argument(help: "Name: letters, digits, '.', '_' and '-'.") var name: String
        @Option(name: .long, help: "\(Destination.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
        var kind: String
        @Option(name: .long, help: "Host name, as its certificate has it.") var host: String
        @Option(name: .long, help: "Port.") var port: Int
        @Option(name: .long, help: "Region where it holds what it gets.") var region: String
        @Option(name: .long, help: "Vendor whose agreement covers it.") var vendor: String?
        @Option(name: .long, help: "Service that the agreement names.") var service: String?
        @Option(
            name: .long,
            help: "\(Destination.LawfulCategory.allCases.map(\.rawValue).joined(separator: ", ")); instead of a vendor."
        )
        var lawful: String?
        @Option(name: .long, help: "Why, with --lawful.") var reason: String?
        @Option(name: .long, help: "Day at whose beginning in UTC it ends, with --lawful.") var ends: String?
        @Option(name: .long, help: "Exact address of a destination on premises; no name is resolved then.")
        var address: String?
        @Option(name: .long, help: "PEM file of the only authority to trust, instead of the system's.")
        var ca: String?
        @Flag(name: .long, help: "Of mail: TLS begins with STARTTLS, and nothing is said without it.") var starttls =
            false
        @Option(name: .long, help: "Of a webhook: path and query.") var path = "/"
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = [
                "name": name, "kind": kind, "host": host, "port": "\(port)", "region": region, "path": path,
                "security": starttls ? "starttls" : "tls",
            ]
            options["vendor"] = vendor
            options["service"] = service
            options["lawful"] = lawful
            options["reason"] = reason
            options["ends"] = ends
            options["address"] = address
            options["ca"] = ca.map(absolutePath)
            let sent = options
            try await Operator.perform(store, confirm: confirm) { _ in
                OperatorRequest(command: .destinationAdd, options: sent)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a destination; connections to it are cut at once.")
        @Argument(help: "Name of the destination.") var name: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let request = OperatorRequest(command: .destinationRemove, options: ["name": name])
            try await Operator.perform(store, confirm: confirm) { _ in request }
            Terminal.say("destination \(name) removed")
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Connect to a destination as anything that leaves would, and say how it went.",
            discussion: """
                Mail: greets the server, with STARTTLS where that is set. Webhook: sends a signed test. Storage: with \
                --bucket and --credentials, puts, looks at, gets, lists and deletes a random object. It is logged.
                """)
        @Argument(help: "Name of the destination.") var name: String
        @Option(name: .long, help: "Of storage: bucket.") var bucket: String?
        @Option(name: .long, help: "Of storage: file (mode 600) with the key's id on line 1 and its secret on line 2.")
        var credentials: String?
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = ["name": name]
            options["bucket"] = bucket
            options["credentials"] = credentials.map(absolutePath)
            let request = OperatorRequest(command: .destinationTest, options: options)
            try await Operator.perform(store) { _ in request }
        }
    }
}
