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
        let listed = try names("searchRevInclude", of: type).filter { $0 != "*" }
        #expect(Set(listed).count == listed.count && !listed.isEmpty)
        let context = SearchContext(baseURL: TestHouse.base, now: Instant(microseconds: 0), zoneOffsetMinutes: 0)
        for name in listed {
            let query = try SearchQuery.parse(
                type: try .named(type), parameters: [SearchPair(name: "_revinclude", value: "\(name):\(type)")],
                handling: .strict, context: context)
            #expect(query.reverseIncludes.map(\.target?.name) == [type])
        }
    }

    @Test(arguments: ["Patient", "Observation", "Encounter", "List", "Bundle", "AuditEvent"])
    func `names only parameters and includes that a search takes, and wildcards`(type: String) throws {
        let context = SearchContext(baseURL: TestHouse.base, now: Instant(microseconds: 0), zoneOffsetMinutes: 0)
        func parse(_ name: String, _ value: String) throws -> SearchQuery {
            try SearchQuery.parse(
                type: try .named(type), parameters: [SearchPair(name: name, value: value)], handling: .strict,
                context: context)
        }
        let house = try TestHouse()
        let root = try JSONTape(parsing: house.clinic.capabilities(date: Instant(microseconds: 0))).root
        let rest = try #require(root["rest"]?.elements.first)
        let resource = try #require(rest["resource"]?.elements.first { $0["type"]?.string == type })
        let parameters = resource["searchParam"]?.elements.compactMap { $0["name"]?.string } ?? []
        #expect(parameters.count > 5)
        for parameter in parameters { _ = try parse("\(parameter):missing", "false") }
        for include in try names("searchInclude", of: type) { _ = try parse("_include:iterate", include) }
        #expect(try names("searchRevInclude", of: type).contains("*"))
        #expect(rest["interaction"]?.elements.contains { $0["code"]?.string == "search-system" } ?? false)
        let compartments = rest["compartment"]?.elements.compactMap(\.string) ?? []
        #expect(compartments.contains("http://hl7.org/fhir/CompartmentDefinition/relatedPerson"))
        #expect(compartments.count == 5)
    }
}
