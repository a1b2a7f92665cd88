public import WardAudit
import WardFHIR
public import WardGate
import WardIndex
import WardVault

/// The one place where failures become answers (FHIR R4 http.html, operationoutcome.html).
extension ClinicAnswer {
    public static func failure(
        _ status: Int, _ code: StaticString, _ text: StaticString, expression: String? = nil,
        headers: [(name: String, value: String)] = [], receipt: AuditReceipt? = nil
    ) -> ClinicAnswer {
        let outcome = OperationOutcome([OperationOutcome.Issue(.error, code, text, expression: expression)])
        return ClinicAnswer(status: status, body: .plain(outcome.json), headers: headers, receipt: receipt)
    }

    public init(_ failure: GateFailure) {
        switch failure {
        case .auditUnavailable: self = .auditUnavailable
        case .clockBehind: self = .clockBehind
        case .keysAway:
            self = .failure(
                503, "transient",
                "the security module or key service with the root key does not answer, so nothing is written",
                headers: [(name: "Retry-After", value: "10")])
        case .denied(let refusal):
            self = .failure(
                403, "forbidden", "policy does not permit this; the code names the rule", expression: refusal.reason,
                receipt: refusal.receipt)
        }
    }

    init(_ failure: VaultFailure) {
        switch failure {
        case .auditUnavailable: self = .auditUnavailable
        case .conflict:
            self = .failure(409, "conflict", "other writers kept changing the same resource; try again")
        case .damaged:
            self = .failure(500, "exception", "a stored record is not what was written; run: ward verify")
        case .destroyed(let receipt):
            self = .failure(
                410, "deleted", "the resource was destroyed with its patient's key; nobody can open it again",
                receipt: receipt)
        case .keyDestroyed:
            self = .failure(
                503, "transient", "a patient's key was destroyed meanwhile; try again",
                headers: [(name: "Retry-After", value: "1")])
        case .gone(let receipt): self = .failure(410, "deleted", "the resource was deleted", receipt: receipt)
        case .indexNotReady:
            self = .failure(
                503, "transient", "the index is being rebuilt; reads by id work meanwhile",
                headers: [(name: "Retry-After", value: "2")])
        case .invalid(let issues): self.init(issues)
        case .otherID(let entry):
            self = .failure(
                400, "value", "the condition finds a resource with another id than the one given",
                expression: "Bundle.entry[\(entry)].resource.id")
        case .idTaken(let entry):
            self = .failure(
                409, "conflict", "the condition finds nothing, and there is another resource with the id given",
                expression: "Bundle.entry[\(entry)].resource.id")
        case .patch(_, let failure): self.init(failure)
        case .matchCount(let entry, let found):
            self =
                found == 0
                ? .failure(
                    412, "not-found", "a conditional reference matches nothing", expression: "Bundle.entry[\(entry)]")
                : .failure(
                    412, "multiple-matches", "a condition matches more than one resource",
                    expression: "Bundle.entry[\(entry)]")
        case .notGranted: self = .failure(500, "exception", "the request could not be answered")
        case .notFound(let receipt): self = .failure(404, "not-found", "there is no such resource", receipt: receipt)
        case .pageExpired: self = .failure(410, "expired", "this page link has ended; repeat the search")
        case .preconditionFailed(let receipt):
            self = .failure(412, "conflict", "If-Match names another version than the current one", receipt: receipt)
        case .preconditionMissed: self = .failure(412, "conflict", "If-Match names another version")
        case .refused(let receipt, let code):
            self = .failure(
                403, "forbidden", "policy does not permit this; the code names the rule or the search parameter",
                expression: code, receipt: receipt)
        case .hidden, .writeRefused: self = .failure(500, "exception", "the request could not be answered")
        case .storage: self = .failure(503, "transient", "the store could not be read or written")
        case .tooManyToDecide:
            self = .failure(400, "too-costly", "the search finds too many resources to decide on; narrow it")
        case .tooManyIncluded:
            self = .failure(400, "too-costly", "the includes add too many resources; ask for smaller pages")
        case .noCodes(let parameter, let trouble):
            self = .failure(
                400, trouble == .tooLarge ? "too-costly" : "not-supported", trouble.text, expression: parameter)
        case .tooManyTied(let parameter):
            self = .failure(
                400, "too-costly", "this parameter leads to more than 100,000 other resources; narrow it",
                expression: parameter)
        }
    }

    init(_ failure: PatchFailure) {
        let status =
            switch failure.reason {
            case .notAPatch, .unknownOperation, .malformedPath, .missingValue, .malformedOperation: 400
            case .tooMany, .tooLarge: 413
            default: 422
            }
        let issue = OperationOutcome.Issue(
            of: failure.reason, expression: failure.reason == .notAPatch ? nil : "operation[\(failure.operation)]")
        self.init(status: status, body: .plain(OperationOutcome([issue]).json))
    }

    init(_ failure: SearchQueryFailure) {
        switch failure {
        case .unknownParameters(let names):
            let issues = names.map {
                OperationOutcome.Issue(
                    .error, "not-supported", "unknown search parameter; Prefer: handling=lenient ignores it",
                    expression: $0)
            }
            self.init(status: 400, body: .plain(OperationOutcome(issues).json))
        case .unsupported(let parameter, let feature):
            self = .failure(400, "not-supported", feature.text, expression: parameter)
        case .malformed(let parameter, _):
            self = .failure(400, "value", "the value is not what this search parameter takes", expression: parameter)
        case .repeated(let parameter):
            self = .failure(400, "invalid", "this parameter may be given once only", expression: parameter)
        case .tooMany(let parameter):
            self = .failure(400, "too-costly", "more than 1,000 parameters or alternatives", expression: parameter)
        case .tooDeep(let parameter):
            self = .failure(400, "too-costly", "more than 8 steps in a chain", expression: parameter)
        case .tooManyTypes(let parameter):
            self = .failure(
                400, "too-costly", "the chain leads to too many types; name them, as in subject:Patient.name",
                expression: parameter)
        }
    }

    init(_ issues: [ValidationIssue], status: Int = 422) {
        self.init(status: status, body: .plain(OperationOutcome(issues.map(OperationOutcome.Issue.init)).json))
    }

    init(_ failure: JSONFailure, expression: String? = nil) {
        let text: StaticString =
            switch failure.reason {
            case .duplicateKey: "the JSON has a duplicate key"
            case .tooDeep: "the JSON is nested too deeply"
            case .tooLarge: "the JSON is too large"
            case .badUTF8: "the text is not valid UTF-8"
            default: "the text is not valid JSON"
            }
        self = .failure(400, "structure", text, expression: expression ?? "byte \(failure.offset)")
    }

    /// The log could not take the event, so nothing is answered (45 CFR 164.312(b)).
    static var clockBehind: ClinicAnswer {
        .failure(
            503, "transient",
            "the server's clock is behind its newest audit event, so nothing about records is answered; set the clock",
            headers: [(name: "Retry-After", value: "60")])
    }

    static var auditUnavailable: ClinicAnswer {
        .failure(
            503, "transient", "the audit log cannot be written, so nothing is released",
            headers: [(name: "Retry-After", value: "5")])
    }
}

extension CodeSetTrouble {
    var text: StaticString {
        switch self {
        case .noValueSet: "no ValueSet with this url can be found here"
        case .noCodeSystem: "no CodeSystem with this url, and content complete, can be found here"
        case .noHierarchy: "the CodeSystem does not say that its hierarchy means is-a"
        case .notEnumerable: "the ValueSet is not one of codes listed, or derived by is-a, descendent-of or is-not-a"
        case .tooLarge: "more than 10,000 codes, or value sets more than 8 deep, within themselves, or more than 100"
        }
    }
}

extension SearchFeature {
    var text: StaticString {
        switch self {
        case .chaining: "chains are not followed here: not in conditions, and by references alone"
        case .reverseChaining: "_has is not followed here: not in conditions, and by references alone"
        case .modifier: "this modifier is not supported here"
        case .iteration: "_revinclude:iterate takes no wildcard for the type"
        case .wildcardInclude: "this wildcard is not supported"
        case .parameter: "this search parameter is not supported"
        case .sortKey: "composite and special parameters cannot be sorted by"
        }
    }
}
