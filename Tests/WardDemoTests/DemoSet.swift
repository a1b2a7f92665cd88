import Testing
import WardCore
import WardDemo
import WardFHIR

/// The demo's bundles, read back.
struct DemoSet: Sendable {
    struct Entry: Sendable {
        let bundle: Int
        let type: String
        let fullUrl: String
        let method: String
        let url: String
        let resource: JSONValue
    }

    let bundles: [[UInt8]]
    let entries: [Entry]

    init(seed: UInt64, now: Instant) throws {
        bundles = DemoClinic(seed: seed, now: now).bundles()
        var entries: [Entry] = []
        for (index, bytes) in bundles.enumerated() {
            let root = try JSONTape(parsing: bytes).root
            try #require(root["type"]?.string == "transaction")
            for entry in root["entry"]?.elements ?? [] {
                let resource = try #require(entry["resource"])
                entries.append(
                    Entry(
                        bundle: index, type: try #require(resource["resourceType"]?.string),
                        fullUrl: try #require(entry["fullUrl"]?.string),
                        method: try #require(entry["request"]?["method"]?.string),
                        url: try #require(entry["request"]?["url"]?.string), resource: resource))
            }
        }
        self.entries = entries
    }

    /// The set that most tests look at, read once.
    static let standard = Result { try DemoSet(seed: 1, now: wednesday) }

    /// 2026-03-18T15:40:00Z.
    static let wednesday = Instant(microseconds: 1_773_848_400_000_000)

    func resources(_ type: String) -> [JSONValue] { entries.filter { $0.type == type }.map(\.resource) }

    func count(_ type: String, where matches: (JSONValue) -> Bool) -> Int { resources(type).filter(matches).count }
}

/// Calls `body` with the name and text of every string at or below `value`.
func forEachText(_ value: JSONValue, named name: String = "", _ body: (String, String) -> Void) {
    switch value.kind {
    case .object: for (key, child) in value.members { forEachText(child, named: key, body) }
    case .array: for child in value.elements { forEachText(child, named: name, body) }
    case .string: body(name, value.string ?? "")
    default: break
    }
}
