/// What is known about "does this record match": the three values behind every pair (maybe, sure).
///
/// AND is the minimum, OR the maximum, NOT exchanges the ends; so NOT never loses a record.
public enum SearchVerdict: Int8, Comparable, Hashable, Sendable {
    case no = 0
    case unsure = 1
    case yes = 2

    public init(_ isTrue: Bool) {
        self = isTrue ? .yes : .no
    }

    public static func < (left: SearchVerdict, right: SearchVerdict) -> Bool { left.rawValue < right.rawValue }

    /// NOT of it.
    public var negated: SearchVerdict {
        switch self {
        case .no: .yes
        case .unsure: .unsure
        case .yes: .no
        }
    }
}
