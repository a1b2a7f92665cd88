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
