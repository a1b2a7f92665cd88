internal import WardFHIR

/// A criterion with its postings fetched: sizes are known, so the smallest part can lead.
indirect enum IndexPlan {
    case everything
    case hits(Hits)
    case dates(DateColumn, DateTest, undecided: [Slot])
    case numbers(NumberColumn, NumberTest, undecided: [Slot])
    case quantities(QuantityColumn, QuantityColumn.Test, undecided: [Slot])
    case updated(DateTest)
    case links(LinkColumn, [Bool], undecided: [Slot])
    case all([IndexPlan])
    case any([IndexPlan])
    case not(IndexPlan)

    /// Upper bound of what must be looked at, in entries.
    func cost(_ universe: Int) -> Int {
        switch self {
        case .everything, .updated: universe
        case .not(let part): max(universe, part.cost(universe))
        case .hits(let hits): hits.maybe.count
        case .dates(let column, _, let undecided): column.slots.count + undecided.count
        case .numbers(let column, _, let undecided): column.slots.count + undecided.count
        case .quantities(let column, _, let undecided): column.slots.count + undecided.count
        case .links(let column, _, let undecided): column.slots.count + undecided.count
        case .all(let parts): parts.map { $0.cost(universe) }.min() ?? universe
        case .any(let parts): parts.map { $0.cost(universe) }.reduce(0, +)
        }
    }
}

extension IndexState {
    /// Slots of one type that satisfy a criterion or may; live or dead.
    mutating func hits(_ criterion: SearchCriterion, of type: ResourceType, _ keys: IndexKeys, _ locators: LocatorKey)
        -> Hits
    {
        let plan = plan(criterion, of: type, keys, locators)
        return evaluate(plan, among: nil, universe: slotsOfType[Int(type.code)])
    }

    private mutating func plan(
        _ criterion: SearchCriterion, of type: ResourceType, _ keys: IndexKeys, _ locatorKey: LocatorKey
    ) -> IndexPlan {
        switch criterion {
        case .always: return .everything
        case .never: return .hits(.none)
        case .all(let parts): return .all(parts.map { plan($0, of: type, keys, locatorKey) })
        case .any(let parts): return .any(parts.map { plan($0, of: type, keys, locatorKey) })
        case .not(let part): return .not(plan(part, of: type, keys, locatorKey))
        case .types(let types): return types.contains(type) ? .everything : .hits(.none)
        case .id(let id):
            return .hits(Hits(maybe: locators.slot(of: locatorKey.locator(type: type, id: id)).map { [$0] } ?? []))
        case .lastUpdated(let test): return .updated(test)
        // Unresolved: to be decided by whoever opens them, and there they are not to be known.
        case .chain, .reverseChain, .codes:
            return .hits(Hits(maybe: slotsOfType[Int(type.code)], unsure: slotsOfType[Int(type.code)]))
        case .among(let set):
            let slots = set.locators.compactMap(locators.slot).filter { typeCode($0) == type.code }
            return .hits(Hits(maybe: slots.sorted()))
        case .linked(let number, let set):
            guard let column = links[number] else { return .hits(.none) }
            return .links(column, locators.marked(set.locators), undecided: undecided[number] ?? [])
        case .missing(let number): return .not(.hits(Hits(maybe: present[number] ?? [])))
        case .matches(let number, let test):
            guard let parameter = Definitions.r4.searchParameter(number: number), parameter.base == type else {
                return .hits(.none)
            }
            return plan(test, of: parameter, keys)
        }
    }

    private mutating func plan(_ test: ValueTest, of parameter: SearchParameter, _ keys: IndexKeys) -> IndexPlan {
        let number = parameter.number
        let undecided = undecided[number] ?? []
        var hits: Hits
        switch test {
        case .date(let test): return .dates(dates[number] ?? DateColumn(), test, undecided: undecided)
        case .number(let test): return .numbers(numbers[number] ?? NumberColumn(), test, undecided: undecided)
        case .quantity(let test, let unit):
            let column = quantities[number] ?? QuantityColumn()
            return .quantities(column, column.test(test, unit), undecided: undecided)
        case .string(let test, let wanted):
            sortTexts(number)
            hits = texts[number]?.hits(test, wanted) ?? .none
        case .text(let wanted):
            sortTexts(number)
            hits = texts[number]?.hits(.startsWith, wanted) ?? .none
        case .token(let token):
            hits = (codes[number]?.hits(token) ?? .none).or(postings(test.forms ?? [], parameter, keys))
        case .codes(let set):
            let forms = set.pairs.map { pair in
                pair.system.map { TokenForm(.coded, $0, pair.code) } ?? TokenForm(.uncoded, pair.code)
            }
            hits = (codes[number]?.hits(set) ?? .none).or(postings(forms, parameter, keys))
        case .logicalReference(.system(let system)): hits = codes[number]?.hits(.system(system)) ?? .none
        case .composite(let tests): hits = composite(tests, parameter, keys)
        default: hits = postings(test.forms ?? [], parameter, keys)
        }
        if !undecided.isEmpty { hits = hits.or(Hits(maybe: undecided, unsure: undecided)) }
        return .hits(hits)
    }

    private func postings(_ forms: [TokenForm], _ parameter: SearchParameter, _ keys: IndexKeys) -> Hits {
        Hits(maybe: unionOfMany(forms.map { tokens.postings(keys.token($0, of: parameter)) }))
    }

    /// Pairs of equalities are exact, those of an equality and a quantity but for ties. Otherwise the first component
    /// leads and the rest is re-checked.
    private func composite(_ tests: [ValueTest], _ parameter: SearchParameter, _ keys: IndexKeys) -> Hits {
        guard let first = tests.first?.forms else {
            let all = present[parameter.number] ?? []
            return Hits(maybe: all, unsure: all)
        }
        if tests.count == 2, let second = tests[1].forms {
            return postings(first.flatMap { left in second.map { TokenForm(pair: left, $0) } }, parameter, keys)
        }
        if tests.count == 2, case .quantity(let number, let unit) = tests[1] {
            return first.reduce(Hits.none) { hits, form in
                guard let column = pairs[keys.token(TokenForm(first: form), of: parameter)] else { return hits }
                return hits.or(column.hits(column.test(number, unit), among: nil))
            }
        }
        let found = postings(first.map { TokenForm(first: $0) }, parameter, keys)
        return Hits(maybe: found.maybe, unsure: found.maybe)
    }

    /// Evaluates among ascending candidates; nil is the whole universe.
    private func evaluate(_ plan: IndexPlan, among candidates: [Slot]?, universe: [Slot]) -> Hits {
        switch plan {
        case .everything: return Hits(maybe: candidates ?? universe)
        case .hits(let hits): return candidates.map(hits.restricted) ?? hits
        case .dates(let column, let test, let undecided):
            return column.hits(test, among: candidates).or(unsure(undecided, candidates))
        case .numbers(let column, let test, let undecided):
            return column.hits(test, among: candidates).or(unsure(undecided, candidates))
        case .quantities(let column, let test, let undecided):
            return column.hits(test, among: candidates).or(unsure(undecided, candidates))
        case .links(let column, let marked, let undecided):
            return column.hits(marked, among: candidates).or(unsure(undecided, candidates))
        case .updated(let test):
            return Hits(
                maybe: (candidates ?? universe).filter { test.matches(low: updated[Int($0)], high: updated[Int($0)]) })
        case .all(let parts):
            let costs = parts.map { $0.cost(universe.count) }
            var result = Hits(maybe: candidates ?? universe)
            var isFirst = candidates == nil
            for index in parts.indices.sorted(by: { costs[$0] < costs[$1] }) {
                let next = evaluate(parts[index], among: isFirst ? nil : result.maybe, universe: universe)
                result = isFirst ? next : result.and(next)
                isFirst = false
                if result.maybe.isEmpty { break }
            }
            return result
        case .any(let parts):
            return parts.reduce(Hits.none) { $0.or(evaluate($1, among: candidates, universe: universe)) }
        case .not(let part):
            let all = candidates ?? universe
            return evaluate(part, among: candidates, universe: universe).complement(in: all)
        }
    }

    private func unsure(_ slots: [Slot], _ candidates: [Slot]?) -> Hits {
        if slots.isEmpty { return .none }
        return candidates.map { Hits(maybe: slots, unsure: slots).restricted(to: $0) }
            ?? Hits(maybe: slots, unsure: slots)
    }
}
