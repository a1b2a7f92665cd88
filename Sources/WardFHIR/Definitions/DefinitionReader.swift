/// Reads ``DefinitionTable``: two passes over its lines, type names first, so that lines may name types that follow.
struct DefinitionReader {
    private let text: [UInt8]
    private var names: [String] = []
    private var types: [TypeRow] = []
    private var typeTable = ByteTable(slotCount: 2048)
    private var resourceCount = 0
    /// By type: rows as written, without inherited ones.
    private var ownElements: [[ElementRow]] = []
    private var elementTypes: [TypeID] = []
    private var valueSets = ByteTable(slotCount: 1024)
    private var codeLines: [[Range<Int>]] = []
    private var codeTable = ByteTable(slotCount: 32768)
    private var systemTable = ByteTable(slotCount: 1024)
    private var systemCount: UInt32 = 0
    private var targetSets: [ResourceTypeSet] = []
    private var targetNumbers: [ResourceTypeSet: Int] = [:]
    private var search = SearchSection()

    init() {
        text = DefinitionTable.text.withUTF8Buffer { unsafe Array($0) }
    }

    /// The table is part of the binary and covered by tests; a broken line would show as missing facts.
    consuming func read() -> Definitions {
        let lines = text.split(separator: 0x0A)
        for line in lines where line.first == 0x54 { addType(line) }
        for (index, line) in lines.enumerated() {
            switch line.first {
            case 0x42, 0x50, 0x4B, 0x4D: search.lines.append(index)
            case 0x43: addCodes(line)
            case 0x45: addElement(line)
            case 0x54: ownElements.append([])
            case 0x56: addValueSet(line)
            default: continue
            }
        }
        completeTypes(lines)
        let (elements, keyTable) = flattened()
        search.read(lines, resourceNames: names[..<resourceCount], types: typeTable, valueSets: valueSets)
        return Definitions(
            typeNames: Array(names[..<resourceCount]), searchParameters: search.parameters, text: text, names: names,
            types: types, elements: elements, elementTypes: elementTypes, typeTable: typeTable, keyTable: keyTable,
            codeTable: codeTable, systemTable: systemTable, codeLines: codeLines, targetSets: targetSets,
            parameterTable: search.table, parameterRanges: search.ranges, compartments: search.compartments)
    }

    // MARK: Types

    private mutating func addType(_ line: ArraySlice<UInt8>) {
        let fields = line.split(separator: 0x20)
        typeTable.insert(owner: 0, fields[1], payload: UInt32(names.count))
        names.append(String(decoding: fields[1], as: UTF8.self))
        if fields[3].first == 0x72 { resourceCount += 1 }
    }

    private func typeID(_ name: ArraySlice<UInt8>) -> TypeID? {
        typeTable.find(owner: 0, name).map { TypeID(index: UInt16($0)) }
    }

    private mutating func completeTypes(_ lines: [ArraySlice<UInt8>]) {
        for line in lines where line.first == 0x54 {
            let fields = line.split(separator: 0x20)
            let kind: TypeRow.Kind =
                switch fields[3].first {
                case 0x72: .resource
                case 0x61: .abstract
                case 0x70: .primitive
                case 0x62: .backbone
                default: .datatype
                }
            let primitive = kind == .primitive ? PrimitiveKind(rawValue: names[types.count]) : nil
            types.append(
                TypeRow(
                    kind: kind, primitive: primitive, base: typeID(fields[2]),
                    invariant: TypeInvariant(typeName: names[types.count])))
        }
    }

    private mutating func addElement(_ line: ArraySlice<UInt8>) {
        let fields = line.split(separator: 0x20)
        var flags: ElementRow.Flags = fields[2].first == 0x31 ? .required : []
        for letter in fields[4] {
            switch letter {
            case 0x63: flags.insert(.choice)
            case 0x6D: flags.insert(.modifier)
            case 0x71: flags.insert(.withoutComparator)
            case 0x73: flags.insert(.summary)
            case 0x78: flags.insert(.plain)
            default: continue
            }
        }
        let firstType = elementTypes.count
        elementTypes += fields[5].split(separator: 0x2C).compactMap(typeID)
        var valueSet: Int?
        var targets: Int?
        for field in fields[6...] {
            let value = field.dropFirst()
            if field.first == 0x3D { valueSet = valueSets.find(owner: 0, value).map { Int($0) } }
            if field.first == 0x3E { targets = targetSet(value) }
        }
        ownElements[ownElements.count - 1].append(
            ElementRow(
                name: fields[1].startIndex..<fields[1].endIndex, flags: flags,
                isCollection: fields[3].first == 0x2A, firstType: firstType,
                typeCount: elementTypes.count - firstType, valueSet: valueSet, targets: targets))
    }

    private mutating func targetSet(_ list: ArraySlice<UInt8>) -> Int {
        var set = ResourceTypeSet()
        for type in list.split(separator: 0x2C).compactMap(typeID) {
            set.insert(ResourceType(uncheckedCode: UInt8(type.index)))
        }
        if let known = targetNumbers[set] { return known }
        targetSets.append(set)
        targetNumbers[set] = targetSets.count - 1
        return targetSets.count - 1
    }

    /// Gives each type its inherited elements, and each element its JSON keys.
    private mutating func flattened() -> ([ElementRow], ByteTable) {
        var elements: [ElementRow] = []
        var keys = ByteTable(slotCount: 32768)
        for index in types.indices {
            var chain: [Int] = []
            var next: TypeID? = TypeID(index: UInt16(index))
            while let type = next {
                chain.append(Int(type.index))
                next = types[Int(type.index)].base
            }
            types[index].firstElement = elements.count
            for ancestor in chain.reversed() { elements += ownElements[ancestor] }
            types[index].elementCount = elements.count - types[index].firstElement
            for element in types[index].firstElement..<elements.count {
                let row = elements[element]
                if row.flags.contains(.required) {
                    types[index].required |= 1 << UInt64(element - types[index].firstElement)
                }
                addKeys(of: row, at: element, owner: UInt32(index), to: &keys)
            }
        }
        return (elements, keys)
    }

    private func addKeys(of row: ElementRow, at element: Int, owner: UInt32, to keys: inout ByteTable) {
        let name = text[row.name]
        let isChoice = row.flags.contains(.choice)
        let plain = KeyPayload(element: element, type: isChoice ? nil : elementTypes[row.firstType])
        keys.insert(owner: owner, name, payload: plain.rawValue)
        guard isChoice else { return }
        for type in elementTypes[row.firstType..<row.firstType + row.typeCount] {
            var suffix = Array(names[Int(type.index)].utf8)
            if let first = suffix.first, first >= 0x61 { suffix[0] = first - 0x20 }
            keys.insert(
                owner: owner, name, suffix[...], payload: KeyPayload(element: element, type: type).rawValue)
        }
    }

    // MARK: Codes

    private mutating func addValueSet(_ line: ArraySlice<UInt8>) {
        valueSets.insert(owner: 0, line.dropFirst(2), payload: UInt32(codeLines.count))
        codeLines.append([])
    }

    private mutating func addCodes(_ line: ArraySlice<UInt8>) {
        let fields = line.dropFirst(2).split(separator: 0x7C)
        let system = systemTable.find(owner: 0, fields[0]) ?? systemCount
        if system == systemCount {
            systemTable.insert(owner: 0, fields[0], payload: system)
            systemCount += 1
        }
        let valueSet = codeLines.count - 1
        codeLines[valueSet].append(line.startIndex + 2..<line.endIndex)
        for code in fields[1...] {
            codeTable.insert(owner: CodeOwner.any(valueSet: valueSet), code, payload: 0)
            codeTable.insert(owner: CodeOwner.of(valueSet: valueSet, system: system), code, payload: 0)
        }
    }
}
