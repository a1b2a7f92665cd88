extension ResourceWalker {
    /// ele-1: a value, or children besides the id.
    mutating func checkContent(_ node: Int, _ row: TypeRow, seen: UInt64, as role: Role) {
        switch role {
        case .resource: return
        case .extras(hasValue: true): return
        case .element, .extras(hasValue: false):
            // Element.id is the first element of every type.
            if seen == 1 { report(.elementWithoutContent, at: node) }
        }
    }

    /// Invariants of the object's own type.
    mutating func checkInvariant(_ node: Int, _ row: TypeRow) {
        switch row.invariant {
        case .attachment: require("contentType", with: "data", in: node, .attachmentWithoutContentType)
        case .contactPoint: require("system", with: "value", in: node, .contactPointWithoutSystem)
        case .extension: checkExtension(node, row)
        case .period: checkPeriod(node)
        case .quantity: require("system", with: "code", in: node, .quantityCodeWithoutSystem)
        case .codeableConcept, .coding, .none, .reference, .resource: return
        }
    }

    /// What the definition of the element, rather than that of its type, demands of the value.
    mutating func checkElement(_ node: Int, _ element: ElementRow, _ row: TypeRow) {
        switch row.invariant {
        case .codeableConcept:
            guard let valueSet = element.valueSet else { return }
            var isFound = false
            if let codings = tape.member(node, "coding") {
                tape.forEachElement(codings) { isFound = isFound || isMember($0, of: valueSet) }
            }
            if !isFound { report(.codeNotInValueSet, at: node) }
        case .coding:
            if let valueSet = element.valueSet, !isMember(node, of: valueSet) { report(.codeNotInValueSet, at: node) }
        case .quantity:
            if element.flags.contains(.withoutComparator), tape.member(node, "comparator") != nil {
                report(.comparatorNotAllowed, at: node)
            }
        case .reference: checkReference(node, element)
        case .attachment, .contactPoint, .extension, .none, .period, .resource: return
        }
    }

    private func isMember(_ coding: Int, of valueSet: Int) -> Bool {
        guard let system = tape.member(coding, "system"), let code = tape.member(coding, "code"),
            let number = definitions.systemTable.find(owner: 0, tape.text(system).utf8Span.span)
        else { return false }
        let owner = CodeOwner.of(valueSet: valueSet, system: number)
        return definitions.codeTable.find(owner: owner, tape.text(code).utf8Span.span) != nil
    }

    private mutating func require(
        _ wanted: StaticString, with present: StaticString, in node: Int, _ rule: ValidationRule
    ) {
        if tape.member(node, present) != nil, !has(wanted, in: node) { report(rule, at: node) }
    }

    /// Value or extension of a primitive that happens to be called `name`.
    private func has(_ name: StaticString, in node: Int) -> Bool {
        if tape.member(node, name) != nil { return true }
        var isFound = false
        tape.forEachMember(node) { key, _ in isFound = isFound || tape.text(key) == "_\(name)" }
        return isFound
    }

    private mutating func checkExtension(_ node: Int, _ row: TypeRow) {
        var (hasValue, hasExtension) = (false, false)
        tape.forEachMember(node) { key, _ in
            if tape.equals(key, "extension") {
                hasExtension = true
            } else if !tape.equals(key, "url") && !tape.equals(key, "id") {
                hasValue = true
            }
        }
        if hasValue == hasExtension { report(.extensionValue, at: node) }
    }

    private mutating func checkPeriod(_ node: Int) {
        guard let start = tape.member(node, "start"), let end = tape.member(node, "end"),
            let first = CalendarFormat(tape.text(start).utf8Span.span),
            let last = CalendarFormat(tape.text(end).utf8Span.span)
        else { return }
        if first.isAfter(last) { report(.periodOrder, at: node) }
    }
}
