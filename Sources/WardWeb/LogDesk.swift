public import WardAudit
import WardCore
public import WardIdentity

/// Why somebody does not get to see what they asked of the log.
public enum LogFailure: Error, Hashable, Sendable {
    /// Another file is being made.
    case busy
    /// Policy refuses it, and the refusal is in the log.
    case denied
    /// The log cannot be read or written.
    case unavailable
}

/// The log, as somebody may read it; asked as that person, through the gate, with the look in the log first.
public struct LogDesk: Sendable {
    /// What is asked for.
    public struct Ask: Sendable {
        public let query: AuditQuery
        public let before: Int64
        public let limit: Int
        /// Events that are opened at most.
        public let looking: Int
        /// The question for the log.
        public let asked: String
        /// What the look is in the log: a page, or one patient's on paper or as a file.
        public let kind: AuditEventKind

        public init(
            query: AuditQuery, before: Int64 = .max, limit: Int, looking: Int = LogDesk.mostOpened, asked: String,
            kind: AuditEventKind = .auditRead
        ) {
            self.query = query
            self.before = before
            self.limit = limit
            self.looking = looking
            self.asked = asked
            self.kind = kind
        }
    }

    /// Part of the log as a file.
    public struct File: Sendable {
        public let content: [UInt8]
        /// Where the next one begins; nil at the end.
        public let next: Int64?

        public init(content: [UInt8], next: Int64?) {
            self.content = content
            self.next = next
        }
    }

    /// Events that one page opens at most.
    public static let mostOpened = 20_000

    /// Throws a refusal, which is in the log, and where the log cannot be read or written.
    public typealias Reading = @Sendable (Ask, Principal, RequestSource) async throws(LogFailure) -> AuditPage
    /// The same of one patient, for whoever is that patient or acts for them.
    public typealias OwnReading =
        @Sendable (_ patient: String, Ask, Principal, RequestSource) async throws(LogFailure) -> AuditPage
    /// The same as a file, newest first: each event as `row` writes it, and nothing after the one that reaches the bytes.
    public typealias FileMaking =
        @Sendable (
            Ask, _ mostBytes: Int, Principal, RequestSource, _ row: @escaping @Sendable (LoggedEvent) -> [UInt8]
        ) async throws(LogFailure) -> File

    let all: Reading
    let own: OwnReading
    private let making: FileMaking
    private let files = Turnstile()

    public init(all: @escaping Reading, own: @escaping OwnReading, file: @escaping FileMaking) {
        self.all = all
        self.own = own
        making = file
    }

    /// Where there is none.
    static let none = LogDesk(
        all: { _, _, _ throws(LogFailure) in throw .unavailable },
        own: { _, _, _, _ throws(LogFailure) in throw .unavailable },
        file: { _, _, _, _, _ throws(LogFailure) in throw .unavailable })

    /// A file, while no other is made: each holds memory until it is sent.
    ///
    /// - Throws: ``LogFailure/busy``.
    func file(
        _ ask: Ask, mostBytes: Int, _ principal: Principal, _ source: RequestSource,
        _ row: @escaping @Sendable (LoggedEvent) -> [UInt8]
    ) async throws(LogFailure) -> File {
        guard files.enter() else { throw .busy }
        defer { files.leave() }
        return try await making(ask, mostBytes, principal, source, row)
    }
}
