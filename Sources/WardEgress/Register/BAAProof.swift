public import WardCore
public import WardCrypto

/// That a signed, current agreement, or a named lawful category, covers one destination and its service.
///
/// Only the register's check makes one (``EgressRegister/proof(for:kind:at:)``), and every connection takes one. It is
/// held against the register again at each use, so that it ends with what it stands for.
public struct BAAProof: Sendable {
    public enum Ground: Hashable, Sendable {
        case agreement(vendor: String, service: String, digest: Digest)
        case lawful(Destination.LawfulCategory)
    }

    public let destination: Destination
    public let ground: Ground
    /// When it ends by itself.
    public let ends: Instant
    /// When the agreement was put into the register: one that is signed again is another.
    let agreed: Instant
    let register: EgressRegister

    init(destination: Destination, ground: Ground, ends: Instant, agreed: Instant, register: EgressRegister) {
        self.destination = destination
        self.ground = ground
        self.ends = ends
        self.agreed = agreed
        self.register = register
    }

    /// Why it no longer holds; nil while it does.
    public func refusal(at now: Instant) -> EgressRefusal? { register.refusal(of: self, at: now) }

    /// Why records may go there, as the log tells it.
    public var purpose: PurposeOfUse? {
        switch ground {
        case .agreement: .operations
        case .lawful(.treatment): .treatment
        case .lawful(.patientDirected): .patientRequest
        case .lawful(.requiredByLaw): nil
        }
    }

    /// Who receives: the vendor, or the destination.
    public var recipient: String {
        switch ground {
        case .agreement(let vendor, _, _): vendor
        case .lawful: destination.name
        }
    }

    /// What the log says of it; nothing of it is about a patient.
    var decision: String {
        switch ground {
        case .agreement(let vendor, let service, let digest):
            "\(destination.kind.rawValue) \(destination.name) agreement \(vendor)/\(service) \(hex(digest.bytes).prefix(16))"
        case .lawful(let category): "\(destination.kind.rawValue) \(destination.name) lawful \(category.rawValue)"
        }
    }
}
