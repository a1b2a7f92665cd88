/// A hash table from (owner, text) to a number that is asked with bytes, so that no String is built on the way.
///
/// Open addressing over arrays; the contents come from the generated table only, so no seed is needed.
struct ByteTable: Sendable {
    private struct Entry {
        let owner: UInt32
        let payload: UInt32
        let offset: Int
        let count: Int
    }

    private var pool: [UInt8] = []
    private var entries: [Entry] = []
    private var slots: [UInt16]
    private let mask: Int

    /// A table for fewer entries than `slotCount`, which is a power of two.
    init(slotCount: Int) {
        slots = Array(repeating: .max, count: slotCount)
        mask = slotCount - 1
    }

    /// Adds `parts`, joined.
    mutating func insert(owner: UInt32, _ parts: ArraySlice<UInt8>..., payload: UInt32) {
        let offset = pool.count
        for part in parts { pool += part }
        entries.append(Entry(owner: owner, payload: payload, offset: offset, count: pool.count - offset))
        var slot = Self.hash(owner, pool.span.extracting(offset..<pool.count)) & mask
        while slots[slot] != .max { slot = (slot + 1) & mask }
        slots[slot] = UInt16(entries.count - 1)
    }

    /// The number stored for `text`.
    func find(owner: UInt32, _ text: Span<UInt8>) -> UInt32? {
        var slot = Self.hash(owner, text) & mask
        let stored = pool.span
        while slots[slot] != .max {
            let entry = entries[Int(slots[slot])]
            if entry.owner == owner, entry.count == text.count {
                var same = 0
                while same < text.count, stored[entry.offset + same] == text[same] { same += 1 }
                if same == text.count { return entry.payload }
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    func find(owner: UInt32, _ text: ArraySlice<UInt8>) -> UInt32? { find(owner: owner, text.span) }

    private static func hash(_ owner: UInt32, _ text: Span<UInt8>) -> Int {
        var sum = UInt64(owner) &* 0x9E37_79B9_7F4A_7C15
        for index in text.indices { sum = (sum ^ UInt64(text[index])) &* 0x0000_0100_0000_01B3 }
        return Int(truncatingIfNeeded: (sum ^ sum >> 29) & 0x7FFF_FFFF)
    }
}
