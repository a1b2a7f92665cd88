extension ResourceWalker {
    /// Reference.reference and Reference.type against the targets of the element (references.html).
    mutating func checkReference(_ node: Int, _ element: ElementRow) {
        let stated = tape.member(node, "type").flatMap { tape.kind($0) == .string ? resourceType(named: $0) : nil }
        if let stated { checkTarget(stated, element, at: node) }
        guard let literal = tape.member(node, "reference"), tape.kind(literal) == .string else { return }
        let text = tape.text(literal)
        if text.isEmpty { return }
        guard let target = target(of: text, at: literal) else { return }
        if let stated {
            if stated != target { report(.referenceTypeMismatch, at: literal) }
        } else {
            checkTarget(target, element, at: literal)
        }
    }

    private mutating func checkTarget(_ type: ResourceType, _ element: ElementRow, at node: Int) {
        if let targets = element.targets, !definitions.targetSets[targets].contains(type) {
            report(.wrongTargetType, at: node)
        }
    }

    /// Type that a literal reference points to; nil where the text alone does not say.
    private mutating func target(of text: String, at node: Int) -> ResourceType? {
        if text.utf8.first == 0x23 {
            noteFragment(node)
            let id = text.dropFirst()
            if id.isEmpty, container.current != nil { return nil }
            guard let found = container.positions[String(id)] else {
                report(.unresolvedContained, at: node)
                return nil
            }
            return container.types[found]
        }
        let colon = text.utf8.firstIndex(of: 0x3A)
        let slash = text.utf8.firstIndex(of: 0x2F)
        // A scheme, or a conditional reference of a transaction: `Patient?identifier=`.
        if let colon, colon < slash ?? text.endIndex { return nil }
        if allowsConditions, let query = text.utf8.firstIndex(of: 0x3F) { return ResourceType(text[..<query]) }
        let parts = text.utf8.split(separator: 0x2F, omittingEmptySubsequences: false)
        let isVersioned = parts.count == 4 && parts[2].elementsEqual("_history".utf8)
        guard parts.count == 2 || isVersioned, let type = ResourceType(text[..<(slash ?? text.endIndex)]),
            isID(parts[1]), !isVersioned || isID(parts[3])
        else {
            report(.malformedReference, at: node)
            return nil
        }
        return type
    }

    private func isID(_ part: Substring.UTF8View) -> Bool { PrimitiveFormat.isID(Array(part).span) }

    // MARK: Contained resources

    mutating func gatherContained(_ node: Int) {
        guard let list = tape.member(node, "contained"), tape.kind(list) == .array else { return }
        var gathered = Container()
        tape.forEachElement(list) { item in
            if let id = tape.member(item, "id") {
                let known = gathered.positions.updateValue(gathered.types.count, forKey: tape.text(id))
                if known != nil { gathered.duplicate = gathered.types.count }
            }
            gathered.types.append(tape.member(item, "resourceType").flatMap { resourceType(named: $0) })
        }
        container = gathered
        if let duplicate = gathered.duplicate { report(.duplicateContainedID, at: list, position: duplicate) }
    }

    /// Remembers a use of `#id`, or of `#` by a contained resource.
    mutating func noteFragment(_ node: Int) {
        guard !container.types.isEmpty else { return }
        guard tape.isEscaped(node) || tape.bytes[tape.range(node).lowerBound] == 0x23 else { return }
        let text = tape.text(node)
        guard text.utf8.first == 0x23 else { return }
        if let used = text == "#" ? container.current : container.positions[String(text.dropFirst())] {
            container.used.insert(used)
        }
    }

    mutating func reportUnusedContained(_ node: Int) {
        guard !container.types.isEmpty, let list = tape.member(node, "contained") else { return }
        for position in container.positions.values.sorted() where !container.used.contains(position) {
            report(.containedNotReferenced, at: list, position: position)
        }
    }

    mutating func checkContained(_ node: Int) {
        if tape.member(node, "id") == nil { report(.containedWithoutID, at: node) }
        guard let meta = tape.member(node, "meta") else { return }
        if tape.member(meta, "versionId") != nil || tape.member(meta, "lastUpdated") != nil {
            report(.containedWithMeta, at: meta)
        }
        if tape.member(meta, "security") != nil { report(.containedWithSecurity, at: meta) }
    }
}
