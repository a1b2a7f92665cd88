internal import WardCore
internal import WardFHIR

/// Why card bytes could not be read.
public enum IndexCardFailure: Error, Hashable, Sendable {
    /// Another format or fold version: rebuild the card from the record's body.
    case unknownVersion
    /// Not what ``IndexCard/encoded()`` writes.
    case malformed
}

extension IndexCard {
    static let formatVersion: UInt8 = 1
    /// Encodings have a multiple of this length.
    static let step = 256

    /// Compact bytes, padded with zeros to a multiple of 256. To be sealed before they are stored.
    public func encoded() -> [UInt8] {
        var writer = CardWriter()
        writer.bytes = [Self.formatVersion, SearchFold.version]
        writer.fixed(UInt64(extractorVersion), count: 2)
        writer.fixed(UInt64(type.code), count: 1)
        writer.fixed(UInt64(epoch), count: 4)
        writer.fixed(UInt64(bitPattern: lastUpdated.microseconds), count: 8)
        writer.list(tokens) { $0.fixed(UInt64(bitPattern: $1), count: 8) }
        writer.list(links) { writer, link in
            writer.fixed(UInt64(link.parameter), count: 2)
            writer.fixed(link.target.high, count: 8)
            writer.fixed(link.target.low, count: 8)
        }
        writer.list(dates) { writer, date in
            writer.fixed(UInt64(date.parameter), count: 2)
            writer.fixed(UInt64(bitPattern: date.low), count: 8)
            writer.fixed(UInt64(bitPattern: date.high), count: 8)
        }
        writer.list(numbers) { $0.interval($1.parameter, $1.low, $1.high) }
        writer.list(quantities) { $0.quantity($1) }
        writer.list(pairs) { writer, pair in
            writer.fixed(UInt64(bitPattern: pair.first), count: 8)
            writer.quantity(pair.second)
        }
        writer.list(texts) { writer, text in
            writer.fixed(UInt64(text.parameter), count: 2)
            writer.text(text.folded)
        }
        writer.list(codes) { writer, code in
            writer.fixed(UInt64(code.parameter), count: 2)
            writer.text(code.system)
            writer.text(code.code)
        }
        writer.list(present) { $0.fixed(UInt64($1), count: 2) }
        writer.list(undecided) { $0.fixed(UInt64($1), count: 2) }
        let padding = (Self.step - writer.bytes.count % Self.step) % Self.step
        writer.bytes += [UInt8](repeating: 0, count: padding)
        return writer.bytes
    }

    /// Reads what ``encoded()`` wrote, and nothing else: re-encoding gives the same bytes.
    public init(decoding bytes: [UInt8]) throws(IndexCardFailure) {
        guard bytes.count % Self.step == 0, bytes.count > 2 else { throw .malformed }
        guard bytes[0] == Self.formatVersion, bytes[1] == SearchFold.version else { throw .unknownVersion }
        var reader = CardReader(bytes: bytes, at: 2)
        extractorVersion = try reader.parameter()
        let code = try reader.fixed(1)
        guard code < UInt64(Self.types.count) else { throw .malformed }
        type = Self.types[Int(code)]
        epoch = UInt32(truncatingIfNeeded: try reader.fixed(4))
        lastUpdated = Instant(microseconds: try reader.integer())
        tokens = try reader.list { reader throws(IndexCardFailure) in try reader.integer() }
        links = try reader.list { reader throws(IndexCardFailure) in
            CardLink(
                parameter: try reader.parameter(), target: Locator(high: try reader.fixed(8), low: try reader.fixed(8)))
        }
        dates = try reader.list { reader throws(IndexCardFailure) in
            CardDate(parameter: try reader.parameter(), low: try reader.integer(), high: try reader.integer())
        }
        numbers = try reader.list { reader throws(IndexCardFailure) in
            CardNumber(parameter: try reader.parameter(), low: try reader.key(), high: try reader.key())
        }
        quantities = try reader.list { reader throws(IndexCardFailure) in try reader.quantity() }
        pairs = try reader.list { reader throws(IndexCardFailure) in
            CardPair(first: try reader.integer(), second: try reader.quantity())
        }
        texts = try reader.list { reader throws(IndexCardFailure) in
            let parameter = try reader.parameter()
            guard let folded = try reader.text() else { throw .malformed }
            return CardText(parameter: parameter, folded: folded)
        }
        codes = try reader.list { reader throws(IndexCardFailure) in
            CardCode(parameter: try reader.parameter(), system: try reader.text(), code: try reader.text())
        }
        present = try reader.list { reader throws(IndexCardFailure) in try reader.parameter() }
        undecided = try reader.list { reader throws(IndexCardFailure) in try reader.parameter() }
        guard bytes.count - reader.at < Self.step, bytes[reader.at...].allSatisfy({ $0 == 0 }) else { throw .malformed }
    }

    private static let types = ResourceType.allCases
}

/// Big-endian numbers, counts of four bytes, texts as count + 1 and UTF-8 (0 for none).
private struct CardWriter {
    var bytes: [UInt8] = []

    mutating func fixed(_ value: UInt64, count: Int) {
        for index in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
    }

    mutating func interval(_ parameter: UInt16, _ low: Double, _ high: Double) {
        fixed(UInt64(parameter), count: 2)
        fixed(low.bitPattern, count: 8)
        fixed(high.bitPattern, count: 8)
    }

    mutating func quantity(_ quantity: CardQuantity) {
        interval(quantity.parameter, quantity.low, quantity.high)
        text(quantity.unit.system)
        text(quantity.unit.code)
        text(quantity.unit.unit)
    }

    mutating func text(_ text: String?) {
        guard let text else { return fixed(0, count: 4) }
        fixed(UInt64(text.utf8.count + 1), count: 4)
        bytes.append(contentsOf: text.utf8)
    }

    mutating func list<Element>(_ elements: [Element], _ write: (inout CardWriter, Element) -> Void) {
        fixed(UInt64(elements.count), count: 4)
        for element in elements { write(&self, element) }
    }
}

private struct CardReader {
    let bytes: [UInt8]
    var at: Int

    mutating func fixed(_ count: Int) throws(IndexCardFailure) -> UInt64 {
        guard bytes.count - at >= count else { throw .malformed }
        var value: UInt64 = 0
        for index in at..<(at + count) { value = value << 8 | UInt64(bytes[index]) }
        at += count
        return value
    }

    mutating func parameter() throws(IndexCardFailure) -> UInt16 { UInt16(truncatingIfNeeded: try fixed(2)) }

    mutating func integer() throws(IndexCardFailure) -> Int64 { Int64(bitPattern: try fixed(8)) }

    mutating func key() throws(IndexCardFailure) -> Double {
        let value = Double(bitPattern: try fixed(8))
        guard !value.isNaN, value != 0 || value.sign == .plus else { throw .malformed }
        return value
    }

    mutating func text() throws(IndexCardFailure) -> String? {
        let size = Int(try fixed(4))
        guard size > 0 else { return nil }
        guard bytes.count - at >= size - 1, let text = String(validating: bytes[at..<(at + size - 1)], as: UTF8.self)
        else { throw .malformed }
        at += size - 1
        return text
    }

    mutating func quantity() throws(IndexCardFailure) -> CardQuantity {
        CardQuantity(
            parameter: try parameter(), low: try key(), high: try key(),
            unit: QuantityUnit(system: try text(), code: try text(), unit: try text()))
    }

    /// Strictly ascending, as the builder leaves them.
    mutating func list<Element: Comparable>(
        _ read: (inout CardReader) throws(IndexCardFailure) -> Element
    ) throws(IndexCardFailure) -> [Element] {
        let count = Int(try fixed(4))
        guard count <= (bytes.count - at) / 2 else { throw .malformed }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            let element = try read(&self)
            if let last = elements.last, !(last < element) { throw .malformed }
            elements.append(element)
        }
        return elements
    }
}
