/// Dates and quantities (FHIR R4 search.html#date, search.html#quantity).
extension ValueReader {
    /// A missing end is open.
    func readPeriod(_ period: Int, into values: inout [SearchValue]) {
        switch bounds(period) {
        case .none: return
        case .bad: values.append(.undecidable)
        case .interval(let low, let high): values.append(.date(low: low, high: high))
        }
    }

    private enum Bounds {
        case none, bad
        case interval(Int64, Int64)
    }

    private func bounds(_ period: Int) -> Bounds {
        let (start, end) = (tape.member(period, "start"), tape.member(period, "end"))
        guard start != nil || end != nil else { return .none }
        var (low, high) = (Int64.min, Int64.max)
        if let start {
            guard let first = interval(start) else { return .bad }
            low = first.low
        }
        if let end {
            guard let last = interval(end) else { return .bad }
            high = last.high
        }
        return low <= high ? .interval(low, high) : .bad
    }

    /// Only the outer limits count: events and the bounds of the repetition; a repetition without a period has none.
    func readTiming(_ timing: Int, into values: inout [SearchValue]) {
        var (low, high) = (Int64.max, Int64.min)
        var isReadable = true
        if let events = tape.member(timing, "event") {
            tape.forEachElement(events) { event in
                guard tape.kind(event) != .null else { return }
                guard let moment = interval(event) else {
                    isReadable = false
                    return
                }
                low = min(low, moment.low)
                high = max(high, moment.high)
            }
        }
        if let pattern = tape.member(timing, "repeat") {
            switch tape.member(pattern, "boundsPeriod").map(bounds) ?? .none {
            case .none: (low, high) = (.min, .max)
            case .bad: isReadable = false
            case .interval(let start, let end): (low, high) = (min(low, start), max(high, end))
            }
        }
        guard isReadable else {
            values.append(.undecidable)
            return
        }
        if low <= high { values.append(.date(low: low, high: high)) }
    }

    func readQuantity(_ quantity: Int, into values: inout [SearchValue]) {
        guard let member = tape.member(quantity, "value") else { return }
        guard let value = number(member) else {
            values.append(.undecidable)
            return
        }
        var (low, high): (String?, String?) = (value, value)
        switch string(quantity, "comparator") {
        case nil: break
        case "<"?, "<="?: low = nil
        case ">"?, ">="?: high = nil
        default:
            values.append(.undecidable)
            return
        }
        values.append(
            .quantity(
                low: low, high: high, system: string(quantity, "system"), code: string(quantity, "code"),
                unit: string(quantity, "unit")))
    }

    /// FHIR R4 datatypes.html#Money: the currency is a code of ISO 4217.
    func readMoney(_ money: Int, into values: inout [SearchValue]) {
        guard let member = tape.member(money, "value") else { return }
        guard let value = number(member) else {
            values.append(.undecidable)
            return
        }
        let currency = string(money, "currency")
        values.append(
            .quantity(
                low: value, high: value, system: currency.map { _ in "urn:iso:std:iso:4217" }, code: currency,
                unit: nil))
    }

    func readRange(_ range: Int, into values: inout [SearchValue]) {
        let (low, high) = (tape.member(range, "low"), tape.member(range, "high"))
        guard let any = low ?? high else { return }
        let numbers = (low.flatMap(amount), high.flatMap(amount))
        guard numbers.0 != nil || numbers.1 != nil else { return }
        if let low, let high {
            // Ends in two units are no interval of either.
            guard string(low, "code") == string(high, "code"), string(low, "system") == string(high, "system"),
                string(low, "unit") == string(high, "unit")
            else {
                values.append(.undecidable)
                return
            }
        }
        values.append(
            .quantity(
                low: numbers.0, high: numbers.1, system: string(any, "system"), code: string(any, "code"),
                unit: string(any, "unit")))
    }

    private func amount(_ quantity: Int) -> String? { tape.member(quantity, "value").flatMap(number) }

    /// From the least to the greatest sample (FHIR R4 Observation, search parameter value-quantity).
    func readSampled(_ sampled: Int, into values: inout [SearchValue]) {
        guard let data = string(sampled, "data"), let origin = tape.member(sampled, "origin") else { return }
        var low: ExactDecimal?
        var high: ExactDecimal?
        for sample in data.split(separator: " ") where sample != "E" {
            guard let value = level(sample, sampled, origin) else {
                values.append(.undecidable)
                return
            }
            low = low.map { min($0, value) } ?? value
            high = high.map { max($0, value) } ?? value
        }
        guard let low, let high else { return }
        values.append(
            .quantity(
                low: low.text, high: high.text, system: string(origin, "system"), code: string(origin, "code"),
                unit: string(origin, "unit")))
    }

    /// What one sample stands for: origin + factor × sample, or a limit of the detector.
    private func level(_ sample: Substring, _ sampled: Int, _ origin: Int) -> ExactDecimal? {
        let raw: ExactDecimal? =
            switch sample {
            case "L": tape.member(sampled, "lowerLimit").flatMap(number).flatMap { ExactDecimal($0) }
            case "U": tape.member(sampled, "upperLimit").flatMap(number).flatMap { ExactDecimal($0) }
            default: ExactDecimal(sample)
            }
        guard let raw, let zero = amount(origin).flatMap({ ExactDecimal($0) }) else { return nil }
        guard let factor = tape.member(sampled, "factor") else { return raw.adding(zero) }
        return number(factor).flatMap { ExactDecimal($0) }.flatMap { raw.multiplied(by: $0) }?.adding(zero)
    }
}
