import WardFHIR

/// FHIR R4 OperationOutcome: codes, places and fixed sentences; never a value of a record.
public struct OperationOutcome: Sendable {
    public enum Severity: String, Sendable {
        case error, information, warning
    }

    /// One issue. `expression` is a FHIRPath location or a parameter's name.
    public struct Issue: Sendable {
        let severity: Severity
        let code: String
        let text: String
        let expression: String?

        /// - Parameters:
        ///   - code: of the issue-type code system.
        ///   - text: what happened, as a constant of the program.
        public init(_ severity: Severity, _ code: StaticString, _ text: StaticString, expression: String? = nil) {
            self.severity = severity
            self.code = "\(code)"
            self.text = "\(text)"
            self.expression = expression
        }

        /// Why a patch is not carried out; `expression` names the operation.
        init(of reason: PatchFailure.Reason, expression: String?) {
            severity = .error
            code =
                switch reason {
                case .testFailed, .noSuchPath, .severalAtPath: "processing"
                case .tooMany, .tooLarge: "too-costly"
                case .otherResource, .notRepeating, .intoItself, .partOfRecord, .unresolvedReference: "business-rule"
                default: "value"
                }
            text = reason.rawValue
            self.expression = expression
        }

        init(_ issue: ValidationIssue) {
            severity = .error
            code = issue.code.rawValue
            text = issue.rule.rawValue
            expression = issue.expression
        }
    }

    public let issues: [Issue]

    public init(_ issues: [Issue]) {
        self.issues = issues
    }

    /// JSON of the resource.
    public var json: [UInt8] {
        var writer = JSONWriter()
        write(into: &writer)
        return writer.bytes
    }

    func write(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("resourceType", "OperationOutcome")
        writer.key("issue")
        writer.beginArray()
        for issue in issues {
            writer.beginObject()
            writer.member("severity", issue.severity.rawValue)
            writer.member("code", issue.code)
            writer.member("diagnostics", issue.text)
            if let expression = issue.expression {
                writer.key("expression")
                writer.beginArray()
                writer.string(expression.prefix(256))
                writer.endArray()
            }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }
}
