import ArgumentParser
import Glibc
import WardCore
import WardCrypto
import WardKeys

/// Makes a real store.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a store for a real clinic, and its keys.",
        discussion: """
            By default a new key file is made beside the data folder. Move it to other media: whoever has both has \
            the records. With --passphrase nothing that opens the store lies on the disk. With --pkcs11-token the \
            root key is made in a security module and never leaves it; the PIN is asked for, or read from --pin-file. \
            With --kms it is wrapped by a key in AWS KMS from the first start on, which a signed agreement must cover; no \
            key file is ever on a disk.
            """)

    @OptionGroup var store: StoreOptions

    @Flag(name: .long, help: "Protect the root key by a passphrase instead of a key file.")
    var passphrase = false

    @Option(name: .customLong("pkcs11-token"), help: "Label of the token of a security module to make the root key in.")
    var token: String?

    @Option(name: .customLong("pkcs11-key"), help: "Label of the root key to make there.")
    var tokenKey = "ward-root"

    @OptionGroup var service: KeyServiceInitOptions

    func validate() throws {
        guard !service.isAsked || (token == nil && !passphrase && store.passphraseFile == nil) else {
            throw ValidationError("AWS KMS, a passphrase or a security module: one of them")
        }
        guard token == nil || !(passphrase || store.passphraseFile != nil) else {
            throw ValidationError("a passphrase or a security module, not both")
        }
        guard (token == nil) == (store.moduleLibrary == nil) else {
            throw ValidationError("--pkcs11-module and --pkcs11-token go together")
        }
    }

    func run() async throws {
        let folder = store.folder
        let isNew = !PrivateFile.exists(folder.path)
        try folder.make()
        guard !PrivateFile.exists(folder.database) else { throw CommandFailure("\(folder.path) already holds a store") }
        let storeID = randomUUID()
        let recovery = RecoveryCode()
        if service.isAsked {
            do { try await create(folder, storeID, recovery, atService: service) } catch {
                // As it was before; goes only while it is empty.
                if isNew { unsafe rmdir(folder.path) }
                throw error
            }
        } else if let token {
            try await create(folder, storeID, recovery, inTokenOf: token)
        } else if passphrase || store.passphraseFile != nil {
            let phrase = try store.newPassphrase()
            try await House.create(
                folder, kind: .real, storeID: storeID, unlock: .passphrase(phrase), recovery: recovery)
        } else {
            let path = try store.keyFilePath()
            let key: KeyMaterial
            do throws(KeyFailure) { key = try KeyFile.create(path, storeID: storeID) } catch {
                throw CommandFailure(error.text)
            }
            do {
                try await House.create(
                    folder, kind: .real, storeID: storeID, unlock: .keyFile(key), recovery: recovery)
            } catch {
                // A key file without a store would only confuse.
                unsafe unlink(path)
                throw error
            }
            Terminal.say("key file       \(path)   (move it to other media than the data)")
        }
        Terminal.say("data folder    \(folder.path)")
        Terminal.say(RecoveryKit.text(storeID: storeID, code: recovery))
        Terminal.say("next           ward client add NAME --role ROLE --data \(folder.path)")
        Terminal.say("               ward serve --data \(folder.path)")
    }

    private func create(
        _ folder: DataFolder, _ storeID: String, _ recovery: RecoveryCode, inTokenOf token: String
    ) async throws {
        guard let library = store.moduleLibrary.map(absolutePath),
            let place = TokenPlace(library: library, token: token, key: tokenKey)
        else { throw CommandFailure("the labels of token and key have 1 to 32 and 1 to 64 bytes") }
        do {
            let module = SecurityModule(place, pin: try store.pin())
            try module.makeKey()
            do {
                try await House.create(
                    folder, kind: .real, storeID: storeID, unlock: .securityModule(module), recovery: recovery)
            } catch {
                // A key without a store would only be in the way of the next try.
                try? module.destroyKey()
                throw error
            }
        } catch let failure as KeyFailure {
            throw CommandFailure(failure.text)
        }
        Terminal.say("root key       \(tokenKey) in token \(token), which it cannot leave")
    }
}

/// What is printed once, for the safe.
enum RecoveryKit {
    static func text(storeID: String, code: RecoveryCode) -> String {
        """

        ---- recovery kit: print this, then clear the screen ----------------------------
        store          \(storeID)
        recovery code  \(code.text)
        It opens the store if key file, passphrase or security module is lost (ward keys
        recover). Without any of them, and without this code, the data is lost: nobody
        else has a key. It is shown only now.
        ---------------------------------------------------------------------------------

        """
    }
}
