internal import WardCore
internal import WardFHIR

/// Everything the index knows, in memory. Structures may name dead slots; results are filtered.
struct IndexState {
    // By slot. INVARIANT: record numbers ascend.
    private(set) var records: [Int64] = []
    private(set) var isLive: [Bool] = []
    private var locatorNumbers: [UInt32] = []
    private(set) var updated: [Int64] = []
    private var typeCodes: [UInt8] = []
    private var deadCount = 0

    /// By type code: slots, dead ones included.
    private(set) var slotsOfType: [[Slot]] = Array(repeating: [], count: 256)
    private(set) var liveCounts: [Int] = Array(repeating: 0, count: 256)
    /// By type code: how often records of the type came or went.
    private(set) var revisions: [UInt64] = Array(repeating: 0, count: 256)
    private(set) var locators = LocatorTable()
    private(set) var tokens = TokenTable()
    private(set) var dates: [UInt16: DateColumn] = [:]
    private(set) var numbers: [UInt16: NumberColumn] = [:]
    private(set) var quantities: [UInt16: QuantityColumn] = [:]
    /// By token of the first component.
    private(set) var pairs: [Int64: QuantityColumn] = [:]
    private(set) var texts: [UInt16: TextColumn] = [:]
    private(set) var codes: [UInt16: CodeColumn] = [:]
    private(set) var links: [UInt16: LinkColumn] = [:]
    private(set) var present: [UInt16: [Slot]] = [:]
    private(set) var undecided: [UInt16: [Slot]] = [:]

    /// Takes over what a commit changed.
    mutating func apply(_ changes: [IndexChange]) {
        var isAscending = true
        for case .add(let record, let locator, let card) in changes {
            if let last = records.last, record.value <= last {
                // Late, or the same record again as when a start-up overlaps with a commit: the newer card counts.
                if let slot = find(record, isAscending: isAscending) { kill(slot) }
                isAscending = false
            }
            add(record, locator, card)
        }
        for case .remove(let record) in changes {
            if let slot = find(record, isAscending: isAscending) { kill(slot) }
        }
        if !isAscending || deadCount * 4 > records.count && records.count > 1024 { compact() }
    }

    private func find(_ record: RecordNumber, isAscending: Bool) -> Slot? {
        isAscending ? slot(of: record) : records.lastIndex(of: record.value).map { Slot($0) }
    }

    /// Slot of a record number; nil if the index never had it.
    func slot(of record: RecordNumber) -> Slot? {
        var (low, high) = (0, records.count)
        while low < high {
            let middle = (low + high) / 2
            if records[middle] < record.value { low = middle + 1 } else { high = middle }
        }
        return low < records.count && records[low] == record.value ? Slot(low) : nil
    }

    func locator(_ slot: Slot) -> Locator { locators.locators[Int(locatorNumbers[Int(slot)])] }

    func typeCode(_ slot: Slot) -> UInt8 { typeCodes[Int(slot)] }

    mutating func sortTexts(_ parameter: UInt16) { texts[parameter]?.sortIfNeeded() }

    private mutating func kill(_ slot: Slot) {
        guard isLive[Int(slot)] else { return }
        isLive[Int(slot)] = false
        deadCount += 1
        liveCounts[Int(typeCodes[Int(slot)])] -= 1
        revisions[Int(typeCodes[Int(slot)])] += 1
        let number = locatorNumbers[Int(slot)]
        if locators.slot(number) == slot { locators.setSlot(nil, of: number) }
    }

    private mutating func add(_ record: RecordNumber, _ locator: Locator, _ card: IndexCard) {
        let slot = Slot(records.count)
        let number = locators.intern(locator)
        // One current version each: the higher record number wins, whatever the order of arrival.
        let older = locators.slot(number)
        let isSuperseded = older.map { records[Int($0)] > record.value } ?? false
        if let older, !isSuperseded { kill(older) }
        records.append(record.value)
        isLive.append(true)
        locatorNumbers.append(number)
        updated.append(card.lastUpdated.microseconds)
        typeCodes.append(card.type.code)
        slotsOfType[Int(card.type.code)].append(slot)
        liveCounts[Int(card.type.code)] += 1
        revisions[Int(card.type.code)] += 1
        if isSuperseded { kill(slot) } else { locators.setSlot(slot, of: number) }
        for token in card.tokens { tokens.add(token, slot) }
        for date in card.dates { dates[date.parameter, default: DateColumn()].append(slot, date) }
        for entry in card.numbers { numbers[entry.parameter, default: NumberColumn()].append(slot, entry) }
        for entry in card.quantities { quantities[entry.parameter, default: QuantityColumn()].append(slot, entry) }
        for pair in card.pairs { pairs[pair.first, default: QuantityColumn()].append(slot, pair.second) }
        for text in card.texts { texts[text.parameter, default: TextColumn()].append(slot, text.folded) }
        for code in card.codes { codes[code.parameter, default: CodeColumn()].append(slot, code) }
        for link in card.links {
            let target = locators.intern(link.target)
            links[link.parameter, default: LinkColumn()].append(slot, target)
        }
        for parameter in card.present { present[parameter, default: []].append(slot) }
        for parameter in card.undecided { undecided[parameter, default: []].append(slot) }
    }

    /// Drops the dead and puts record numbers in order.
    private mutating func compact() {
        let kept = records.indices.filter { isLive[$0] }.sorted { records[$0] < records[$1] }
        var targets = [Slot](repeating: SlotMap.dropped, count: records.count)
        for (target, slot) in kept.enumerated() { targets[slot] = Slot(target) }
        let isMonotone = zip(kept, kept.dropFirst()).allSatisfy { $0 < $1 }
        let map = SlotMap(targets: targets, isMonotone: isMonotone)
        let old = locators.locators
        var fresh = LocatorTable()
        locatorNumbers = kept.enumerated().map { target, slot in
            let number = fresh.intern(old[Int(locatorNumbers[slot])])
            fresh.setSlot(Slot(target), of: number)
            return number
        }
        links = links.mapValues { column in column.remapped(map) { fresh.intern(old[Int($0)]) } }
        locators = fresh
        records = kept.map { records[$0] }
        updated = kept.map { updated[$0] }
        typeCodes = kept.map { typeCodes[$0] }
        isLive = Array(repeating: true, count: kept.count)
        deadCount = 0
        slotsOfType = slotsOfType.map(map.mapped)
        tokens = tokens.remapped(map)
        dates = dates.mapValues { $0.remapped(map) }
        numbers = numbers.mapValues { $0.remapped(map) }
        quantities = quantities.mapValues { $0.remapped(map) }
        pairs = pairs.mapValues { $0.remapped(map) }.filter { !$0.value.slots.isEmpty }
        texts = texts.mapValues { $0.remapped(map) }
        codes = codes.mapValues { $0.remapped(map) }
        present = present.mapValues(map.mapped)
        undecided = undecided.mapValues(map.mapped)
    }
}
