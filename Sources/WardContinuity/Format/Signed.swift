import WardCrypto

/// Bytes with the key that signed them and its signature (Ed25519, RFC 8032) at their end.
struct Signed {
    let signer: [UInt8]
    let body: [UInt8]
    /// By which another object names this one: it covers all of it.
    let digest: Digest

    /// Signs a body under the name of its object, so that no object stands for another.
    static func object(
        _ body: [UInt8], name: String, with key: SigningKey
    ) throws(BackupFailure) -> (bytes: [UInt8], digest: Digest) {
        let message = message(body, name)
        guard let signature = key.sign(message) else { throw .sealing }
        let tail = key.publicKey + signature
        return (body + tail, sha256(message, tail))
    }

    /// Reads an object and checks its signature; whose the key is, is for the caller to ask.
    init(_ object: [UInt8], name: String) throws(BackupFailure) {
        guard object.count > 96 else { throw .altered(name) }
        body = Array(object.dropLast(96))
        let tail = Array(object.suffix(96))
        signer = Array(tail.prefix(32))
        let message = Self.message(body, name)
        guard SigningKey.isValid(Array(tail.suffix(64)), of: message, publicKey: signer) else { throw .altered(name) }
        digest = sha256(message, tail)
    }

    private static func message(_ body: [UInt8], _ name: String) -> [UInt8] {
        Array("ward/backup/1\n\(name)\n".utf8) + sha256(body).bytes
    }
}
