extension Definitions {
    /// The type called `name`: `Patient`, `HumanName`, `code`, `Patient.contact`.
    public func typeID(named name: String) -> TypeID? { typeID(named: name.utf8Span.span) }

    public func typeID(of type: ResourceType) -> TypeID { TypeID(index: UInt16(type.code)) }

    /// The concrete resource type behind `type`, if it is one.
    public func resourceType(of type: TypeID) -> ResourceType? {
        Int(type.index) < typeNames.count ? ResourceType(uncheckedCode: UInt8(type.index)) : nil
    }

    public func typeName(_ type: TypeID) -> String { names[Int(type.index)] }

    public func isPrimitive(_ type: TypeID) -> Bool { types[Int(type.index)].kind == .primitive }

    public func primitiveKind(of type: TypeID) -> PrimitiveKind? { types[Int(type.index)].primitive }

    /// Whether `type` is a concrete resource type, `Resource` or `DomainResource`.
    public func isResource(_ type: TypeID) -> Bool {
        Int(type.index) < typeNames.count || names[Int(type.index)].hasSuffix("Resource")
    }

    /// Patient -> DomainResource -> Resource; Age -> Quantity -> Element; code -> string -> Element.
    public func baseType(of type: TypeID) -> TypeID? { types[Int(type.index)].base }

    /// Whether `type` is `ancestor` or derives from it.
    public func type(_ type: TypeID, isKindOf ancestor: TypeID) -> Bool {
        var next: TypeID? = type
        while let current = next {
            if current == ancestor { return true }
            next = baseType(of: current)
        }
        return false
    }
}

extension Definitions {
    /// What the JSON key `key` means in `type`; nil if the type has no such element. `_birthDate` is for the caller.
    public func element(_ key: Span<UInt8>, of type: TypeID) -> ElementMatch? {
        guard let payload = keyTable.find(owner: UInt32(type.index), key).map(KeyPayload.init(rawValue:)),
            let valueType = payload.type
        else { return nil }
        let element = payload.element
        return ElementMatch(element: element, type: valueType, isCollection: elements[element].isCollection)
    }

    public func element(_ key: String, of type: TypeID) -> ElementMatch? { element(key.utf8Span.span, of: type) }

    /// What the key at node `key` of `tape` means in `type`.
    public func element(_ tape: JSONTape, key: Int, of type: TypeID) -> ElementMatch? {
        if tape.isEscaped(key) { return element(tape.text(key), of: type) }
        return element(tape.bytes.span.extracting(tape.range(key)), of: type)
    }

    /// The element `name` of `type`, choices under their plain name: `value`.
    public func element(named name: String, of type: TypeID) -> ElementFacts? {
        keyTable.find(owner: UInt32(type.index), name.utf8Span.span).flatMap { payload in
            let index = KeyPayload(rawValue: payload).element
            return elementName(index) == name ? facts(index) : nil
        }
    }

    /// All elements of `type` in the order of the definition, inherited ones first.
    public func elements(of type: TypeID) -> [ElementFacts] {
        let row = types[Int(type.index)]
        return (row.firstElement..<row.firstElement + row.elementCount).map(facts)
    }

    /// Everything about the element at that position.
    public func facts(_ element: Int) -> ElementFacts {
        let row = elements[element]
        return ElementFacts(
            element: element, name: elementName(element),
            types: Array(elementTypes[row.firstType..<row.firstType + row.typeCount]),
            isChoice: row.flags.contains(.choice), isCollection: row.isCollection,
            isRequired: row.flags.contains(.required), isModifier: row.flags.contains(.modifier),
            isSummary: row.flags.contains(.summary))
    }

    /// Name without type suffix.
    public func elementName(_ element: Int) -> String { String(decoding: text[elements[element].name], as: UTF8.self) }
}

extension Definitions {
    func typeID(named name: Span<UInt8>) -> TypeID? {
        typeTable.find(owner: 0, name).map { TypeID(index: UInt16($0)) }
    }
}

/// Element and type of one JSON key in 32 bits; no type for the plain name of a choice.
struct KeyPayload {
    let rawValue: UInt32

    init(rawValue: UInt32) { self.rawValue = rawValue }

    init(element: Int, type: TypeID?) { rawValue = UInt32(element) << 16 | UInt32(type?.index ?? .max) }

    var element: Int { Int(rawValue >> 16) }

    var type: TypeID? {
        let index = UInt16(truncatingIfNeeded: rawValue)
        return index == .max ? nil : TypeID(index: index)
    }
}

/// Owner in the table of codes: a value set, and one of its code systems or none.
enum CodeOwner {
    static func any(valueSet: Int) -> UInt32 { UInt32(valueSet) << 16 }

    static func of(valueSet: Int, system: UInt32) -> UInt32 { UInt32(valueSet) << 16 | (system + 1) }
}
