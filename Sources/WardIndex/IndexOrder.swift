internal import WardFHIR

extension IndexState {
    /// Slots in the order of `_sort`: newest first without one, missing values last, ties newest first.
    func ordered(_ slots: [Slot], by query: SearchQuery) -> [Slot] {
        guard let first = query.sort.first else { return slots.reversed() }
        // Commit order is the order of `_lastUpdated`.
        if first.code == "_lastUpdated" { return first.isDescending ? slots.reversed() : slots }
        var parameters: [[UInt16?]] = Array(repeating: [], count: 256)
        for plan in query.plans { parameters[Int(plan.type.code)] = plan.sortParameters }
        let width = query.sort.count
        var keys: [SortKey] = []
        keys.reserveCapacity(slots.count * width)
        for slot in slots {
            let numbers = parameters[Int(typeCode(slot))]
            for (position, key) in query.sort.enumerated() {
                guard let number = numbers[position] else {
                    keys.append(SortKey(Int64(slot), isDescending: key.isDescending))
                    continue
                }
                let value = dates[number]?.sortKey(slot, isDescending: key.isDescending)
                keys.append(value.map { SortKey($0, isDescending: key.isDescending) } ?? .missing)
            }
        }
        let order = slots.indices.sorted { left, right in
            for position in 0..<width {
                let (a, b) = (keys[left * width + position], keys[right * width + position])
                if a != b { return a < b }
            }
            return left > right
        }
        return order.map { slots[$0] }
    }
}

/// Ascending in the wanted order.
private struct SortKey: Comparable {
    private let isMissing: Bool
    private let value: Int64

    /// Descending values are complemented, which turns their order around without overflow.
    init(_ value: Int64, isDescending: Bool) {
        isMissing = false
        self.value = isDescending ? ~value : value
    }

    private init() {
        isMissing = true
        value = 0
    }

    static let missing = SortKey()

    static func < (left: SortKey, right: SortKey) -> Bool {
        left.isMissing == right.isMissing ? left.value < right.value : right.isMissing
    }
}
