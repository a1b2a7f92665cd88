/// The part of ``DefinitionTable`` about search: lines `B`, `P`, `K`, `M`.
struct SearchSection {
    /// Positions of its lines.
    var lines: [Int] = []
    private(set) var parameters: [SearchParameter] = []
    private(set) var table = ByteTable(slotCount: 8192)
    private(set) var ranges: [Range<Int>] = []
    private(set) var compartments: [[UInt16]] = []

    mutating func read(
        _ all: [ArraySlice<UInt8>], resourceNames: ArraySlice<String>, types: ByteTable, valueSets: ByteTable
    ) {
        var group: [ArraySlice<UInt8>] = []
        for index in lines {
            if all[index].first == 0x42, !group.isEmpty {
                readGroup(group, types: types, valueSets: valueSets, count: resourceNames.count)
                group.removeAll(keepingCapacity: true)
            }
            group.append(all[index])
        }
        if !group.isEmpty { readGroup(group, types: types, valueSets: valueSets, count: resourceNames.count) }
    }

    /// Everything of one base type. Codes first: components name parameters that may follow.
    private mutating func readGroup(
        _ group: [ArraySlice<UInt8>], types: ByteTable, valueSets: ByteTable, count: Int
    ) {
        let base = ResourceType(uncheckedCode: UInt8(ranges.count))
        let owner = UInt32(base.code)
        let start = parameters.count
        var next = start
        for line in group where line.first == 0x50 {
            let code = line.dropFirst(2).prefix { $0 != 0x20 }
            table.insert(owner: owner, code, payload: UInt32(next))
            next += 1
        }
        var compartment: [UInt16] = []
        for (position, line) in group.enumerated() {
            if line.first == 0x50 {
                let components = group[(position + 1)...].prefix { $0.first == 0x4B }
                    .compactMap { component(owner, $0) }
                parameters.append(
                    parameter(
                        line, base: base, components: components, types: types, valueSets: valueSets, count: count))
            } else if line.first == 0x4D {
                compartment = line.dropFirst(2).split(separator: 0x2C)
                    .compactMap { table.find(owner: owner, $0).map { UInt16($0) } }
            }
        }
        ranges.append(start..<parameters.count)
        compartments.append(compartment)
    }

    private func component(_ owner: UInt32, _ line: ArraySlice<UInt8>) -> SearchComponent? {
        let fields = line.split(separator: 0x20, maxSplits: 2)
        guard fields.count == 3, let number = table.find(owner: owner, fields[1]) else { return nil }
        return SearchComponent(parameter: UInt16(number), expression: String(decoding: fields[2], as: UTF8.self))
    }

    private func parameter(
        _ line: ArraySlice<UInt8>, base: ResourceType, components: [SearchComponent], types: ByteTable,
        valueSets: ByteTable, count: Int
    ) -> SearchParameter {
        let fields = line.split(separator: 0x20, maxSplits: 5)
        let targets: [ResourceType] =
            switch fields[4].first {
            case 0x2A: (0..<UInt8(count)).map { ResourceType(uncheckedCode: $0) }
            case 0x2D: []
            default:
                fields[4].split(separator: 0x2C).compactMap {
                    types.find(owner: 0, $0).map { ResourceType(uncheckedCode: UInt8($0)) }
                }
            }
        return SearchParameter(
            number: UInt16(parameters.count), base: base, code: String(decoding: fields[1], as: UTF8.self),
            type: SearchParameterType(rawValue: String(decoding: fields[2], as: UTF8.self)) ?? .special,
            expression: fields.count > 5 ? String(decoding: fields[5], as: UTF8.self) : "", targets: targets,
            components: components, isLowCardinality: fields[3].first == 0x4C,
            valueSet: valueSets.find(owner: 0, fields[3].dropFirst(2)).map { Int($0) })
    }
}
