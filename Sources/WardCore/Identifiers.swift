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
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            if index < 8 { high = high << 8 | UInt64(byte) } else { low = low << 8 | UInt64(byte) }
        }
        self.init(high: high, low: low)
    }

    /// 16 bytes, big endian.
    public var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(8 * (7 - $0 % 8))) }
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
