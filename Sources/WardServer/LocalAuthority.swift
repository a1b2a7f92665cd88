import Crypto
public import WardCore
import Foundation
import SwiftASN1
import X509

/// The certificate authority of one machine, and a server certificate for its names; made at first start.
///
/// The private keys are sealed in the store; only the CA certificate lies in a file, for browsers and clients to trust.
public struct LocalAuthority: Codable, Sendable {
    public let authorityPEM: String
    let authorityKeyPEM: String
    public let serverPEM: String
    public let serverKeyPEM: String
    public let names: [String]
    let expires: Int64

    /// A new authority and a certificate for `names` (DNS names and IP addresses).
    public static func make(names: [String], now: Instant) throws -> LocalAuthority {
        let key = P256.Signing.PrivateKey()
        let subject = try DistinguishedName {
            CommonName("Ward local authority \(UInt32.random(in: .min ... .max))")
            OrganizationName("Ward")
        }
        let authority = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(key.publicKey), notValidBefore: date(now, days: -1),
            notValidAfter: date(now, days: 3650), issuer: subject, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
            }, issuerPrivateKey: Certificate.PrivateKey(key))
        return try issue(
            authorityPEM: authority.serializeAsPEM().pemString, authorityKeyPEM: key.pemRepresentation, names: names,
            now: now)
    }

    /// The same authority with a fresh server certificate, if `names` changed or the old one nears its end; else nil.
    public func renewed(names: [String], now: Instant) throws -> LocalAuthority? {
        let isCurrent = Set(names).isSubset(of: self.names) && expires > now.adding(seconds: 30 * 86_400).microseconds
        guard !isCurrent else { return nil }
        return try Self.issue(
            authorityPEM: authorityPEM, authorityKeyPEM: authorityKeyPEM, names: Array(Set(names).union(self.names)),
            now: now)
    }

    private static func issue(
        authorityPEM: String, authorityKeyPEM: String, names: [String], now: Instant
    ) throws -> LocalAuthority {
        let authority = try Certificate(pemEncoded: authorityPEM)
        let authorityKey = try P256.Signing.PrivateKey(pemRepresentation: authorityKeyPEM)
        let key = P256.Signing.PrivateKey()
        let names = names.sorted()
        let alternatives = names.map { name -> GeneralName in
            if let address = addressBytes(name) { return .ipAddress(ASN1OctetString(contentBytes: address[...])) }
            return .dnsName(name)
        }
        // 397 days: the longest that browsers accept.
        let server = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(key.publicKey), notValidBefore: date(now, days: -1),
            notValidAfter: date(now, days: 396), issuer: authority.subject,
            subject: try DistinguishedName { CommonName(names.first ?? "localhost") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth])
                SubjectAlternativeNames(alternatives)
                AuthorityKeyIdentifier(
                    keyIdentifier: SubjectKeyIdentifier(hash: authority.publicKey).keyIdentifier)
            }, issuerPrivateKey: Certificate.PrivateKey(authorityKey))
        return LocalAuthority(
            authorityPEM: authorityPEM, authorityKeyPEM: authorityKeyPEM,
            serverPEM: try server.serializeAsPEM().pemString, serverKeyPEM: key.pemRepresentation, names: names,
            expires: now.adding(seconds: 396 * 86_400).microseconds)
    }

    private static func date(_ now: Instant, days: Int64) -> Date {
        Date(timeIntervalSince1970: Double(now.adding(seconds: days * 86_400).microseconds / 1_000_000))
    }

    /// Network bytes of an IPv4 or IPv6 address; nil for a name.
    private static func addressBytes(_ text: String) -> [UInt8]? {
        var four = in_addr()
        if unsafe inet_pton(AF_INET, text, &four) == 1 { return unsafe withUnsafeBytes(of: &four) { unsafe Array($0) } }
        var six = in6_addr()
        if unsafe inet_pton(AF_INET6, text, &six) == 1 { return unsafe withUnsafeBytes(of: &six) { unsafe Array($0) } }
        return nil
    }

    /// JSON, to be sealed.
    public func encoded() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

    public init(decoding bytes: [UInt8]) throws {
        self = try JSONDecoder().decode(LocalAuthority.self, from: Data(bytes))
    }

    init(
        authorityPEM: String, authorityKeyPEM: String, serverPEM: String, serverKeyPEM: String, names: [String],
        expires: Int64
    ) {
        self.authorityPEM = authorityPEM
        self.authorityKeyPEM = authorityKeyPEM
        self.serverPEM = serverPEM
        self.serverKeyPEM = serverKeyPEM
        self.names = names
        self.expires = expires
    }
}
