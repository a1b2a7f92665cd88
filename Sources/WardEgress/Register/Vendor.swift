public import WardCore
public import WardCrypto

/// A business associate (45 CFR 160.103) with the agreements that it has signed.
public struct Vendor: Hashable, Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        case exchange, hosting, laboratory, mail, messaging, other, software, storage
    }

    /// 1 to 64 letters, digits, hyphens, dots and underscores; never reused.
    public let name: String
    public let kind: Kind
    public let added: Instant
    /// Oldest first; ended ones stay.
    public internal(set) var agreements: [Agreement] = []
}

/// A signed business associate agreement (45 CFR 164.308(b), 164.504(e)).
public struct Agreement: Hashable, Sendable {
    /// SHA-256 of the signed document.
    public let digest: Digest
    /// Name of the document, without its folder.
    public let fileName: String
    /// What somebody has found in the document.
    public let clauses: Set<AgreementClause>
    /// Services that it names; one that is not among them is not covered, whatever else of the vendor's is.
    public let services: [String]
    /// Where records may be held.
    public let regions: [String]
    public let effective: Instant
    /// From here on it covers nothing.
    public let ends: Instant
    public let clinicSigner: String
    public let vendorSigner: String
    /// When it was put into the register.
    public internal(set) var recorded = Instant(microseconds: 0)
    public internal(set) var revoked: Instant?

    public init(
        digest: Digest, fileName: String, clauses: Set<AgreementClause>, services: [String], regions: [String],
        effective: Instant, ends: Instant, clinicSigner: String, vendorSigner: String
    ) {
        self.digest = digest
        self.fileName = fileName
        self.clauses = clauses
        self.services = services
        self.regions = regions
        self.effective = effective
        self.ends = ends
        self.clinicSigner = clinicSigner
        self.vendorSigner = vendorSigner
    }

    /// In the order of the regulation.
    public var missingClauses: [AgreementClause] { AgreementClause.allCases.filter { !clauses.contains($0) } }

    /// Why it does not cover a service in a region; nil if it does.
    func refusal(service: String, region: String, at now: Instant) -> EgressRefusal? {
        if revoked != nil { return .agreementRevoked }
        if let clause = missingClauses.first { return .clauseMissing(clause) }
        if now < effective { return .agreementNotYet }
        if now >= ends { return .agreementEnded }
        if !services.contains(service) { return .serviceNotCovered }
        if !regions.contains(region) { return .regionNotCovered }
        return nil
    }
}

/// Why nothing goes to a destination.
public enum EgressRefusal: Error, Hashable, Sendable {
    case agreementEnded, agreementNotYet, agreementRevoked
    case clauseMissing(AgreementClause)
    /// The lawful category was recorded up to a day that is over.
    case lawfulGroundEnded
    case noAgreement
    case regionNotCovered, serviceNotCovered
    case unknownDestination
    /// The destination is of another kind than what wants to leave: mail, storage, webhook.
    case wrongKind

    /// For the log and for programs.
    public var code: String {
        switch self {
        case .agreementEnded: "agreement-ended"
        case .agreementNotYet: "agreement-not-yet"
        case .agreementRevoked: "agreement-revoked"
        case .clauseMissing(let clause): "clause-missing/\(clause.rawValue)"
        case .lawfulGroundEnded: "lawful-ground-ended"
        case .noAgreement: "no-agreement"
        case .regionNotCovered: "region-not-covered"
        case .serviceNotCovered: "service-not-covered"
        case .unknownDestination: "unknown-destination"
        case .wrongKind: "wrong-kind"
        }
    }

    public var text: String {
        switch self {
        case .agreementEnded: "the agreement has ended"
        case .agreementNotYet: "the agreement is not in effect yet"
        case .agreementRevoked: "the agreement was revoked"
        case .clauseMissing(let clause): "the agreement does not say: \(clause.text) (45 CFR \(clause.citation))"
        case .lawfulGroundEnded: "the day up to which the lawful ground was recorded is over"
        case .noAgreement: "the vendor has signed no agreement"
        case .regionNotCovered: "the agreement does not cover the region"
        case .serviceNotCovered: "the agreement does not name the service"
        case .unknownDestination: "there is no such destination"
        case .wrongKind: "the destination is of another kind"
        }
    }
}
