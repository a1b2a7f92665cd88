public import ArgumentParser
import WardCore
import WardIdentity
public import WardPolicy

extension Role: ExpressibleByArgument {}

/// API clients.
struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client", abstract: "Register API clients and get tokens for them.",
        subcommands: [Add.self, Approve.self, List.self, Remove.self, Token.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Register a client by its public key; makes a key pair where there is none.",
            discussion: "The store keeps the public key only.")

        @Argument(help: "The client_id: letters, digits, '-', '_' and '.'; never reused.")
        var name: String

        @Option(name: .long, help: "administrator, auditor, clinician, front-desk, integration or privacy-officer.")
        var role: Role

        @Option(name: .long, help: "Purpose of use: TREAT, HPAYMT, HOPERAT or PATRQT; needed for integration.")
        var purpose: String?

        @Option(name: .long, help: "Key file; read if it is there, made if not. By default NAME.key.json here.")
        var key: String?

        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let purpose = try statedPurpose()
            try store.folder.requireStore()
            let path = key ?? "\(name).key.json"
            if !PrivateFile.exists(path) {
                guard Client.isName(name), let pair = ClientKeyPair(client: name) else {
                    throw CommandFailure(IdentityFailure.badName.text)
                }
                do throws(FileFailure) { try PrivateFile.create(path, pair.file) } catch {
                    throw CommandFailure("\(path) cannot be written")
                }
                Terminal.note("made key pair \(path)")
            }
            let bytes: [UInt8]
            do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: false, limit: 65_536) } catch {
                throw CommandFailure("\(path) cannot be read")
            }
            guard let publicKey = ClientKey(jwk: bytes) else {
                throw CommandFailure("\(path) holds no P-384 key, or RSA key of 2048 to 4096 bits (JWK)")
            }
            try await Operator.perform(store, confirm: confirm) { _ in
                OperatorRequest(
                    command: .clientAdd,
                    options: [
                        "name": name, "role": role.rawValue, "purpose": purpose.rawValue, "jwk": publicKey.json,
                    ])
            }
            Terminal.say("client \(name) registered as \(role.rawValue) for \(purpose.rawValue)")
        }

        private func statedPurpose() throws -> PurposeOfUse {
            if role == .administrator { return .systemAdministration }
            guard let purpose else {
                if role == .integration { throw CommandFailure("an integration states its purpose: --purpose TREAT") }
                return role == .frontDesk ? .treatment : role.usualPurpose
            }
            guard let known = PurposeOfUse(rawValue: purpose), known != .systemAdministration else {
                throw CommandFailure("--purpose is TREAT, HPAYMT, HOPERAT or PATRQT")
            }
            return known
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Approve an app that registered itself: from then on it may ask people for leave.")
        @Argument(help: "The app's client_id, as in ward client list.") var name: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store, confirm: confirm) { _ in
                OperatorRequest(command: .clientApprove, options: ["name": name])
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List registered clients and apps.")
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() async throws {
            try await Operator.perform(store) { _ in
                OperatorRequest(command: .clientList, options: json ? ["json": ""] : [:])
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a client: its tokens end at once, its name stays taken.")
        @Argument(help: "Name of the client.") var name: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store, confirm: confirm) { _ in
                OperatorRequest(command: .clientRemove, options: ["name": name])
            }
            Terminal.say("client \(name) removed")
        }
    }

    struct Token: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a short-lived bearer token from the running server.")
        @Argument(help: "Name of the client.") var name: String
        @Option(name: .long, help: "Key file; by default NAME.key.json here.") var key: String?
        @Option(name: .long, help: "SMART scopes to narrow it to, as 'system/Patient.rs'.") var scope: String?
        @OptionGroup var store: StoreOptions

        func run() async throws {
            guard PrivateFile.exists(store.folder.socket) else {
                throw CommandFailure(
                    "no server runs on \(store.folder.path); tokens live in its memory. start: ward serve")
            }
            let pair = try keyPair(name, key)
            try await Operator.perform(store) { storeID in
                var options = ["assertion": try await pair.assertion(audience: controlAudience(storeID))]
                if let scope { options["scope"] = scope }
                return OperatorRequest(command: .clientToken, options: options)
            }
        }
    }
}
