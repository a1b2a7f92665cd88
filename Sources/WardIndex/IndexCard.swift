public import WardCore
public import WardFHIR

/// Everything the index keeps of one current version, sealed beside its body: the truth of the index.
///
/// Each list is sorted and without repetitions, so equal content has one encoding.
public struct IndexCard: Hashable, Sendable {
    public let type: ResourceType
    public let lastUpdated: Instant
    /// Epoch of ``IndexKeys`` that the tokens are of.
    public let epoch: UInt32
    /// Version of the extractor that found the values.
    public let extractorVersion: UInt16
    let tokens: [Int64]
    let links: [CardLink]
    let dates: [CardDate]
    let numbers: [CardNumber]
    let quantities: [CardQuantity]
    let pairs: [CardPair]
    let texts: [CardText]
    let codes: [CardCode]
    /// Parameters with a value.
    let present: [UInt16]
    /// Parameters with a value that the index cannot judge: the record is a candidate for every test.
    let undecided: [UInt16]
}

/// A reference to a resource here.
struct CardLink: Hashable, Comparable {
    let parameter: UInt16
    let target: Locator

    static func < (left: CardLink, right: CardLink) -> Bool {
        (left.parameter, left.target.high, left.target.low) < (right.parameter, right.target.high, right.target.low)
    }
}

struct CardDate: Hashable, Comparable {
    let parameter: UInt16
    let low: Int64
    let high: Int64

    static func < (left: CardDate, right: CardDate) -> Bool {
        (left.parameter, left.low, left.high) < (right.parameter, right.low, right.high)
    }
}

/// Keys of ``NumberTest/key(_:)``; infinite where open.
struct CardNumber: Hashable, Comparable {
    let parameter: UInt16
    let low: Double
    let high: Double

    static func < (left: CardNumber, right: CardNumber) -> Bool {
        (left.parameter, left.low, left.high) < (right.parameter, right.low, right.high)
    }
}

struct CardQuantity: Hashable, Comparable {
    let parameter: UInt16
    let low: Double
    let high: Double
    let unit: QuantityUnit

    static func < (left: CardQuantity, right: CardQuantity) -> Bool {
        if (left.parameter, left.low, left.high) != (right.parameter, right.low, right.high) {
            return (left.parameter, left.low, left.high) < (right.parameter, right.low, right.high)
        }
        return left.unit < right.unit
    }
}

/// A composite tuple of an equality and a quantity, such as a code and its value.
struct CardPair: Hashable, Comparable {
    /// Token of the first component's form (``TokenForm/init(first:)``); speaks for the parameter, too.
    let first: Int64
    let second: CardQuantity

    static func < (left: CardPair, right: CardPair) -> Bool {
        left.first != right.first ? left.first < right.first : left.second < right.second
    }
}

struct QuantityUnit: Hashable, Comparable {
    let system: String?
    let code: String?
    let unit: String?

    static func < (left: QuantityUnit, right: QuantityUnit) -> Bool {
        if left.system != right.system { return precedes(left.system, right.system) }
        if left.code != right.code { return precedes(left.code, right.code) }
        return precedes(left.unit, right.unit)
    }
}

/// A folded string: of a string parameter, or display and concept text of a token parameter.
struct CardText: Hashable, Comparable {
    let parameter: UInt16
    let folded: String

    static func < (left: CardText, right: CardText) -> Bool {
        left.parameter != right.parameter
            ? left.parameter < right.parameter : left.folded.utf8.lexicographicallyPrecedes(right.folded.utf8)
    }
}

/// A low-cardinality code; or, with `code` nil, the system of any other token value.
struct CardCode: Hashable, Comparable {
    let parameter: UInt16
    let system: String?
    let code: String?

    static func < (left: CardCode, right: CardCode) -> Bool {
        if left.parameter != right.parameter { return left.parameter < right.parameter }
        if left.system != right.system { return precedes(left.system, right.system) }
        return precedes(left.code, right.code)
    }
}

private func precedes(_ left: String?, _ right: String?) -> Bool {
    guard let right else { return false }
    return left.map { $0.utf8.lexicographicallyPrecedes(right.utf8) } ?? true
}
