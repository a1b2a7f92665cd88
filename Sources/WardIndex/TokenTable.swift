internal import WardCore

/// Equality postings of the tail: token -> ascending slots. Open addressing; tokens are uniform already.
struct TokenTable {
    private var keys: [Int64] = Array(repeating: 0, count: 1024)
    private var heads: [UInt32] = Array(repeating: SlotLists.empty, count: 1024)
    private var lists = SlotLists()
    private var used = 0

    /// The seam for sealed segments: all slots of a token, ascending.
    func postings(_ token: Int64) -> [Slot] { lists.slots(heads[position(token)]) }

    mutating func add(_ token: Int64, _ slot: Slot) {
        if used * 4 >= keys.count * 3 { grow() }
        let index = position(token)
        if heads[index] == SlotLists.empty {
            keys[index] = token
            used += 1
        }
        lists.append(slot, to: &heads[index])
    }

    func remapped(_ map: SlotMap) -> TokenTable {
        var result = TokenTable()
        for (key, head) in zip(keys, heads) where head != SlotLists.empty {
            for slot in map.mapped(lists.slots(head)) { result.add(key, slot) }
        }
        return result
    }

    private func position(_ token: Int64) -> Int {
        let mask = keys.count - 1
        var index = Int(truncatingIfNeeded: token) & mask
        while heads[index] != SlotLists.empty, keys[index] != token { index = (index + 1) & mask }
        return index
    }

    private mutating func grow() {
        let (oldKeys, oldHeads) = (keys, heads)
        keys = Array(repeating: 0, count: oldKeys.count * 2)
        heads = Array(repeating: SlotLists.empty, count: oldKeys.count * 2)
        for (key, head) in zip(oldKeys, oldHeads) where head != SlotLists.empty {
            let index = position(key)
            keys[index] = key
            heads[index] = head
        }
    }
}

/// Locators of records and of link targets, each under a small number.
struct LocatorTable {
    private(set) var locators: [Locator] = []
    /// Current slot of a locator's record.
    private var slots: [Slot] = []
    private var buckets: [UInt32] = Array(repeating: .max, count: 1024)

    func number(of locator: Locator) -> UInt32? {
        let found = buckets[bucket(locator)]
        return found == .max ? nil : found
    }

    mutating func intern(_ locator: Locator) -> UInt32 {
        if locators.count * 4 >= buckets.count * 3 { grow() }
        let index = bucket(locator)
        if buckets[index] != .max { return buckets[index] }
        buckets[index] = UInt32(locators.count)
        locators.append(locator)
        slots.append(.max)
        return buckets[index]
    }

    /// By number: whether the locator is among those.
    func marked(_ wanted: Set<Locator>) -> [Bool] {
        var marked = [Bool](repeating: false, count: locators.count)
        for locator in wanted { if let number = number(of: locator) { marked[Int(number)] = true } }
        return marked
    }

    func slot(of locator: Locator) -> Slot? { number(of: locator).flatMap(slot) }

    func slot(_ number: UInt32) -> Slot? { slots[Int(number)] == .max ? nil : slots[Int(number)] }

    mutating func setSlot(_ slot: Slot?, of number: UInt32) { slots[Int(number)] = slot ?? .max }

    private func bucket(_ locator: Locator) -> Int {
        let mask = buckets.count - 1
        var index = Int(truncatingIfNeeded: locator.low) & mask
        while buckets[index] != .max, locators[Int(buckets[index])] != locator { index = (index + 1) & mask }
        return index
    }

    private mutating func grow() {
        buckets = Array(repeating: .max, count: buckets.count * 2)
        for number in locators.indices { buckets[bucket(locators[number])] = UInt32(number) }
    }
}
