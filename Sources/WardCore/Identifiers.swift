/// One clinic's store; the first part of every storage key.
public struct TenantID: Hashable, Sendable {
    /// At most 2^32 tenants on one cluster.
    public let number: UInt32

    public init(_ number: UInt32) {
        self.number = number
    }

    /// The only tenant of a single machine.
    public static let single = TenantID(1)
}

/// Where a resource lies: a keyed token of `Type/id`, since ids that clients choose can be PHI.
public struct Locator: Hashable, Sendable {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads 16 bytes, big endian; nil for any other length.
    public init?(bytes: [UInt8]) {
        self.init(bytes: bytes[...])
    }

    /// As ``init(bytes:)`` for a part of an array.
    public init?(bytes: ArraySlice<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for index in bytes.startIndex..<bytes.startIndex + 8 { high = high << 8 | UInt64(bytes[index]) }
        for index in bytes.startIndex + 8..<bytes.endIndex { low = low << 8 | UInt64(bytes[index]) }
        self.init(high: high, low: low)
    }

    /// 16 bytes, big endian.
    public var bytes: [UInt8] {
        var output = [UInt8](repeating: 0, count: 16)
        for index in 0..<8 {
            output[index] = UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * index))
            output[index + 8] = UInt8(truncatingIfNeeded: low >> UInt64(56 - 8 * index))
        }
        return output
    }

    /// Stands for "no patient": records sealed under a key of the tenant.
    public static let none = Locator(high: 0, low: 0)
}

/// Commit order of a stored version: every version of every resource gets the next one.
public struct RecordNumber: Hashable, Comparable, Sendable {
    public let value: Int64

    public init(_ value: Int64) {
        self.value = value
    }

    public static func < (left: RecordNumber, right: RecordNumber) -> Bool { left.value < right.value }
}
