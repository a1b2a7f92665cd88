/// What a business associate agreement has to say; one that leaves any of it out opens no door.
public enum AgreementClause: String, CaseIterable, Sendable {
    case permittedUses = "permitted-uses"
    case noFurtherUse = "no-further-use"
    case safeguards
    case reporting
    case subcontractors
    case access
    case amendment
    case accounting
    case delegatedObligations = "delegated-obligations"
    case books
    case returnOrDestroy = "return-or-destroy"
    case termination
    case securityRule = "security-rule"
    case securitySubcontractors = "security-subcontractors"
    case securityIncidents = "security-incidents"

    /// The paragraph of 45 CFR that asks for it.
    public var citation: String {
        switch self {
        case .permittedUses: "164.504(e)(2)(i)"
        case .noFurtherUse: "164.504(e)(2)(ii)(A)"
        case .safeguards: "164.504(e)(2)(ii)(B)"
        case .reporting: "164.504(e)(2)(ii)(C)"
        case .subcontractors: "164.504(e)(2)(ii)(D)"
        case .access: "164.504(e)(2)(ii)(E)"
        case .amendment: "164.504(e)(2)(ii)(F)"
        case .accounting: "164.504(e)(2)(ii)(G)"
        case .delegatedObligations: "164.504(e)(2)(ii)(H)"
        case .books: "164.504(e)(2)(ii)(I)"
        case .returnOrDestroy: "164.504(e)(2)(ii)(J)"
        case .termination: "164.504(e)(2)(iii)"
        case .securityRule: "164.314(a)(2)(i)(A)"
        case .securitySubcontractors: "164.314(a)(2)(i)(B)"
        case .securityIncidents: "164.314(a)(2)(i)(C)"
        }
    }

    /// What the agreement says there, in plain words.
    public var text: String {
        switch self {
        case .permittedUses: "which uses and disclosures are permitted and required"
        case .noFurtherUse: "no use or disclosure beyond the contract or the law"
        case .safeguards: "appropriate safeguards, and subpart C for electronic records"
        case .reporting: "reports uses and disclosures outside the contract, and breaches"
        case .subcontractors: "subcontractors agree to the same restrictions"
        case .access: "makes records available to patients"
        case .amendment: "makes records available for amendment"
        case .accounting: "provides what an accounting of disclosures needs"
        case .delegatedObligations: "complies with subpart E where it carries out the clinic's obligation"
        case .books: "books and practices are open to the Secretary"
        case .returnOrDestroy: "returns or destroys records at the end, or protects what it cannot"
        case .termination: "the clinic may end the contract for a material breach"
        case .securityRule: "complies with subpart C, the security rule"
        case .securitySubcontractors: "subcontractors that hold electronic records comply with subpart C by contract"
        case .securityIncidents: "reports security incidents, and breaches of unsecured records"
        }
    }
}
