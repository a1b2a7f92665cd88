extension FieldSelection {
    /// Whether a search by `parameter` tells nothing beyond what the selection keeps.
    ///
    /// Every element that the parameter's expression touches must stay as a whole; what is not understood is refused.
    public func reveals(_ parameter: SearchParameter) -> Bool {
        guard parameter.base == type else { return false }
        switch parameter.code {
        case "_id", "_lastUpdated", "_profile", "_source": return true
        // A label may be what must not be known.
        case "_security", "_tag": return false
        default: break
        }
        guard parameter.type != .special, let expression = try? FHIRPathExpression(parameter.expression) else {
            return false
        }
        guard let ends = ends(of: expression.syntax, [.part(0)]), !ends.isEmpty else { return false }
        if parameter.components.isEmpty { return !ends.contains { $0 != .whole } }
        return parameter.components.allSatisfy { component in
            guard let own = try? FHIRPathExpression(component.expression) else { return false }
            return self.ends(of: own.syntax, ends).map { !$0.contains { $0 != .whole } } ?? false
        }
    }

    /// The parameters of the type that ``reveals(_:)`` allows.
    public var searchableParameters: [SearchParameter] {
        Definitions.r4.searchParameters(of: type).filter(reveals)
    }

    /// Where a path may lead: to something that stays as a whole, or to a node of which parts stay.
    private enum End: Hashable {
        case whole
        case part(Int)
    }

    /// Nil where the expression touches what is left out, or is not understood.
    private func ends(of syntax: FHIRPathSyntax, _ focus: [End]) -> [End]? {
        switch syntax {
        case .empty, .literal: return [.whole]
        case .this: return focus
        case .name(let name): return name == type.name && focus == [.part(0)] ? focus : step(name, focus)
        case .member(let left, let name): return ends(of: left, focus).flatMap { step(name, $0) }
        case .function("resolve", []): return [.whole]
        case .call(let left, let name, let arguments):
            guard let lefts = ends(of: left, focus) else { return nil }
            switch name {
            case "where":
                return arguments.allSatisfy { ends(of: $0, lefts) != nil } ? lefts : nil
            case "exists", "resolve", "empty", "not":
                return arguments.isEmpty ? [.whole] : nil
            default: return nil
            }
        case .at(let left, .literal): return ends(of: left, focus)
        case .binary(.union, let left, let right):
            guard let first = ends(of: left, focus), let second = ends(of: right, focus) else { return nil }
            return first + second
        case .binary(_, let left, let right):
            return ends(of: left, focus) == nil || ends(of: right, focus) == nil ? nil : [.whole]
        case .isType(let left, _):
            guard let left else { return [.whole] }
            return ends(of: left, focus).map { _ in [.whole] }
        case .asType(let left, let type), .ofType(let left, let type):
            guard let ends = left.map({ ends(of: $0, focus) }) ?? focus else { return nil }
            return narrowed(ends, to: type)
        default: return nil
        }
    }

    /// One type of a choice: known if that type stays.
    private func narrowed(_ ends: [End], to type: FHIRPathTypeName) -> [End]? {
        // The search parameters of R4 once write `DateTime` for `dateTime`.
        let r4 = Definitions.r4
        let wanted =
            r4.typeID(named: type.name) ?? r4.typeID(named: type.name.prefix(1).lowercased() + type.name.dropFirst())
        guard let wanted else { return nil }
        var found: [End] = []
        for end in ends {
            if case .part(let node) = end, nodes[node].isWhole {
                guard keeps(wanted, at: node) else { return nil }
                found.append(.whole)
            } else {
                found.append(end)
            }
        }
        return found
    }

    private func step(_ name: String, _ focus: [End]) -> [End]? {
        if name == "extension" || name == "modifierExtension" { return nil }
        var found: [End] = []
        for end in focus {
            guard case .part(let node) = end else {
                found.append(.whole)
                continue
            }
            guard let facts = Definitions.r4.element(named: name, of: nodes[node].type) else { return nil }
            if let child = nodes[node].children[facts.element] {
                found.append(nodes[child].isWhole && nodes[child].choices.isEmpty ? .whole : .part(child))
            } else if node == 0, name != "meta", Self.alwaysKept.contains(name) {
                found.append(.whole)
            } else {
                return nil
            }
        }
        return found
    }
}
