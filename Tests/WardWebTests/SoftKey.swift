import Crypto
import Testing
import WardCrypto

/// A P-256 passkey and the browser's part of it.
struct SoftKey {
    static let rpID = "ward.lindenhof.example"

    let key = P256.Signing.PrivateKey()
    let id = randomBytes(32)

    func registration(_ options: String, origin: String = WebHouse.origin) throws -> String {
        let client = try clientData("webauthn.create", options, origin)
        let point = Array(key.publicKey.x963Representation)
        let cose: [UInt8] =
            [0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20] + point[1..<33] + [0x22, 0x58, 0x20]
            + point[33...]
        let data = authenticatorData(0x45) + [UInt8](repeating: 0, count: 16) + [0x00, 0x20] + id + cose
        let object: [UInt8] =
            [0xA3, 0x63] + Array("fmt".utf8) + [0x64] + Array("none".utf8) + [0x67] + Array("attStmt".utf8)
            + [0xA0, 0x68] + Array("authData".utf8) + [0x58, UInt8(data.count)] + data
        return message(#""clientDataJSON":"\#(base64URL(client))","attestationObject":"\#(base64URL(object))""#)
    }

    /// - Parameter person: whose it says it is, as passkeys do that were found without a name.
    func assertion(_ options: String, person: String?, origin: String = WebHouse.origin) throws -> String {
        let client = try clientData("webauthn.get", options, origin)
        let data = authenticatorData(0x05)
        let signature = Array(try key.signature(for: data + sha256(client).bytes).derRepresentation)
        let handle = person.map { #","userHandle":"\#(base64URL(Array($0.utf8)))""# } ?? ""
        return message(
            #""clientDataJSON":"\#(base64URL(client))","authenticatorData":"\#(base64URL(data))","#
                + #""signature":"\#(base64URL(signature))"\#(handle)"#)
    }

    private func message(_ response: String) -> String {
        let id = base64URL(id)
        return #"{"id":"\#(id)","rawId":"\#(id)","type":"public-key","response":{\#(response)}}"#
    }

    private func authenticatorData(_ flags: UInt8) -> [UInt8] {
        sha256(Array(Self.rpID.utf8)).bytes + [flags, 0, 0, 0, 0]
    }

    private func clientData(_ type: String, _ options: String, _ origin: String) throws -> [UInt8] {
        let start = try #require(options.firstRange(of: #""challenge":""#)?.upperBound)
        let challenge = options[start...].prefix { $0 != "\"" }
        return Array(
            #"{"type":"\#(type)","challenge":"\#(challenge)","origin":"\#(origin)","crossOrigin":false}"#.utf8)
    }
}
