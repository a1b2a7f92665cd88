import ArgumentParser
import Glibc
import WardAudit
import WardCore
import WardCrypto
import WardKeys
import WardSQLite
import WardStorage

/// Keys.
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "See where the root key lives, exchange keys, and recover a lost one.",
        subcommands: [Status.self, KeysRotateCommand.self, KeysShredCommand.self, Recover.self])

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say where the root key lives, and what that does and does not protect.")
        @Flag(name: .long, help: "JSON instead of text.") var json = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let keyFile = absolutePath(try store.keyFilePath())
            try await Operator.perform(store) { _ in
                OperatorRequest(
                    command: .keysStatus, options: json ? ["json": "", "keyFile": keyFile] : ["keyFile": keyFile])
            }
        }
    }

    struct Recover: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new key file from the printed recovery code; the old way in ends.",
            discussion: "The code is asked for on the terminal, or read from --code-file (mode 600).")
        @Option(name: .long, help: "File that holds the recovery code.") var codeFile: String?
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let path = try store.keyFilePath()
            let lock = try lockedFolder(store.folder)
            defer { withExtendedLifetime(lock) {} }
            do {
                let code = try RecoveryCode(typed: try typedCode())
                // Tried before anything is written.
                let house = try await House.open(
                    store.folder, kind: nil, unlock: { _, _, _ in .recovery(code) }, origin: nil, isChecked: false)
                let storeID = house.header.id
                let before = try house.keys.ring().service
                let way = Keyring.Unlock.keyFile(try KeyFile.create(path, storeID: storeID))
                var made: Keyring?
                do {
                    let open = try OpenKeyring(try house.keys.ring(), storeID: storeID, unlock: .recovery(code))
                    let ring = try open.withNewRoot(way, today: OperatorService.today)
                    made = ring
                    try await house.keys.adopt(
                        ring, way: way, .system(.keysRecovered, decision: "recovery-code"), house.log)
                } catch {
                    if made.map(house.keys.mayBeInForce) != true { unsafe unlink(path) }
                    throw error
                }
                // It says where a key service is that is not asked any more.
                if let before { unsafe unlink(KeyServiceAccess.path(house.folder, before.boot)) }
                await house.close()
            } catch let failure as KeyFailure {
                throw CommandFailure(failure.text)
            }
            Terminal.say("new key file   \(path)")
        }

        private func typedCode() throws(KeyFailure) -> String {
            if let codeFile {
                do throws(FileFailure) {
                    return String(decoding: try PrivateFile.read(codeFile, secret: true, limit: 1024), as: UTF8.self)
                } catch {
                    throw .file(error)
                }
            }
            guard let typed = Terminal.secret("recovery code: ") else { throw .notConfigured }
            return typed.text
        }
    }
}
