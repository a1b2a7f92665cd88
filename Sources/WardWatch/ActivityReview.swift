public import WardCore

/// Who signed for a week, and whether that is enough.
public struct ActivityReview: Sendable {
    public struct Signature: Sendable {
        /// As the log names them.
        public let who: String
        public let time: Instant
        /// What was signed: see ``WeekActivity/hash``.
        public let hash: String
        public let note: PHI<String>
        /// Whether something of the week was theirs or about them.
        public let isSubject: Bool
        /// Whether nobody else could have signed then.
        public let isAlone: Bool
    }

    public static let longestNote = 2000

    public let week: ActivityWeek
    public internal(set) var signatures: [Signature] = []
    /// When it was told that nobody had signed in time; nil if it never was.
    public internal(set) var escalated: Instant?

    /// Whoever a week is about does not sign for it alone, unless there is nobody else.
    public var isComplete: Bool {
        signatures.count > 1 || signatures.contains { !$0.isSubject || $0.isAlone }
    }

    /// Signed by whom it is about, since there was nobody else.
    public var isAlone: Bool { signatures.count == 1 && signatures[0].isSubject && signatures[0].isAlone }
}

extension ActivityReview {
    func encoded() -> [UInt8] {
        var (coder, copy) = (KnowledgeCoder(), self)
        copy.walk(&coder)
        return coder.bytes
    }

    init?(decoding bytes: [UInt8]) {
        var coder = KnowledgeCoder(reading: bytes)
        self.init(week: ActivityWeek(containing: Instant(microseconds: 0)))
        walk(&coder)
        guard !coder.isDamaged, coder.isAtEnd else { return nil }
    }

    private mutating func walk(_ coder: inout KnowledgeCoder) {
        var (start, told) = (week.start.microseconds, escalated?.microseconds ?? -1)
        coder.number(&start)
        coder.number(&told)
        var signatures = signatures
        coder.list(&signatures, empty: .empty) { $1.walk(&$0) }
        self = Self(
            week: ActivityWeek(containing: Instant(microseconds: start)), signatures: signatures,
            escalated: told < 0 ? nil : Instant(microseconds: told))
    }
}

extension ActivityReview.Signature {
    fileprivate static let empty = Self(
        who: "", time: Instant(microseconds: 0), hash: "", note: PHI(""), isSubject: false, isAlone: false)

    fileprivate mutating func walk(_ coder: inout KnowledgeCoder) {
        var (who, time, hash, isSubject, isAlone) = (who, time.microseconds, hash, isSubject, isAlone)
        var text = note.exposed { $0 }
        coder.text(&who)
        coder.number(&time)
        coder.text(&hash)
        coder.text(&text)
        coder.flag(&isSubject)
        coder.flag(&isAlone)
        self = Self(
            who: who, time: Instant(microseconds: time), hash: hash, note: PHI(text), isSubject: isSubject,
            isAlone: isAlone)
    }
}
