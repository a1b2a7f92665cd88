public import WardAudit
public import WardIdentity

/// The log, as somebody may read it; asked as that person, through the gate, with the look in the log first.
public struct LogDesk: Sendable {
    /// What is asked for.
    public struct Ask: Sendable {
        public let query: AuditQuery
        public let before: Int64
        public let limit: Int
        /// The question for the log.
        public let asked: String
        /// What the look is in the log: a page, a file of the log, or one patient's on paper or as a file.
        public let kind: AuditEventKind

        public init(
            query: AuditQuery, before: Int64 = .max, limit: Int, asked: String, kind: AuditEventKind = .auditRead
        ) {
            self.query = query
            self.before = before
            self.limit = limit
            self.asked = asked
            self.kind = kind
        }
    }

    /// Nil for a refusal, which is in the log, and where the log cannot be read or written.
    public typealias Reading = @Sendable (Ask, Principal, RequestSource) async -> AuditPage?
    /// The same of one patient, for whoever is that patient or acts for them.
    public typealias OwnReading = @Sendable (_ patient: String, Ask, Principal, RequestSource) async -> AuditPage?

    let all: Reading
    let own: OwnReading

    public init(all: @escaping Reading, own: @escaping OwnReading) {
        self.all = all
        self.own = own
    }

    /// Where there is none.
    static let none = LogDesk(all: { _, _, _ in nil }, own: { _, _, _, _ in nil })
}
