extension ResourceWalker {
    /// In which role an object is looked at.
    enum Role {
        case element, resource
        /// `_birthDate`: id and extensions of a primitive, which may or may not have a value.
        case extras(hasValue: Bool)
    }

    /// An object of a type with elements.
    mutating func object(_ node: Int, type: TypeID, as role: Role) {
        guard tape.kind(node) == .object else { return report(.wrongKind, at: node) }
        let end = tape.end(node)
        guard end > node + 1 else { return report(.emptyObject, at: node) }
        let row = definitions.types[Int(type.index)]
        var (seen, extras): (UInt64, UInt64) = (0, 0)
        var key = node + 1
        while key < end {
            let value = key + 1
            let name = lookUp(key, in: type)
            if let payload = name.payload, let valueType = payload.type {
                let bit: UInt64 = 1 << UInt64(payload.element - row.firstElement)
                if (seen | extras) & bit != 0 {
                    let isRepeated = (name.isExtra ? extras : seen) & bit != 0
                    checkChoice(node, key: key, element: payload.element, isRepeated: isRepeated)
                }
                if name.isExtra {
                    extras |= bit
                    extraMember(value, key: key, of: node, element: payload.element)
                } else {
                    seen |= bit
                    member(value, key: key, of: node, element: payload.element, type: valueType)
                }
            } else if case .resource = role, tape.equals(key, "resourceType") {
            } else {
                report(.unknownElement, at: key)
            }
            key = tape.end(value)
        }
        let missing = row.required & ~(seen | extras)
        if missing != 0 { reportMissing(missing, in: row, of: node) }
        checkContent(node, row, seen: seen | extras, as: role)
        checkInvariant(node, row)
    }

    private mutating func reportMissing(_ missing: UInt64, in row: TypeRow, of node: Int) {
        for position in 0..<row.elementCount where missing >> UInt64(position) & 1 == 1 {
            report(.missingElement, at: node, element: row.firstElement + position)
        }
    }

    /// Meaning of a key, and whether it is `_name`. A plain value (Extension.url) has no `_url`.
    private func lookUp(_ key: Int, in type: TypeID) -> (payload: KeyPayload?, isExtra: Bool) {
        if tape.isEscaped(key) { return lookUp(tape.text(key).utf8Span.span, in: type) }
        return lookUp(tape.bytes.span.extracting(tape.range(key)), in: type)
    }

    private func lookUp(_ key: Span<UInt8>, in type: TypeID) -> (payload: KeyPayload?, isExtra: Bool) {
        guard key.count > 0, key[0] == 0x5F else {
            return (definitions.keyTable.find(owner: UInt32(type.index), key).map(KeyPayload.init), false)
        }
        guard
            let payload = definitions.keyTable.find(owner: UInt32(type.index), key.extracting(1..<key.count))
                .map(KeyPayload.init), let valueType = payload.type,
            let primitive = definitions.types[Int(valueType.index)].primitive, primitive != .xhtml,
            !definitions.elements[payload.element].flags.contains(.plain)
        else { return (nil, true) }
        return (payload, true)
    }

    /// A second key for one element: fine for `birthDate` and `_birthDate`, not for `valueString` and `valueCode`.
    private mutating func checkChoice(_ object: Int, key: Int, element: Int, isRepeated: Bool) {
        guard definitions.elements[element].flags.contains(.choice) else { return }
        if isRepeated || counterpart(of: key, in: object) == nil {
            report(.severalChoices, at: key, element: element)
        }
    }

    /// Value of `x` for the key `_x`, and of `_x` for `x`.
    func counterpart(of key: Int, in object: Int) -> Int? {
        let name = tape.text(key)
        let wanted = name.hasPrefix("_") ? String(name.dropFirst()) : "_" + name
        var found: Int?
        tape.forEachMember(object) { other, value in
            let mayMatch = tape.isEscaped(other) || tape.range(other).count == wanted.utf8.count
            if found == nil, mayMatch, tape.text(other) == wanted { found = value }
        }
        return found
    }

    // MARK: Values

    private mutating func member(_ node: Int, key: Int, of object: Int, element: Int, type: TypeID) {
        let row = definitions.elements[element]
        guard row.isCollection else {
            enter(element)
            if tape.kind(node) == .array {
                report(.arrayNotAllowed, at: node)
            } else {
                value(node, element: row, type: type, position: 0)
            }
            return leave()
        }
        guard tape.kind(node) == .array else {
            return report(tape.kind(node) == .null ? .nullNotAllowed : .arrayRequired, at: node, element: element)
        }
        let end = tape.end(node)
        if end == node + 1 { return report(.emptyArray, at: node, element: element) }
        let isPrimitive = definitions.types[Int(type.index)].kind == .primitive
        var (item, position) = (node + 1, 0)
        var extras: [Int]?
        while item < end {
            enter(element, position: position)
            if isPrimitive, tape.kind(item) == .null {
                let known = extras ?? elements(of: counterpart(of: key, in: object))
                extras = known
                if position >= known.count || tape.kind(known[position]) != .object {
                    report(.nullWithoutExtension, at: item)
                }
            } else {
                value(item, element: row, type: type, position: position)
            }
            leave()
            item = tape.end(item)
            position += 1
        }
    }

    private func elements(of array: Int?) -> [Int] {
        guard let array else { return [] }
        var found: [Int] = []
        tape.forEachElement(array) { found.append($0) }
        return found
    }

    private mutating func value(_ node: Int, element: ElementRow, type: TypeID, position: Int) {
        let row = definitions.types[Int(type.index)]
        if tape.kind(node) == .null { return report(.nullNotAllowed, at: node) }
        if row.kind == .primitive {
            primitive(node, kind: row.primitive ?? .string, element: element)
        } else if row.invariant == .resource {
            if element.isCollection {
                containedResource(node, position: position)
            } else {
                resource(node)
            }
        } else {
            object(node, type: type, as: .element)
            checkElement(node, element, row)
        }
    }

    // MARK: Extensions of primitives (json.html#primitive)

    private mutating func extraMember(_ node: Int, key: Int, of parent: Int, element: Int) {
        let row = definitions.elements[element]
        let sibling = counterpart(of: key, in: parent)
        guard row.isCollection else {
            enter(element)
            extra(node, hasValue: sibling != nil)
            return leave()
        }
        guard tape.kind(node) == .array else { return report(.arrayRequired, at: node, element: element) }
        let items = elements(of: node)
        if items.isEmpty { return report(.emptyArray, at: node, element: element) }
        let values = elements(of: sibling)
        if sibling != nil, values.count != items.count { report(.lengthMismatch, at: node, element: element) }
        for (position, item) in items.enumerated() {
            enter(element, position: position)
            let hasValue = position < values.count && tape.kind(values[position]) != .null
            if tape.kind(item) != .null {
                extra(item, hasValue: hasValue)
            } else if sibling == nil {
                report(.nullWithoutExtension, at: item)
            }
            leave()
        }
    }

    private mutating func extra(_ node: Int, hasValue: Bool) {
        guard let type = definitions.typeID(named: "Element") else { return }
        object(node, type: type, as: .extras(hasValue: hasValue))
    }
}
