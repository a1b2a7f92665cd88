internal import WardFHIR

/// Folded strings of one parameter: each distinct text once, with its slots.
struct TextColumn {
    private var numbers: [String: UInt32] = [:]
    private var texts: [String] = []
    private var heads: [UInt32] = []
    private var lists = SlotLists()
    /// Numbers of the first ``sortedCount`` texts in byte order; the rest is read through.
    private var sorted: [UInt32] = []
    private var sortedCount = 0

    mutating func append(_ slot: Slot, _ folded: String) {
        if let number = numbers[folded] {
            lists.append(slot, to: &heads[Int(number)])
        } else {
            numbers[folded] = UInt32(texts.count)
            texts.append(folded)
            heads.append(SlotLists.empty)
            lists.append(slot, to: &heads[heads.count - 1])
        }
    }

    /// Brings the sorted part up to date when the unsorted rest has grown. Queries call it first.
    mutating func sortIfNeeded() {
        guard texts.count - sortedCount > max(256, sortedCount / 8) else { return }
        sorted = texts.indices.map { UInt32($0) }
        let texts = texts
        sorted.sort { texts[Int($0)].utf8.lexicographicallyPrecedes(texts[Int($1)].utf8) }
        sortedCount = texts.count
    }

    /// `:exact` compares what was written, which only the re-check sees.
    func hits(_ test: StringTest, _ wanted: String) -> Hits {
        let folded = SearchFold.folded(wanted)
        switch test {
        case .startsWith: return Hits(maybe: slots(starting(with: folded)))
        case .contains:
            return Hits(maybe: slots(texts.indices.filter { SearchFold.contains(texts[$0], folded) }))
        case .exact:
            let found = slots(numbers[folded].map { [Int($0)] } ?? [])
            return Hits(maybe: found, unsure: found)
        }
    }

    private func starting(with prefix: String) -> [Int] {
        var (low, high) = (0, sortedCount)
        while low < high {
            let middle = (low + high) / 2
            if texts[Int(sorted[middle])].utf8.lexicographicallyPrecedes(prefix.utf8) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        var result: [Int] = []
        while low < sortedCount, texts[Int(sorted[low])].utf8.starts(with: prefix.utf8) {
            result.append(Int(sorted[low]))
            low += 1
        }
        for number in sortedCount..<texts.count where texts[number].utf8.starts(with: prefix.utf8) {
            result.append(number)
        }
        return result
    }

    private func slots(_ numbers: [Int]) -> [Slot] { unionOfMany(numbers.map { lists.slots(heads[$0]) }) }

    func remapped(_ map: SlotMap) -> TextColumn {
        var result = TextColumn()
        for (text, head) in zip(texts, heads) {
            for slot in map.mapped(lists.slots(head)) { result.append(slot, text) }
        }
        return result
    }
}

/// Low-cardinality codes, and systems, of one parameter.
struct CodeColumn {
    private struct Entry: Hashable {
        let system: String?
        let code: String?
    }

    private var numbers: [Entry: Int] = [:]
    private var entries: [Entry] = []
    private var heads: [UInt32] = []
    private var lists = SlotLists()

    mutating func append(_ slot: Slot, _ code: CardCode) {
        let entry = Entry(system: code.system, code: code.code)
        let number: Int
        if let known = numbers[entry] {
            number = known
        } else {
            number = entries.count
            numbers[entry] = number
            entries.append(entry)
            heads.append(SlotLists.empty)
        }
        lists.append(slot, to: &heads[number])
    }

    func hits(_ set: CodeSet) -> Hits {
        let matching = entries.indices.filter { set.contains(system: entries[$0].system, code: entries[$0].code) }
        return Hits(maybe: unionOfMany(matching.map { lists.slots(heads[$0]) }))
    }

    func hits(_ test: TokenTest) -> Hits {
        let matching: (Entry) -> Bool
        switch test {
        case .code(let code):
            let folded = SearchFold.foldedCode(code)
            matching = { $0.code == folded }
        case .codeWithoutSystem(let code):
            let folded = SearchFold.foldedCode(code)
            matching = { $0.system == nil && $0.code == folded }
        case .system(let system): matching = { $0.system == system }
        case .coded(let system, let code):
            let folded = SearchFold.foldedCode(code)
            matching = { $0.system == system && $0.code == folded }
        }
        return Hits(maybe: unionOfMany(entries.indices.filter { matching(entries[$0]) }.map { lists.slots(heads[$0]) }))
    }

    func remapped(_ map: SlotMap) -> CodeColumn {
        var result = CodeColumn()
        for (entry, head) in zip(entries, heads) {
            for slot in map.mapped(lists.slots(head)) {
                result.append(slot, CardCode(parameter: 0, system: entry.system, code: entry.code))
            }
        }
        return result
    }
}

/// Union of ascending lists: by merging when few, by sorting when many.
func unionOfMany(_ lists: [[Slot]]) -> [Slot] {
    guard lists.count > 4 else { return lists.reduce([], union) }
    let all = lists.flatMap { $0 }.sorted()
    var result: [Slot] = []
    result.reserveCapacity(all.count)
    for slot in all where result.last != slot { result.append(slot) }
    return result
}
