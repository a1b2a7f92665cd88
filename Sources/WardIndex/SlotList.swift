/// Position of a record in the columns; grows with the record number.
typealias Slot = UInt32

/// Many short ascending lists of slots: a list of one costs four bytes, at its owner.
struct SlotLists {
    private var lists: [[Slot]] = []

    /// Value of an owner's head for the empty list.
    static let empty: UInt32 = .max
    private static let isList: UInt32 = 1 << 31

    /// The slots behind a head.
    func slots(_ head: UInt32) -> [Slot] {
        if head == Self.empty { return [] }
        return head & Self.isList == 0 ? [head] : lists[Int(head & ~Self.isList)]
    }

    func count(_ head: UInt32) -> Int {
        if head == Self.empty { return 0 }
        return head & Self.isList == 0 ? 1 : lists[Int(head & ~Self.isList)].count
    }

    /// Appends a slot that is not below those present; repetitions count once.
    mutating func append(_ slot: Slot, to head: inout UInt32) {
        if head == Self.empty {
            head = slot
        } else if head & Self.isList == 0 {
            guard head != slot else { return }
            lists.append([head, slot])
            head = UInt32(lists.count - 1) | Self.isList
        } else {
            let index = Int(head & ~Self.isList)
            if lists[index].last != slot { lists[index].append(slot) }
        }
    }
}

/// Where slots go when dead ones are dropped, or when records came out of order.
struct SlotMap {
    /// By old slot; nil-like ``dropped`` for the dead.
    let targets: [Slot]
    /// Whether the order of the kept slots is unchanged.
    let isMonotone: Bool

    static let dropped: Slot = .max

    func mapped(_ slots: [Slot]) -> [Slot] {
        var result: [Slot] = []
        result.reserveCapacity(slots.count)
        for slot in slots where targets[Int(slot)] != Self.dropped { result.append(targets[Int(slot)]) }
        if !isMonotone { result.sort() }
        return result
    }

    /// Indexes of the kept entries of a column, in their new order.
    func kept(_ slots: [Slot]) -> [Int] {
        let kept = slots.indices.filter { targets[Int(slots[$0])] != Self.dropped }
        if isMonotone { return kept }
        return kept.sorted { (targets[Int(slots[$0])], $0) < (targets[Int(slots[$1])], $1) }
    }
}

/// Records that may match, and those of them that must be opened to know. Both ascending.
struct Hits {
    var maybe: [Slot]
    var unsure: [Slot]

    init(maybe: [Slot], unsure: [Slot] = []) {
        self.maybe = maybe
        self.unsure = unsure
    }

    static let none = Hits(maybe: [])

    var sure: [Slot] { unsure.isEmpty ? maybe : subtracting(maybe, unsure) }

    func and(_ other: Hits) -> Hits {
        let both = intersection(maybe, other.maybe)
        if unsure.isEmpty && other.unsure.isEmpty { return Hits(maybe: both) }
        return Hits(maybe: both, unsure: intersection(union(unsure, other.unsure), both))
    }

    func or(_ other: Hits) -> Hits {
        if maybe.isEmpty { return other }
        if other.maybe.isEmpty { return self }
        let all = union(maybe, other.maybe)
        if unsure.isEmpty && other.unsure.isEmpty { return Hits(maybe: all) }
        return Hits(maybe: all, unsure: subtracting(all, union(sure, other.sure)))
    }

    /// NOT among `all`: what was sure goes, what was unsure stays so.
    func complement(in all: [Slot]) -> Hits {
        Hits(maybe: subtracting(all, sure), unsure: unsure.isEmpty ? [] : intersection(all, unsure))
    }

    func restricted(to slots: [Slot]) -> Hits {
        Hits(maybe: intersection(slots, maybe), unsure: unsure.isEmpty ? [] : intersection(slots, unsure))
    }
}

/// Intersection of two ascending lists; gallops through the longer one.
func intersection(_ left: [Slot], _ right: [Slot]) -> [Slot] {
    let (short, long) = left.count <= right.count ? (left, right) : (right, left)
    var result: [Slot] = []
    guard !short.isEmpty else { return result }
    result.reserveCapacity(short.count)
    var position = 0
    if short.count > long.count / 16 {
        for slot in short {
            while position < long.count, long[position] < slot { position += 1 }
            guard position < long.count else { break }
            if long[position] == slot { result.append(slot) }
        }
    } else {
        for slot in short {
            position = lowerBound(long, slot, from: position)
            guard position < long.count else { break }
            if long[position] == slot { result.append(slot) }
        }
    }
    return result
}

/// Union of two ascending lists.
func union(_ left: [Slot], _ right: [Slot]) -> [Slot] {
    if left.isEmpty { return right }
    if right.isEmpty { return left }
    var result: [Slot] = []
    result.reserveCapacity(left.count + right.count)
    var (first, second) = (0, 0)
    while first < left.count, second < right.count {
        if left[first] < right[second] {
            result.append(left[first])
            first += 1
        } else {
            if left[first] == right[second] { first += 1 }
            result.append(right[second])
            second += 1
        }
    }
    result.append(contentsOf: left[first...])
    result.append(contentsOf: right[second...])
    return result
}

/// Members of `left` that are not in `right`, both ascending.
func subtracting(_ left: [Slot], _ right: [Slot]) -> [Slot] {
    if right.isEmpty { return left }
    var result: [Slot] = []
    result.reserveCapacity(left.count)
    var position = 0
    for slot in left {
        while position < right.count, right[position] < slot { position += 1 }
        if position == right.count || right[position] != slot { result.append(slot) }
    }
    return result
}

/// First index at or after `start` whose slot is not below `slot`: doubling steps, then halving.
func lowerBound(_ slots: [Slot], _ slot: Slot, from start: Int) -> Int {
    var low = start
    var step = 1
    while low + step < slots.count, slots[low + step] < slot {
        low += step
        step *= 2
    }
    var high = min(low + step, slots.count)
    while low < high {
        let middle = (low + high) / 2
        if slots[middle] < slot { low = middle + 1 } else { high = middle }
    }
    return low
}
