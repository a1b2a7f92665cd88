import ArgumentParser
import WardCore
import WardKeys

/// Another key in the place of one there is.
struct KeysRotateCommand: AsyncParsableCommand {
    enum What: String, CaseIterable, ExpressibleByArgument {
        case root, tenant, recovery, patients
    }

    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Exchange the root key, the tenant key, the recovery code or patients' keys, while the store serves.",
        discussion: """
            With patients, each patient (or one, --patient) gets another key, every version and index card is sealed anew \
            under it, and the earlier key is destroyed; the server does it in the background and goes on after a restart, \
            without a server this command does it. Exits with 2 if versions were found that do not open: they are named and \
            stay. With the others wrapping keys are exchanged and no record is sealed anew. A new root or tenant key needs a new way in: \
            --new-key-file, --new-passphrase --new-key with a security module, or --new-kms. The old way in ends with it; \
            a copy of the store made before still opens with it.
            """)

    @Argument(help: "root, tenant, recovery or patients.") var what: What
    @Option(name: .long, help: "With patients: the one whose key alone is exchanged.") var patient: String?
    @Flag(name: .long, help: "With patients: do not wait for the server to end it; see ward keys status.")
    var noWait = false
    @Flag(name: .long, help: "With patients: JSON instead of text.") var json = false
    @OptionGroup var store: StoreOptions
    @OptionGroup var confirm: ConfirmOptions
    @Flag(name: .long, help: "Ask for the passphrase or PIN that opens the store now.") var ask = false
    @Option(name: .long, help: "Where to make a new key file.") var newKeyFile: String?
    @Flag(name: .long, help: "Ask for a new passphrase.") var newPassphrase = false
    @Option(name: .long, help: "File that holds the new passphrase (mode 600).") var newPassphraseFile: String?
    @Option(name: .long, help: "Label of a new key in a security module.") var newKey: String?
    @Option(name: .long, help: "Library of the security module; by default the one in use.") var newModule: String?
    @Option(name: .long, help: "Label of the token; by default the one in use.") var newToken: String?
    @Option(name: .long, help: "File that holds the PIN of the token (mode 600).") var newPinFile: String?

    @Option(name: .customLong("new-kms"), help: "Destination of AWS KMS in the register, which an agreement covers.")
    var newKMS: String?
    @Option(name: .customLong("new-kms-key"), help: "ARN of the key there.") var newKMSKey: String?
    @Option(
        name: .customLong("new-kms-credentials"),
        help: "File with the key for AWS KMS (mode 600), as the server reads it; by default --kms-credentials.")
    var newKMSCredentials: String?

    func validate() throws {
        let ways = [newKeyFile != nil, newPassphrase || newPassphraseFile != nil, newKey != nil, newKMS != nil]
            .count { $0 }
        guard (newKMS == nil) == (newKMSKey == nil) else {
            throw ValidationError("--new-kms and --new-kms-key go together")
        }
        guard what == .patients || (patient == nil && !noWait && !json) else {
            throw ValidationError("--patient, --no-wait and --json go with patients")
        }
        switch what {
        case .patients where ways != 0 || ask: throw ValidationError("patients' keys need no new way in")
        case .recovery where ways != 0: throw ValidationError("a new recovery code needs no new way in")
        case .root where ways != 1, .tenant where ways != 1:
            throw ValidationError("exactly one new way in: --new-key-file, --new-passphrase, --new-key or --new-kms")
        default: break
        }
    }

    func run() async throws {
        if what == .patients {
            var options: [String: String] = [:]
            options["patient"] = patient
            if noWait { options["no-wait"] = "" }
            if json { options["json"] = "" }
            let request = OperatorRequest(command: .keysRotatePatients, options: options)
            return try await Operator.perform(store, confirm: confirm, isChecked: true) { _ in request }
        }
        var options = ["what": what.rawValue, "keyFile": absolutePath(try store.keyFilePath())]
        if let file = store.passphraseFile {
            options["passphrase"] = try secret(file)
        } else if ask {
            options["passphrase"] = try typed("passphrase or PIN: ")
        }
        options["module"] = store.moduleLibrary.map(absolutePath)
        options["pin"] = try store.pinFile.map(secret) ?? options["passphrase"]
        options["newKeyFile"] = newKeyFile.map(absolutePath)
        if let newPassphraseFile {
            options["newPassphrase"] = try secret(newPassphraseFile)
        } else if newPassphrase {
            options["newPassphrase"] = try typed("new passphrase: ")
            guard options["newPassphrase"] == (try typed("once more: ")) else {
                throw CommandFailure("the two do not agree")
            }
        }
        options["newKey"] = newKey
        options["newModule"] = newModule.map(absolutePath)
        options["newToken"] = newToken
        options["newPIN"] = try newPinFile.map(secret)
        options["newKMS"] = newKMS
        options["newKMSKey"] = newKMSKey
        options["newKMSCredentials"] = (newKMSCredentials ?? store.kmsCredentials).map(absolutePath)
        let request = OperatorRequest(command: .keysRotate, options: options)
        try await Operator.perform(store, confirm: confirm) { _ in request }
    }

    private func secret(_ file: String) throws -> String {
        do throws(KeyFailure) { return try StoreOptions.secret(in: file).text } catch {
            throw CommandFailure("\(file): \(error.text)")
        }
    }

    private func typed(_ prompt: String) throws -> String {
        guard let typed = Terminal.secret(prompt) else { throw CommandFailure("there is no terminal to ask on") }
        return typed.text
    }
}
