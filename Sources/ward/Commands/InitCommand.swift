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
            the records. With --passphrase nothing that opens the store lies on the disk.
            """)

    @OptionGroup var store: StoreOptions

    @Flag(name: .long, help: "Protect the root key by a passphrase instead of a key file.")
    var passphrase = false

    func run() async throws {
        let folder = store.folder
        try folder.make()
        guard !PrivateFile.exists(folder.database) else { throw CommandFailure("\(folder.path) already holds a store") }
        let storeID = randomUUID()
        let recovery = RecoveryCode()
        if passphrase || store.passphraseFile != nil {
            let phrase: SecretBytes
            do throws(KeyFailure) { phrase = try store.passphrase() } catch { throw CommandFailure(error.text) }
            guard Passphrase.isLongEnough(phrase) else {
                throw CommandFailure(KeyFailure.tooShortPassphrase.text)
            }
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
}

/// What is printed once, for the safe.
enum RecoveryKit {
    static func text(storeID: String, code: RecoveryCode) -> String {
        """

        ---- recovery kit: print this, then clear the screen ----------------------------
        store          \(storeID)
        recovery code  \(code.text)
        It opens the store if the key file or passphrase is lost (ward keys recover).
        Without key file or passphrase, and without this code, the data is lost: nobody
        else has a key. It is shown only now.
        ---------------------------------------------------------------------------------

        """
    }
}
