internal import WardFHIR

extension IndexState {
    /// Slots in the order of `_sort`: newest first without one, missing values last, ties newest first.
    func ordered(_ slots: [Slot], by query: SearchQuery) -> [Slot] {
        guard let first = query.sort.first else { return slots.reversed() }
        // Commit order is the order of `_lastUpdated`.
        if first.code == "_lastUpdated" { return first.isDescending ? slots.reversed() : slots }
        var parameters: [UInt8: [UInt16?]] = [:]
        for plan in query.plans { parameters[plan.type.code] = plan.sortParameters }
        let rows = slots.map { slot in
            let numbers = parameters[typeCode(slot)] ?? []
            return zip(query.sort, numbers).map { key, number -> SortKey in
                guard let number else { return key.isDescending ? .descending(Int64(slot)) : .ascending(Int64(slot)) }
                guard let value = dates[number]?.sortKey(slot, isDescending: key.isDescending) else { return .missing }
                return key.isDescending ? .descending(value) : .ascending(value)
            }
        }
        return slots.indices.sorted { left, right in
            for (a, b) in zip(rows[left], rows[right]) where a != b { return a.precedes(b) }
            return slots[left] > slots[right]
        }.map { slots[$0] }
    }
}

private enum SortKey: Hashable {
    case ascending(Int64)
    case descending(Int64)
    case missing

    func precedes(_ other: SortKey) -> Bool {
        switch (self, other) {
        case (.ascending(let left), .ascending(let right)): left < right
        case (.descending(let left), .descending(let right)): left > right
        case (_, .missing): self != .missing
        default: false
        }
    }
}
