public import WardAudit
public import WardFHIR
public import WardIdentity
public import WardVault

/// One request of somebody known, free of any HTTP library.
public struct ClinicRequest: Sendable {
    public let principal: Principal
    public let source: RequestSource
    /// Query or form parameters, decoded.
    public var parameters: [SearchPair]
    /// `If-Match`, as written.
    public let ifMatch: String?
    /// `If-None-Exist`, as written: a search.
    public let ifNoneExist: String?
    public let preference: Preference
    public let body: [UInt8]
    /// `If-None-Match`, as written.
    public var ifNoneMatch: String?
    /// `If-Modified-Since`, as written.
    public var ifModifiedSince: String?
    /// Media type of the body.
    public var mediaType = "application/fhir+json"

    public init(
        principal: Principal, source: RequestSource, parameters: [SearchPair] = [], ifMatch: String? = nil,
        ifNoneExist: String? = nil, preference: Preference = Preference(), body: [UInt8] = []
    ) {
        self.principal = principal
        self.source = source
        self.parameters = parameters
        self.ifMatch = ifMatch
        self.ifNoneExist = ifNoneExist
        self.preference = preference
        self.body = body
    }
}

extension ClinicRequest {
    /// The same with another body.
    func with(body: [UInt8], mediaType: String) -> ClinicRequest {
        var request = ClinicRequest(
            principal: principal, source: source, parameters: parameters, ifMatch: ifMatch, ifNoneExist: ifNoneExist,
            preference: preference, body: body)
        request.mediaType = mediaType
        return request
    }
}

/// The `Prefer` header (RFC 7240; FHIR R4 http.html#ops).
public struct Preference: Sendable {
    public enum Return: String, Sendable {
        case minimal, representation
        case operationOutcome = "OperationOutcome"
    }

    public var returning: Return?
    public var handling: SearchHandling?

    public init(returning: Return? = nil, handling: SearchHandling? = nil) {
        self.returning = returning
        self.handling = handling
    }

    /// Reads a header value; what is not known is ignored, as the RFC asks.
    public init(header: String) {
        for part in header.split(whereSeparator: { $0 == "," || $0 == ";" }) {
            let pair = part.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\"" } }
            guard pair.count == 2 else { continue }
            if pair[0] == "return" { returning = Return(rawValue: pair[1]) }
            if pair[0] == "handling" { handling = SearchHandling(rawValue: pair[1]) }
        }
    }
}

/// What to answer, free of any HTTP library.
public struct ClinicAnswer: Sendable {
    public enum Body: Sendable {
        case none
        /// An OperationOutcome or a capability statement: nothing of a record.
        case plain([UInt8])
        /// Record bytes, which exist only with a receipt.
        case released(ReleasedBytes)
    }

    public let status: Int
    public let body: Body
    public let headers: [(name: String, value: String)]

    init(status: Int, body: Body, headers: [(name: String, value: String)] = [], receipt: AuditReceipt? = nil) {
        self.status = status
        self.body = body
        var headers = headers
        if case .released(let released) = body {
            headers.append((name: Self.receiptHeader, value: released.receipt.headerValue))
            if let notice = released.notice { headers.append((name: "Ward-Notice", value: notice)) }
        } else if let receipt {
            headers.append((name: Self.receiptHeader, value: receipt.headerValue))
        }
        self.headers = headers
    }

    private init(_ answer: ClinicAnswer, receipt: String) {
        status = answer.status
        body = answer.body
        headers = answer.headers + [(name: Self.receiptHeader, value: receipt)]
    }

    /// The same over several lines (`_pretty`), unless it is large.
    public var pretty: ClinicAnswer {
        switch body {
        case .none: self
        case .plain(let bytes):
            (try? JSONTape(parsing: bytes).pretty).map { ClinicAnswer(self, body: .plain($0)) } ?? self
        case .released(let released): ClinicAnswer(self, body: .released(released.pretty))
        }
    }

    private init(_ answer: ClinicAnswer, body: Body) {
        status = answer.status
        self.body = body
        headers = answer.headers
    }

    static let receiptHeader = "Ward-Audit-Receipt"

    /// The receipt it was accounted for by.
    var receipt: String? { headers.first { $0.name == Self.receiptHeader }?.value }

    /// The same answer under a receipt.
    func with(receipt: String) -> ClinicAnswer { ClinicAnswer(self, receipt: receipt) }
}
