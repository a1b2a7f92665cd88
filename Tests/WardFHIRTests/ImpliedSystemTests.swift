import Testing
import WardCore
import WardFHIR

/// FHIR R4 search.html#token: the system of an element of type `code` is that of its required binding.
@Suite struct `The implied system of a code` {
    private static let gender = "http://hl7.org/fhir/administrative-gender"
    private static let types = "http://hl7.org/fhir/resource-types"

    @Test(arguments: [
        ("Patient", "gender=\(gender)|male", true), ("Patient", "gender=\(gender)|Male", true),
        ("Patient", "gender=\(gender)|", true), ("Patient", "gender=male", true), ("Patient", "gender=|male", true),
        ("Patient", "gender=urn:x|male,\(gender)|male", true), ("Patient", "gender:not=\(gender)|female", true),
        ("Patient", "gender=\(gender)|female", false), ("Patient", "gender=\(gender)|nonsense", false),
        ("Patient", "gender=\(gender)/|male", false),
        ("Patient", "gender=HTTP://hl7.org/fhir/administrative-gender|male", false),
        ("Patient", "gender=http://hl7.org/fhir/ValueSet/administrative-gender|male", false),
        ("Patient", "gender=urn:x|male", false), ("Patient", "gender=urn:x|", false),
        ("Patient", "gender:not=\(gender)|male", false), ("Patient", "gender:not=\(gender)|", false),
        ("Patient", "address-use=\(gender)|male", false), ("Patient", "active=\(gender)|true", false),
        ("CapabilityStatement", "resource=\(types)|Patient", true), ("CapabilityStatement", "resource=\(types)|", true),
        ("CapabilityStatement", "resource=\(types)|Group", false),
        ("CapabilityStatement", "resource=\(gender)|Patient", false),
        ("CapabilityStatement", "resource=\(gender)|", false),
        // A value set of two systems: each code belongs to its own.
        ("Task", "intent=http://hl7.org/fhir/request-intent|order", true),
        ("Task", "intent=http://hl7.org/fhir/request-intent|", true),
        ("Task", "intent=http://hl7.org/fhir/task-intent|order", false),
        ("Task", "intent=http://hl7.org/fhir/task-intent|", false),
        // An element with a system of its own keeps to it.
        ("Task", "code=\(gender)|male", false), ("Task", "code=|male", true),
        // One component of a composite.
        (
            "DocumentReference",
            "relationship=DocumentReference/a$http://hl7.org/fhir/document-relationship-type|replaces", true
        ),
        (
            "DocumentReference",
            "relationship=DocumentReference/a$http://hl7.org/fhir/document-relationship-type|signs", false
        ),
        ("DocumentReference", "relationship=DocumentReference/a$\(gender)|replaces", false),
    ])
    func `is that of its required binding`(type: String, request: String, isMatch: Bool) throws {
        let bodies = [
            "Patient": #""gender":"male","active":true,"address":[{"use":"home"}]"#,
            "CapabilityStatement": #""rest":[{"mode":"server","resource":[{"type":"Patient"}]}]"#,
            "Task": #""intent":"order","code":{"coding":[{"code":"male"}]}"#,
            "DocumentReference": #""relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/a"}}]"#,
        ]
        let resource = try tape("{\"resourceType\":\"\(type)\",\(try #require(bodies[type]))}")
        let resourceType = try #require(ResourceType(type))
        let now = Instant(microseconds: 0)
        let pair = request.split(separator: "=", maxSplits: 1).map(String.init)
        let query = try SearchQuery.parse(
            type: resourceType, parameters: [SearchPair(name: pair[0], value: pair[1])], handling: .strict,
            context: SearchContext(baseURL: "https://ward.example/fhir", now: now, zoneOffsetMinutes: 0))
        let values = SearchExtractor.values(of: resource, type: resourceType, ownBase: nil)
        let record = SearchedRecord(type: resourceType, id: "a", lastUpdated: now)
        #expect(
            SearchMatcher.matches(values, of: record, try #require(query.plans.first?.criterion)) == isMatch)
    }

    @Test func `is not looked up more often than the limit allows`() throws {
        let list = Array(repeating: "\(Self.types)|", count: 7).joined(separator: ",")
        let type = try #require(ResourceType("CapabilityStatement"))
        #expect(throws: SearchQueryFailure.tooMany(parameter: "resource")) {
            try SearchQuery.parse(
                type: type, parameters: [SearchPair(name: "resource", value: list)], handling: .strict,
                context: SearchContext(
                    baseURL: "https://ward.example/fhir", now: Instant(microseconds: 0), zoneOffsetMinutes: 0))
        }
    }
}
