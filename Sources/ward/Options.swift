import ArgumentParser
import Glibc
import WardCore
import WardIdentity
import WardKeys
import WardSQLite

/// Where the store lies and how it is unlocked.
struct StoreOptions: ParsableArguments {
    @Option(name: .long, help: "Folder of the store.")
    var data = "./ward-data"

    @Option(name: .long, help: "Key file; by default the data folder's name with .key, beside it.")
    var keyFile: String?

    @Option(name: .long, help: "File that holds the passphrase (mode 600), for starts without a terminal.")
    var passphraseFile: String?

    @Option(name: .long, help: "File that holds the PIN of the security module (mode 600).")
    var pinFile: String?

    @Option(name: .customLong("pkcs11-module"), help: "Library of the security module, where it has moved.")
    var moduleLibrary: String?

    @Option(
        name: .long,
        help:
            "File with the key for AWS KMS (mode 600): id, secret, and a session's token if it is lent; or the credential ward-kms."
    )
    var kmsCredentials: String?

    var folder: DataFolder { DataFolder(data) }

    /// The way in that the keyring asks for.
    func unlock(_ header: StoreHeader, _ keyring: Keyring, _ store: SQLiteStore) async throws -> Keyring.Unlock {
        switch keyring.provider {
        case .keyFile: .keyFile(try KeyFile.read(try keyFilePath(), storeID: header.id))
        case .keyService:
            try await KeyServiceAccess.unlock(
                keyring, header, folder, store, credentials: kmsCredentials.map(absolutePath))
        case .passphrase: .passphrase(try passphrase())
        case .securityModule: .securityModule(try securityModule(keyring.place))
        }
    }

    /// Where the key file lies, or shall lie; refused inside the data folder, where a copy would take it along.
    func keyFilePath() throws(CommandFailure) -> String {
        let path = keyFile ?? folder.defaultKeyFile
        guard !folder.holds(path) else { throw CommandFailure("the key file must lie outside the data folder") }
        return path
    }

    /// From a strict file, the service manager's credentials, or the terminal; never from the environment or arguments.
    func passphrase() throws(KeyFailure) -> SecretBytes {
        try secret(passphraseFile, credential: "ward-passphrase", prompt: "passphrase: ")
    }

    /// A passphrase that a store is to open with from now on: typed twice where it is typed.
    func newPassphrase() throws -> SecretBytes {
        do throws(KeyFailure) {
            let phrase = try passphrase()
            guard Passphrase.isLongEnough(phrase) else { throw .tooShortPassphrase }
            if passphraseFile == nil, unsafe getenv("CREDENTIALS_DIRECTORY") == nil {
                guard let again = Terminal.secret("once more: ") else { throw .notConfigured }
                guard again.text == phrase.text else { throw .refused }
            }
            return phrase
        } catch {
            throw CommandFailure(error == .refused ? "the two do not agree" : error.text)
        }
    }

    /// As ``passphrase()``.
    func pin() throws(KeyFailure) -> SecretBytes {
        try secret(pinFile, credential: "ward-pin", prompt: "PIN of the security module: ")
    }

    private func securityModule(_ place: TokenPlace?) throws(KeyFailure) -> SecurityModule {
        guard var place else { throw .malformedKeyring }
        if let moduleLibrary { place.library = absolutePath(moduleLibrary) }
        return SecurityModule(place, pin: try pin())
    }

    private func secret(_ file: String?, credential: String, prompt: String) throws(KeyFailure) -> SecretBytes {
        if let file { return try Self.secret(in: file) }
        if let credentials = unsafe getenv("CREDENTIALS_DIRECTORY") {
            let candidate = "\(unsafe String(cString: credentials))/\(credential)"
            if PrivateFile.exists(candidate) { return try Self.secret(in: candidate) }
        }
        guard let typed = Terminal.secret(prompt) else { throw .notConfigured }
        return typed
    }

    /// The first line of a file that nobody else can read.
    static func secret(in path: String) throws(KeyFailure) -> SecretBytes {
        var bytes: [UInt8]
        do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: true, limit: 4096) } catch {
            throw .file(error)
        }
        defer { wipe(&bytes) }
        while bytes.last == 0x0A || bytes.last == 0x0D { bytes.removeLast() }
        return SecretBytes(copying: bytes)
    }
}

/// Who runs a command that touches records: a client's key.
struct PrincipalOptions: ParsableArguments {
    @Option(name: .long, help: "Client that acts.")
    var client: String

    @Option(name: .long, help: "The client's key file; by default NAME.key.json in the current folder.")
    var key: String?

    /// A signed assertion for this store.
    func assertion(storeID: String) async throws -> String {
        try await clientAssertion(client, key, storeID: storeID)
    }
}

/// A client's signed assertion for a store.
func clientAssertion(_ client: String, _ key: String?, storeID: String) async throws -> String {
    let pair = try keyPair(client, key)
    do throws(IdentityFailure) {
        return try await pair.assertion(audience: controlAudience(storeID))
    } catch {
        throw CommandFailure("the key file of client \(client) cannot sign")
    }
}

/// Reads a client's key file.
func keyPair(_ client: String, _ path: String?) throws -> ClientKeyPair {
    let path = path ?? "\(client).key.json"
    let bytes: [UInt8]
    do throws(FileFailure) {
        bytes = try PrivateFile.read(path, secret: true, limit: 65_536)
    } catch {
        throw CommandFailure(
            error == .missing
                ? "there is no key file \(path); name it with --key"
                : error == .readableByOthers ? "\(path) can be read by others; chmod 600 it" : "\(path) cannot be read")
    }
    guard let pair = ClientKeyPair(file: bytes) else { throw CommandFailure("\(path) is not a client key file") }
    return pair
}

/// What assertions for local commands are addressed to.
func controlAudience(_ storeID: String) -> String { "urn:ward:\(storeID):control" }
