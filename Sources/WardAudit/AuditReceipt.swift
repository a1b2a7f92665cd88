public import WardCore
public import WardCrypto

/// Proof that an event is durable in the log: its place and what the tree commits to there.
///
/// Only ``AuditLog`` makes one, after the commit. A client that keeps it can ask for the inclusion proof later.
public struct AuditReceipt: Hashable, Sendable {
    /// Leaf index of the event's first leaf.
    public let index: Int64
    public let leafHash: Digest

    // Internal on purpose: a receipt made elsewhere would claim a durability nobody checked.
    init(index: Int64, leafHash: Digest) {
        self.index = index
        self.leafHash = leafHash
    }

    /// `index:hex`, as the `Ward-Audit-Receipt` header carries it.
    public var headerValue: String { "\(index):\(hex(leafHash.bytes))" }
}

/// What one submission to the log achieved.
public struct Committed: Sendable {
    public let receipt: AuditReceipt
    /// Numbers given to the writes, in their order.
    public let records: [RecordNumber]

    init(receipt: AuditReceipt, records: [RecordNumber]) {
        self.receipt = receipt
        self.records = records
    }
}

extension AuditReceipt {
    /// What a `Ward-Audit-Receipt` header claims, to be held against a proof; nil if it is none.
    public static func claim(_ header: String) -> (index: Int64, leafHash: Digest)? {
        let parts = header.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Int64(parts[0]), index >= 0, String(index) == parts[0] else { return nil }
        let digits = Array(parts[1].utf8)
        guard digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        for place in stride(from: 0, to: 64, by: 2) {
            guard let byte = UInt8(String(decoding: digits[place..<place + 2], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        guard let hash = Digest(bytes: bytes), hex(bytes) == parts[1] else { return nil }
        return (index: index, leafHash: hash)
    }
}
