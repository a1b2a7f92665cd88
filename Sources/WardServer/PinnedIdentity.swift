import Crypto
import Foundation
import SwiftASN1
public import WardCore
import X509

/// A key and a certificate that says nothing but the key: whoever trusts it knows its fingerprint.
///
/// For two machines of one clinic that were paired by hand; no authority and no name is involved.
public struct PinnedIdentity: Sendable {
    public let certificatePEM: String
    public let keyPEM: String

    /// Makes a fresh one, for as long as the pairing lasts.
    public static func make(now: Instant) throws -> PinnedIdentity {
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName { CommonName("ward standby") }
        func day(_ days: Int64) -> Date {
            Date(timeIntervalSince1970: Double(now.adding(seconds: days * 86_400).microseconds / 1_000_000))
        }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(key.publicKey), notValidBefore: day(-1), notValidAfter: day(36_500),
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
            }, issuerPrivateKey: Certificate.PrivateKey(key))
        return PinnedIdentity(
            certificatePEM: try certificate.serializeAsPEM().pemString, keyPEM: key.pemRepresentation)
    }

    public init(certificatePEM: String, keyPEM: String) {
        self.certificatePEM = certificatePEM
        self.keyPEM = keyPEM
    }
}
