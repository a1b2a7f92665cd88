public import WardCore
public import WardCrypto

/// A file that holds the key which wraps the root key.
///
/// It belongs outside the data directory, best on other media.
public enum KeyFile {
    /// Makes a new key file; never overwrites one.
    public static func create(_ path: String, storeID: String) throws(KeyFailure) -> KeyMaterial {
        var bytes = randomBytes(32)
        defer { wipe(&bytes) }
        let text = """
            ward key file 1
            store \(storeID)
            key \(hex(bytes))
            check \(check(bytes, storeID))

            """
        do throws(FileFailure) { try PrivateFile.create(path, Array(text.utf8)) } catch { throw .file(error) }
        guard let material = KeyMaterial(bytes) else { throw .malformedKeyFile }
        return material
    }

    /// Reads a key file that belongs to the store.
    public static func read(_ path: String, storeID: String) throws(KeyFailure) -> KeyMaterial {
        var content: [UInt8]
        do throws(FileFailure) { content = try PrivateFile.read(path, secret: true, limit: 4096) } catch {
            throw .file(error)
        }
        defer { wipe(&content) }
        var fields: [Substring: Substring] = [:]
        let text = String(decoding: content, as: UTF8.self)
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
        guard text.hasPrefix("ward key file 1\n"), let key = fields["key"], var bytes = unhex(key) else {
            throw .malformedKeyFile
        }
        defer { wipe(&bytes) }
        guard fields["store"].map(String.init) == storeID else { throw .foreignKeyFile }
        guard
            fields["check"].map(String.init) == check(bytes, storeID), let material = KeyMaterial(bytes)
        else { throw .malformedKeyFile }
        return material
    }

    private static func check(_ bytes: [UInt8], _ storeID: String) -> String {
        hex(Array(sha256(Array("ward/key-file/1 \(storeID) ".utf8), bytes).bytes.prefix(4)))
    }
}

/// Why the root key could not be reached.
public enum KeyFailure: Error, Hashable, Sendable {
    case argon2
    case file(FileFailure)
    /// The key file names another store.
    case foreignKeyFile
    /// The recovery code has a mistyped group, counted from 1.
    case mistypedGroup(Int)
    case malformedKeyFile
    case malformedKeyring
    /// A newer version made the keyring.
    case newerKeyring
    /// The PIN of the security module is locked.
    case lockedPIN
    /// The library of the security module cannot be loaded.
    case moduleMissing
    /// The store was set up without this kind of key.
    case notConfigured
    /// Wrong passphrase, key file or code.
    case refused
    /// The key in the security module could be taken out of it.
    case softKey
    /// The token has a key of this name already.
    case tokenKeyExists
    case tokenKeyMissing
    /// No token of this label is in the security module.
    case tokenMissing
    case tooShortPassphrase
    case wrongPIN
}

func unhex(_ text: some StringProtocol) -> [UInt8]? {
    let digits = text.utf8.map { byte -> UInt8? in
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
    guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { (digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0) }
}
