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
        commandName: "keys", abstract: "See where the root key lives, and recover a lost one.",
        subcommands: [Status.self, Recover.self])

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
            abstract: "Make a new key file from the printed recovery code; the old key file or passphrase ends.",
            discussion: "The code is asked for on the terminal, or read from --code-file (mode 600).")
        @Option(name: .long, help: "File that holds the recovery code.") var codeFile: String?
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let folder = store.folder
            let lock = try lockedFolder(folder)
            defer { withExtendedLifetime(lock) {} }
            let database: SQLiteStore
            do throws(StorageFailure) { database = try SQLiteStore(path: folder.database) } catch {
                throw CommandFailure(error.text)
            }
            let header = try StoreHeader(of: database)
            guard let ring = try database.metadata(.keyring) else { throw CommandFailure("the store has no keyring") }
            let path = try store.keyFilePath()
            do throws(KeyFailure) {
                let keyring = try Keyring(decoding: ring)
                let code = try RecoveryCode(typed: try typedCode())
                // Tried before anything is written.
                _ = try keyring.open(storeID: header.id, unlock: .recovery(code))
                let key = try KeyFile.create(path, storeID: header.id)
                let changed = try keyring.rewrapped(storeID: header.id, recovery: code, keyFile: key).encoded()
                do throws(StorageFailure) {
                    try database.commit { transaction throws(StorageFailure) in
                        try transaction.putMetadata(.keyring, changed)
                    }
                } catch {
                    unsafe unlink(path)
                    throw KeyFailure.malformedKeyring
                }
            } catch {
                throw CommandFailure(error.text)
            }
            database.close()
            // Opened with the new key, to put the recovery into the log.
            let house = try await House.open(
                folder, kind: nil,
                unlock: { header, _ in .keyFile(try KeyFile.read(path, storeID: header.id)) },
                origin: nil, isChecked: false)
            _ = try await house.log.append(.system(.keysRecovered, decision: "recovery-code"))
            await house.close()
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
            return typed.withBytes { span in
                var bytes: [UInt8] = []
                for index in 0..<span.byteCount {
                    unsafe bytes.append(span.unsafeLoad(fromByteOffset: index, as: UInt8.self))
                }
                return String(decoding: bytes, as: UTF8.self)
            }
        }
    }
}
