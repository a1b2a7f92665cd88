public import WardCore

/// Where something may go, and why it may: bound to a vendor's service or to a lawful category.
public struct Destination: Hashable, Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        case fhir, kms, mail, storage, webhook
    }

    /// How a connection is protected; there is no plaintext.
    public enum Security: String, CaseIterable, Sendable {
        /// Mail alone: RFC 3207, and nothing is said before it.
        case startTLS = "starttls"
        case tls
    }

    /// Disclosures that need no agreement (45 CFR 164.502(e)(1)(ii), 164.512(a), 164.524(c)(3)).
    public enum LawfulCategory: String, CaseIterable, Sendable {
        case patientDirected = "patient-directed"
        case requiredByLaw = "required-by-law"
        case treatment
    }

    public enum Ground: Hashable, Sendable {
        case agreement(vendor: String, service: String)
        case lawful(LawfulCategory, reason: String, ends: Instant)
    }

    /// 1 to 64 letters, digits, hyphens, dots and underscores.
    public let name: String
    public let kind: Kind
    /// Name or address of the machine, in lower case; the certificate is checked against it.
    public let host: String
    public let port: Int
    public let region: String
    public let security: Security
    public let ground: Ground
    /// The exact address of a destination on premises: no name is resolved then. Without it, private addresses are
    /// refused.
    public let address: IPAddress?
    /// PEM of the only authority to trust, instead of the system's.
    public let authority: String?
    /// Of a webhook: path and query of its address.
    public let path: String
    /// Who recorded it, as the log names accounts.
    public internal(set) var recordedBy = ""
    public internal(set) var recorded = Instant(microseconds: 0)
    /// Of a webhook: what signs its messages.
    public internal(set) var secret: [UInt8] = []

    public init(
        name: String, kind: Kind, host: String, port: Int, region: String, security: Security, ground: Ground,
        address: IPAddress? = nil, authority: String? = nil, path: String = "/"
    ) {
        self.name = name
        self.kind = kind
        self.host = host
        self.port = port
        self.region = region
        self.security = security
        self.ground = ground
        self.address = address
        self.authority = authority
        self.path = path
    }
}
