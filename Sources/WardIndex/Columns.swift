internal import WardFHIR

/// A column of entries sorted by slot, several for one slot allowed.
protocol EntryColumn {
    /// Slot of each entry.
    var slots: [Slot] { get }
    associatedtype Test
    func verdict(at index: Int, _ test: Test) -> SearchVerdict
}

extension EntryColumn {
    /// Slots with an entry that passes or may pass; nil candidates are all.
    func hits(_ test: Test, among candidates: [Slot]?) -> Hits {
        var hits = Hits.none
        guard let candidates, candidates.count < slots.count / 8 else {
            var index = 0
            while index < slots.count {
                let slot = slots[index]
                var best = SearchVerdict.no
                while index < slots.count, slots[index] == slot {
                    if best != .yes { best = max(best, verdict(at: index, test)) }
                    index += 1
                }
                hits.append(slot, best)
            }
            return candidates.map(hits.restricted) ?? hits
        }
        var index = 0
        for slot in candidates {
            index = lowerBound(slots, slot, from: index)
            var best = SearchVerdict.no
            while index < slots.count, slots[index] == slot {
                best = max(best, verdict(at: index, test))
                index += 1
            }
            hits.append(slot, best)
        }
        return hits
    }
}

extension Hits {
    /// Appends a slot above all present.
    mutating func append(_ slot: Slot, _ verdict: SearchVerdict) {
        guard verdict != .no else { return }
        maybe.append(slot)
        if verdict == .unsure { unsure.append(slot) }
    }
}

/// Dates as closed intervals; decided exactly.
struct DateColumn: EntryColumn {
    private(set) var slots: [Slot] = []
    private var lows: [Int64] = []
    private var highs: [Int64] = []

    mutating func append(_ slot: Slot, _ date: CardDate) {
        slots.append(slot)
        lows.append(date.low)
        highs.append(date.high)
    }

    func verdict(at index: Int, _ test: DateTest) -> SearchVerdict {
        SearchVerdict(test.matches(low: lows[index], high: highs[index]))
    }

    /// What a slot sorts by: its lowest start, or its highest end; nil without a value.
    func sortKey(_ slot: Slot, isDescending: Bool) -> Int64? {
        var index = lowerBound(slots, slot, from: 0)
        var key: Int64?
        while index < slots.count, slots[index] == slot {
            key = isDescending ? max(key ?? .min, highs[index]) : min(key ?? .max, lows[index])
            index += 1
        }
        return key
    }

    func remapped(_ map: SlotMap) -> DateColumn {
        var result = DateColumn()
        let kept = map.kept(slots)
        result.slots = kept.map { map.targets[Int(slots[$0])] }
        result.lows = kept.map { lows[$0] }
        result.highs = kept.map { highs[$0] }
        return result
    }
}

/// Keys of numbers; ties are unsure.
struct NumberColumn: EntryColumn {
    private(set) var slots: [Slot] = []
    private var lows: [Double] = []
    private var highs: [Double] = []

    mutating func append(_ slot: Slot, _ number: CardNumber) {
        slots.append(slot)
        lows.append(number.low)
        highs.append(number.high)
    }

    func verdict(at index: Int, _ test: NumberTest) -> SearchVerdict {
        test.verdict(lowKey: lows[index], highKey: highs[index])
    }

    func remapped(_ map: SlotMap) -> NumberColumn {
        var result = NumberColumn()
        let kept = map.kept(slots)
        result.slots = kept.map { map.targets[Int(slots[$0])] }
        result.lows = kept.map { lows[$0] }
        result.highs = kept.map { highs[$0] }
        return result
    }
}

/// Keys of quantities with the number of their unit; a unit is decided once for all its entries.
struct QuantityColumn: EntryColumn {
    private(set) var slots: [Slot] = []
    private var lows: [Double] = []
    private var highs: [Double] = []
    private var units: [UInt32] = []
    private var known: [QuantityUnit] = []
    private var numbers: [QuantityUnit: UInt32] = [:]

    /// A literal, and which of the known units it speaks of.
    struct Test {
        let number: NumberTest
        /// In the unit of the dimension; nil if nothing converts.
        let scaled: NumberTest?
        let units: [Relation]
    }

    /// How a unit stands to the one asked for.
    enum Relation {
        case other, same
        /// So many of the dimension's own unit.
        case converted(Double)
    }

    mutating func append(_ slot: Slot, _ quantity: CardQuantity) {
        slots.append(slot)
        lows.append(quantity.low)
        highs.append(quantity.high)
        if let number = numbers[quantity.unit] {
            units.append(number)
        } else {
            let number = UInt32(known.count)
            numbers[quantity.unit] = number
            known.append(quantity.unit)
            units.append(number)
        }
    }

    func test(_ number: NumberTest, _ unit: UnitTest) -> Test {
        let asked = unit.unit
        let units = known.map { found -> Relation in
            if unit.matches(system: found.system, code: found.code, unit: found.unit) { return .same }
            guard let asked, let other = UnitTable.unit(system: found.system, code: found.code),
                other.isComparable(with: asked), let factor = NumberTest.key(other.factor)
            else { return .other }
            return .converted(factor)
        }
        return Test(number: number, scaled: asked.flatMap { number.scaled(by: $0.factor) }, units: units)
    }

    func verdict(at index: Int, _ test: Test) -> SearchVerdict {
        switch test.units[Int(units[index])] {
        case .other: return .no
        case .same: return test.number.verdict(lowKey: lows[index], highKey: highs[index])
        case .converted(let factor):
            return test.scaled?.verdict(roundedLowKey: lows[index] * factor, roundedHighKey: highs[index] * factor)
                ?? .unsure
        }
    }

    func remapped(_ map: SlotMap) -> QuantityColumn {
        var result = QuantityColumn()
        for index in map.kept(slots) {
            let parameter: UInt16 = 0
            result.append(
                map.targets[Int(slots[index])],
                CardQuantity(
                    parameter: parameter, low: lows[index], high: highs[index], unit: known[Int(units[index])]))
        }
        return result
    }
}

/// References to records here, by number of the target's locator.
struct LinkColumn: EntryColumn {
    private(set) var slots: [Slot] = []
    private var targets: [UInt32] = []

    mutating func append(_ slot: Slot, _ target: UInt32) {
        slots.append(slot)
        targets.append(target)
    }

    /// - Parameter marked: by number of the target's locator.
    func verdict(at index: Int, _ marked: [Bool]) -> SearchVerdict { SearchVerdict(marked[Int(targets[index])]) }

    func targets(of slot: Slot) -> [UInt32] {
        var result: [UInt32] = []
        var index = lowerBound(slots, slot, from: 0)
        while index < slots.count, slots[index] == slot {
            result.append(targets[index])
            index += 1
        }
        return result
    }

    func remapped(_ map: SlotMap, _ renumber: (UInt32) -> UInt32) -> LinkColumn {
        var result = LinkColumn()
        for index in map.kept(slots) { result.append(map.targets[Int(slots[index])], renumber(targets[index])) }
        return result
    }
}
