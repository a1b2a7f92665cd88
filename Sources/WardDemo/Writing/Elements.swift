import WardCore

// FHIR R4 data types (datatypes.html), spelled so that resources read like their pages in the specification.
extension JSON {
    /// CodeableConcept.
    static func concept(_ concept: Concept) -> JSON {
        guard let system = concept.system else { return .text(concept.display) }
        return [
            "coding": [
                ["system": .string(system), "code": .string(concept.code), "display": .string(concept.display)]
            ],
            "text": .string(concept.display),
        ]
    }

    /// CodeableConcept with a code that needs no display: statuses and categories.
    static func code(_ system: String, _ code: String) -> JSON {
        ["coding": [["system": .string(system), "code": .string(code)]]]
    }

    /// CodeableConcept of words only.
    static func text(_ text: String) -> JSON { ["text": .string(text)] }

    static func coding(_ concept: Concept) -> JSON {
        [
            "system": concept.system.map { .string($0) } ?? .absent, "code": .string(concept.code),
            "display": .string(concept.display),
        ]
    }

    static func reference(_ reference: Reference) -> JSON {
        ["reference": .string(reference.text), "display": reference.display.map { .string($0) } ?? .absent]
    }

    static func references(_ references: [Reference]) -> JSON { .list(references.map { .reference($0) }) }

    static func quantity(_ value: Decimal, _ unit: Unit) -> JSON {
        [
            "value": .decimal(value), "unit": .string(unit.name), "system": .string(System.ucum),
            "code": .string(unit.ucum),
        ]
    }

    static func money(cents: Int) -> JSON { ["value": .decimal(Decimal(cents, places: 2)), "currency": "USD"] }

    static func identifier(_ system: String, _ value: String) -> JSON {
        ["system": .string(system), "value": .string(value)]
    }

    static func period(_ start: Instant, _ end: Instant?) -> JSON {
        ["start": .dateTime(start), "end": end.map { .dateTime($0) } ?? .absent]
    }

    /// `dateTime` in the clinic's offset, to the second.
    static func dateTime(_ moment: Instant) -> JSON { .string(moment.clinicTime) }

    /// `instant` in UTC.
    static func instant(_ moment: Instant) -> JSON { .string(moment.text) }

    /// `date`, also good for a `dateTime` known to the day.
    static func date(_ day: Int64) -> JSON { .string(CalendarDay(daysSinceEpoch: day).text) }

    static func phone(_ number: String, use: String) -> JSON {
        ["system": "phone", "value": .string(number), "use": .string(use)]
    }

    static func email(_ address: String) -> JSON { ["system": "email", "value": .string(address)] }

    static func annotation(_ text: String) -> JSON { ["text": .string(text)] }

    /// Narrative of paragraphs (narrative.html).
    static func narrative(_ text: String) -> JSON {
        let paragraphs = text.split(separator: "\n").map { "<p>\(escapedXHTML($0))</p>" }.joined()
        return [
            "status": "additional", "div": .string("<div xmlns=\"http://www.w3.org/1999/xhtml\">\(paragraphs)</div>"),
        ]
    }

    /// Attachment that carries plain text.
    static func plainText(_ text: String, title: String, created: Instant) -> JSON {
        [
            "contentType": "text/plain; charset=utf-8", "data": .string(base64(text)),
            "size": .integer(text.utf8.count), "title": .string(title), "creation": .dateTime(created),
        ]
    }
}

private func escapedXHTML(_ text: Substring) -> String {
    var output = ""
    for character in text {
        switch character {
        case "&": output += "&amp;"
        case "<": output += "&lt;"
        case ">": output += "&gt;"
        default: output.append(character)
        }
    }
    return output
}

extension Instant {
    static let secondsPerDay: Int64 = 86_400
    /// The demo clinic's clocks are five hours behind UTC all year.
    private static let clinicOffset: Int64 = -5 * 3600

    /// Days since 1970 on the clinic's calendar.
    var day: Int64 { (microseconds / 1_000_000 + Self.clinicOffset).floorDivided(by: Self.secondsPerDay) }

    /// The moment `minutes` after the clinic's midnight on `day`.
    init(day: Int64, minutes: Int64) {
        self.init(microseconds: (day * Self.secondsPerDay + minutes * 60 - Self.clinicOffset) * 1_000_000)
    }

    func adding(minutes: Int) -> Instant { adding(seconds: Int64(minutes) * 60) }

    func adding(days: Int) -> Instant { adding(seconds: Int64(days) * Self.secondsPerDay) }

    /// `2026-11-21T09:30:00-05:00`.
    var clinicTime: String {
        // The text of the shifted moment, without its milliseconds and Z.
        String(adding(seconds: Self.clinicOffset).text.dropLast(5)) + "-05:00"
    }
}
