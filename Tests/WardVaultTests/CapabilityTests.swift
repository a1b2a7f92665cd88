import Testing
import WardClinic
import WardCore
import WardFHIR
import WardTestKit

@Suite struct `The capability statement` {
    private func names(_ member: StaticString, of type: String) throws -> [String] {
        let house = try TestHouse()
        let root = try JSONTape(parsing: house.clinic.capabilities(date: Instant(microseconds: 0))).root
        let rest = try #require(root["rest"]?.elements.first)
        let resource = try #require(rest["resource"]?.elements.first { $0["type"]?.string == type })
        return resource[member]?.elements.compactMap(\.string) ?? []
    }

    @Test(arguments: [
        ("Patient", "Observation:subject", true), ("Patient", "Observation:patient", true),
        ("Patient", "Patient:link", true), ("Encounter", "Observation:encounter", true),
        ("Binary", "Provenance:target", true), ("Patient", "Observation:code", false),
        ("Patient", "Observation:encounter", false), ("Observation", "Observation:subject", false),
        ("Patient", "Patient:organization", false), ("Patient", "Observation:nonsense", false),
    ])
    func `names each reverse include of a type, and no other`(type: String, name: String, isThere: Bool) throws {
        #expect(try names("searchRevInclude", of: type).contains(name) == isThere)
    }

    @Test(arguments: ["Patient", "Organization", "Location", "Binary"])
    func `names only reverse includes that a search takes`(type: String) throws {
        let listed = try names("searchRevInclude", of: type)
        #expect(Set(listed).count == listed.count && !listed.isEmpty)
        let context = SearchContext(baseURL: TestHouse.base, now: Instant(microseconds: 0), zoneOffsetMinutes: 0)
        for name in listed {
            let query = try SearchQuery.parse(
                type: try .named(type), parameters: [SearchPair(name: "_revinclude", value: "\(name):\(type)")],
                handling: .strict, context: context)
            #expect(query.reverseIncludes.map(\.target?.name) == [type])
        }
    }
}
