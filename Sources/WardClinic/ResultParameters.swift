import WardCore
import WardFHIR
import WardVault

/// What a request says of the form of its answer: `_summary` and `_elements` (FHIR R4 search.html#summary).
struct ResultForm {
    var view = RecordView.whole
    /// `_summary=count`: the number alone.
    var isCount = false
    /// As they were given, for the links of pages.
    private(set) var pairs: [SearchPair] = []

    /// Takes the parameters of the form out of `parameters`.
    ///
    /// - Parameter type: whose elements `_elements` may name without their type; nil for those of all types.
    init(taking parameters: inout [SearchPair], type: ResourceType?) throws {
        var rest: [SearchPair] = []
        for pair in parameters {
            switch pair.name {
            case "_summary":
                try once(pair)
                switch pair.value {
                case "false": break
                case "true": view = .summary
                case "text": view = .text
                case "data": view = .data
                case "count": isCount = true
                default:
                    throw Rejection(400, "value", "true, text, data, count or false", expression: "_summary")
                }
            case "_elements":
                try once(pair)
                view = .elements(try Self.names(pair.value, type))
            default: rest.append(pair)
            }
        }
        if pairs.count > 1 {
            throw Rejection(400, "invalid", "_summary and _elements exclude each other", expression: "_elements")
        }
        parameters = rest
    }

    private mutating func once(_ pair: SearchPair) throws {
        guard !pairs.contains(where: { $0.name == pair.name }) else {
            throw Rejection(400, "invalid", "this parameter may be given once only", expression: pair.name)
        }
        pairs.append(pair)
    }

    private static func names(_ list: String, _ type: ResourceType?) throws -> Set<String> {
        let names = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard names.count <= 200 else {
            throw Rejection(400, "too-costly", "more than 200 elements", expression: "_elements")
        }
        for name in names {
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            let owner = parts.count == 2 ? ResourceType(parts[0]) : type
            let isKnown =
                switch (parts.count, owner) {
                case (1, nil): ResourceType.allCases.contains { isElement(name, of: $0) }
                case (1, let owner?), (2, let owner?): isElement(String(parts[parts.count - 1]), of: owner)
                default: false
                }
            guard isKnown else {
                throw Rejection(400, "value", "names of elements of the resource itself", expression: "_elements")
            }
        }
        return Set(names)
    }

    private static func isElement(_ name: String, of type: ResourceType) -> Bool {
        let type = Definitions.r4.typeID(of: type)
        return Definitions.r4.element(named: name, of: type) != nil || Definitions.r4.element(name, of: type) != nil
    }

    /// `&_summary=true`, for a link.
    var suffix: String { pairs.map { "&\(percentEncoded($0.name))=\(percentEncoded($0.value))" }.joined() }
}

/// Whether somebody has the version already (RFC 9110 §13.1.2 and §13.1.3; FHIR R4 http.html#cread).
///
/// If-Modified-Since counts only without If-None-Match, as the RFC asks; a date that is none is ignored.
func isKnown(_ record: DisclosedRecord, to request: ClinicRequest) -> Bool {
    if let tags = request.ifNoneMatch {
        return tags.split(separator: ",").contains { part in
            let tag = part.trimming { $0 == " " || $0 == "\t" }
            return tag == "*" || version(ofTag: tag) == record.version
        }
    }
    guard let since = request.ifModifiedSince.flatMap(seconds(ofHTTPDate:)) else { return false }
    return record.lastUpdated.microseconds.floorDivided(by: 1_000_000) <= since
}

/// Reads an IMF-fixdate, `Sat, 21 Nov 2026 08:30:00 GMT` (RFC 9110 §5.6.7); nil for any other text.
func seconds(ofHTTPDate text: String) -> Int64? {
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[5] == "GMT", text.utf8.count == 29 else { return nil }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let clock = parts[4].split(separator: ":").compactMap { number($0) }
    guard let day = number(parts[1]), let month = months.firstIndex(of: String(parts[2])), let year = number(parts[3]),
        clock.count == 3, clock[0] < 24, clock[1] < 60, clock[2] < 61
    else { return nil }
    let date = CalendarDay(year: year, month: Int64(month + 1), day: day)
    guard (1...date.daysInMonth).contains(day) else { return nil }
    // The server's own rule writes the weekday; one that does not fit is no date.
    let seconds = date.daysSinceEpoch * 86_400 + clock[0] * 3600 + clock[1] * 60 + min(clock[2], 59)
    guard httpDate(Instant(microseconds: seconds * 1_000_000)).prefix(16) == text.prefix(16) else { return nil }
    return seconds
}

private func number(_ digits: Substring) -> Int64? {
    digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(digits) : nil
}

extension Substring {
    fileprivate func trimming(_ isBlank: (Character) -> Bool) -> String {
        var text = self
        while let first = text.first, isBlank(first) { text.removeFirst() }
        while let last = text.last, isBlank(last) { text.removeLast() }
        return String(text)
    }
}
