import WardCore
public import WardCrypto
import WardFHIR

/// Who may do what to which records: a document, turned into a pure function that denies by default.
///
/// One reference: every grant carries its policy along.
public struct Policy: Sendable {
    private final class Content: Sendable {
        let document: PolicyDocument
        let tables: PolicyTables
        let digest: String
        let filters = FilterCache()

        init(_ document: PolicyDocument, digest: String) {
            self.document = document
            self.digest = digest
            tables = PolicyTables(document)
        }
    }

    private let content: Content

    var document: PolicyDocument { content.document }
    var tables: PolicyTables { content.tables }
    var filters: FilterCache { content.filters }
    /// SHA-256 of the document, hexadecimal; decisions name it.
    public var digest: String { content.digest }

    /// The policy that the binary carries.
    public init() { self = Self.standard }

    /// The policy of a document that somebody answers for; see ``init(document:signature:publicKey:)``.
    ///
    /// - Throws: ``PolicyFailure/invalid(_:)`` with everything that ``check(_:)`` finds.
    init(trusting bytes: [UInt8]) throws(PolicyFailure) {
        let (document, issues) = PolicyReader.read(bytes)
        guard issues.isEmpty else { throw .invalid(issues) }
        let findings = PolicyAnalysis(document).issues()
        guard findings.isEmpty else { throw .invalid(findings) }
        self.init(document, digest: hex(sha256(bytes).bytes))
    }

    private init(_ document: PolicyDocument, digest: String) {
        content = Content(document, digest: digest)
    }

    /// Not analysed at each start: tests do that. A document with an issue would permit nothing at all.
    private static let standard: Policy = {
        let bytes = standardDocument
        let (document, issues) = PolicyReader.read(bytes)
        return Policy(issues.isEmpty ? document : PolicyDocument(), digest: hex(sha256(bytes).bytes))
    }()

    /// The document of ``init()``: where a clinic's own begins.
    public static let standardDocument: [UInt8] = StandardPolicy.text.withUTF8Buffer { unsafe Array($0) }

    /// Everything that is wrong with a document; empty if it is a policy.
    public static func check(_ document: [UInt8]) -> [PolicyIssue] {
        let (read, issues) = PolicyReader.read(document)
        return issues.isEmpty ? PolicyAnalysis(read).issues() : issues
    }

    /// The name the document gives itself.
    public var name: String { document.name }

    /// The roles of the document.
    public var roles: [Role] { document.roles.map { Role(named: $0.name) } }

    /// The role of that name, those a clinic added included.
    public func role(named name: String) -> Role? { document.role(named: name).map { _ in Role(named: name) } }

    /// The decision; no allocation, some tens of nanoseconds.
    public func decide(_ question: borrowing AccessQuestion) -> AccessDecision { tables.decide(question) }

    /// The decision of somebody with several roles, each asked about for the purpose that it acts for.
    public func decide(anyOf questions: [AccessQuestion]) -> AccessDecision {
        var grant: AccessDecision?
        var denial = AccessDecision.deny(.roleNotKnown)
        for question in questions {
            let own = decide(question)
            if let refusal = own.denial {
                if let best = denial.denial, refusal > best { denial = own }
            } else if let known = grant {
                grant = AccessDecision(
                    denial: nil, rule: known.rule, profiles: known.profiles.union(own.profiles),
                    isConditional: known.isConditional || own.isConditional)
            } else {
                grant = own
            }
        }
        return grant ?? denial
    }

    /// As ``decide(anyOf:)``, with grounds.
    public func explain(anyOf questions: [AccessQuestion]) -> Explanation {
        let decided = questions.filter { decide($0).isPermitted }
        if let first = decided.first { return explain(first) }
        let closest = questions.max { left, right in
            (decide(left).denial ?? .roleNotKnown) < (decide(right).denial ?? .roleNotKnown)
        }
        return explain(
            closest ?? AccessQuestion(action: .read, type: nil, roles: [], purpose: .treatment))
    }

    /// The name of the rule that decided, or the kind of refusal; for the log.
    public func code(of decision: AccessDecision) -> String {
        switch decision.denial {
        case nil, .forbidden: decision.rule.map { document.rules[Int($0)].id } ?? "none"
        case let denial?: denial.rawValue
        }
    }
}

/// Why there is no policy.
public enum PolicyFailure: Error, Hashable, Sendable {
    /// The document is not the built-in one, and is not signed with the key given.
    case badSignature
    case invalid([PolicyIssue])
}

extension Policy {
    /// A clinic's own policy: refused unless the signature is one of exactly this document.
    ///
    /// The built-in document needs no signature.
    public init(document: [UInt8], signature: [UInt8]?, publicKey: [UInt8]) throws(PolicyFailure) {
        if document != Self.standardDocument {
            guard let signature,
                SigningKey.isValid(signature, of: Self.signedBytes(document), publicKey: publicKey)
            else { throw .badSignature }
        }
        try self.init(trusting: document)
    }

    /// A detached Ed25519 signature (RFC 8032) of a document; nil if it is no policy.
    public static func signature(of document: [UInt8], with key: SigningKey) -> [UInt8]? {
        check(document).isEmpty ? key.sign(signedBytes(document)) : nil
    }

    /// No signature of anything else is one of a policy.
    private static func signedBytes(_ document: [UInt8]) -> [UInt8] { Array("ward-policy/1\n".utf8) + document }
}
