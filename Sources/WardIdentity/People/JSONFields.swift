import WardCore
import WardFHIR

extension JSONWriter {
    mutating func strings(_ values: [String]) {
        beginArray()
        for value in values { string(value) }
        endArray()
    }
}

extension JSONValue {
    var instant: Instant? { integer.map(Instant.init(microseconds:)) }
    func strings(_ name: StaticString) -> [String] { (self[name]?.elements ?? []).compactMap(\.string) }
}
