import Testing
import WardCore
import WardFHIR

@Suite struct `Parsing a search request` {
    @Test(arguments: [
        ("subject.nothing=x", SearchQueryFailure.unknownParameters(["subject.nothing"])),
        ("subject:Patient.nothing=x", .unknownParameters(["subject:Patient.nothing"])),
        ("subject:Medication.code=x", .malformed(parameter: "subject:Medication.code", .type)),
        ("subject:nothing.code=x", .malformed(parameter: "subject:nothing.code", .type)),
        ("subject:missing.name=x", .malformed(parameter: "subject:missing.name", .type)),
        ("subject:Patient.birthdate=x", .malformed(parameter: "subject:Patient.birthdate", .date)),
        ("subject:Patient.name:not=x", .unsupported(parameter: "subject:Patient.name:not", .modifier)),
        ("subject.=x", .unknownParameters(["subject."])), (".name=x", .unknownParameters([".name"])),
        ("code.name=x", .unsupported(parameter: "code.name", .chaining)),
        ("_id.name=x", .unsupported(parameter: "_id.name", .chaining)),
        ("_has=x", .unknownParameters(["_has"])), ("_has:=x", .malformed(parameter: "_has:", .type)),
        ("_has:Observation=x", .malformed(parameter: "_has:Observation", .type)),
        ("_has:Observation:has-member=x", .malformed(parameter: "_has:Observation:has-member", .type)),
        ("_has:Nothing:patient:code=x", .malformed(parameter: "_has:Nothing:patient:code", .type)),
        ("_has:Observation:patient:code=x", .malformed(parameter: "_has:Observation:patient:code", .type)),
        ("_has:Observation:code:code=x", .unsupported(parameter: "_has:Observation:code:code", .reverseChaining)),
        ("_has:Observation:nothing:code=x", .unknownParameters(["_has:Observation:nothing:code"])),
        ("_has:Observation:has-member:nothing=x", .unknownParameters(["_has:Observation:has-member:nothing"])),
        (
            "subject:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.name=x",
            .tooDeep(
                parameter:
                    "subject:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.link:Patient.name"
            )
        ),
        ("focus.focus.focus._id=x", .tooManyTypes(parameter: "focus.focus.focus._id")),
        ("_text=x", .unsupported(parameter: "_text", .parameter)),
        ("_content=x", .unsupported(parameter: "_content", .parameter)),
        ("_list=$current-allergies", .malformed(parameter: "_list", .id)),
        ("_list:not=x", .unsupported(parameter: "_list:not", .modifier)),
        ("_contained=true", .unsupported(parameter: "_contained", .parameter)),
        ("_contained=both", .unsupported(parameter: "_contained", .parameter)),
        ("_filter=x", .unsupported(parameter: "_filter", .parameter)),
        ("_query=x", .unsupported(parameter: "_query", .parameter)),
        ("_summary=true", .unsupported(parameter: "_summary", .parameter)),
        ("_elements=code", .unsupported(parameter: "_elements", .parameter)),
        ("_type=Patient", .unsupported(parameter: "_type", .parameter)),
        ("_revinclude:iterate=*", .unsupported(parameter: "_revinclude", .iteration)),
        ("_include:iterated=Observation:subject", .unsupported(parameter: "_include", .modifier)),
        ("_include=Nothing:*", .malformed(parameter: "_include", .include)),
        ("_include=Observation:*:Nothing", .malformed(parameter: "_include", .include)),
        ("_include=*:subject", .malformed(parameter: "_include", .include)),
        ("_include=Observation:code", .malformed(parameter: "_include", .include)),
        ("_include=Observation:nothing", .malformed(parameter: "_include", .include)),
        ("_include=Observation", .malformed(parameter: "_include", .include)),
        ("_include=Observation:subject:Organization", .malformed(parameter: "_include", .include)),
        ("_include=Observation:subject:Patient:x", .malformed(parameter: "_include", .include)),
        ("_sort=code-value-quantity", .unsupported(parameter: "_sort", .sortKey)),
        ("_sort=nothing", .malformed(parameter: "_sort", .sortKey)),
        ("_sort=", .malformed(parameter: "_sort", .sortKey)), ("_sort=date,", .malformed(parameter: "_sort", .sortKey)),
        ("_sort=date&_sort=-date", .repeated(parameter: "_sort")),
        ("_count=-1", .malformed(parameter: "_count", .count)),
        ("_count=x", .malformed(parameter: "_count", .count)), ("_count=1&_count=2", .repeated(parameter: "_count")),
        ("_count=99999999999999999999", .malformed(parameter: "_count", .count)),
        ("_total=some", .malformed(parameter: "_total", .total)),
        ("_count:x=1", .unsupported(parameter: "_count", .modifier)),
        ("code=", .malformed(parameter: "code", .nonEmpty)), ("code=a,,b", .malformed(parameter: "code", .nonEmpty)),
        ("code=|", .malformed(parameter: "code", .token)), ("code=a|b|c", .malformed(parameter: "code", .token)),
        ("code:in=x", .malformed(parameter: "code:in", .uri)), ("code:in=", .malformed(parameter: "code:in", .uri)),
        ("code:not-in=http://x,", .malformed(parameter: "code:not-in", .uri)),
        ("code:below=x", .malformed(parameter: "code:below", .token)),
        ("code:above=s|", .malformed(parameter: "code:above", .token)),
        ("code:below=|x", .malformed(parameter: "code:below", .token)),
        ("code:in=" + (0...20).map { "http://x/\($0)" }.joined(separator: ","), .tooMany(parameter: "code:in")),
        ("_id:in=http://x", .unsupported(parameter: "_id:in", .modifier)),
        ("subject:below=Patient/1", .unsupported(parameter: "subject:below", .modifier)),
        ("date:in=http://x", .unsupported(parameter: "date:in", .modifier)),
        ("code:exact=x", .unsupported(parameter: "code:exact", .modifier)),
        ("code:=x", .unsupported(parameter: "code:", .modifier)),
        ("code:missing=maybe", .malformed(parameter: "code:missing", .boolean)),
        ("date:not=2020", .unsupported(parameter: "date:not", .modifier)),
        ("date:exact=2020", .unsupported(parameter: "date:exact", .modifier)),
        ("date=2020-13", .malformed(parameter: "date", .date)),
        ("date=2021-02-29", .malformed(parameter: "date", .date)),
        ("date=ge", .malformed(parameter: "date", .date)), ("date=xx2020", .malformed(parameter: "date", .date)),
        ("date=2020-01-01T24:00:00Z", .malformed(parameter: "date", .date)),
        ("value-quantity=x", .malformed(parameter: "value-quantity", .quantity)),
        ("value-quantity=1|mg", .malformed(parameter: "value-quantity", .quantity)),
        ("value-quantity=1|a|b|c", .malformed(parameter: "value-quantity", .quantity)),
        ("value-quantity=gege1", .malformed(parameter: "value-quantity", .quantity)),
        ("subject=a/b", .malformed(parameter: "subject", .reference)),
        ("subject:Patient=Patient/1", .malformed(parameter: "subject:Patient", .reference)),
        ("subject:Medication=1", .unsupported(parameter: "subject:Medication", .modifier)),
        ("subject:nothing=1", .unsupported(parameter: "subject:nothing", .modifier)),
        ("code-value-quantity=a", .malformed(parameter: "code-value-quantity", .composite)),
        ("code-value-quantity=a$", .malformed(parameter: "code-value-quantity", .composite)),
        ("code-value-quantity=a$1$2", .malformed(parameter: "code-value-quantity", .composite)),
        ("code-value-quantity:missing=x", .malformed(parameter: "code-value-quantity:missing", .boolean)),
        ("value-string=%CC%81", .malformed(parameter: "value-string", .nonEmpty)),
        ("_lastUpdated:exact=2020", .unsupported(parameter: "_lastUpdated:exact", .modifier)),
        ("_id:exact=1", .unsupported(parameter: "_id:exact", .modifier)),
        ("nothing=1&also:not=2&code=x", .unknownParameters(["nothing", "also:not"])),
        ("nothing.name=1", .unknownParameters(["nothing.name"])),
        (
            "_has:Observation:has-member:_text=1",
            .unsupported(parameter: "_has:Observation:has-member:_text", .parameter)
        ),
    ])
    func `refuses by name`(request: String, failure: SearchQueryFailure) {
        #expect(throws: failure) { try parse("Observation", request) }
    }

    @Test func `ignores unknown parameters when lenient, and says so`() throws {
        let query = try parse("Observation", "nothing=1&code=x&_format=json&_pretty=true&_count=5", .lenient)
        #expect(query.ignoredParameters == ["nothing"])
        #expect(
            query.appliedParameters == [SearchPair(name: "code", value: "x"), SearchPair(name: "_count", value: "5")])
        #expect(query.count == 5)
        #expect(throws: SearchQueryFailure.self) { try parse("Observation", "_text=1", .lenient) }
    }

    @Test(arguments: [
        ("code=a", TokenTest.code("a")), ("code=|a", .codeWithoutSystem("a")), ("code=s|", .system("s")),
        ("code=s|a", .coded(system: "s", code: "a")), (#"code=s\|a"#, .code("s|a")), (#"code=a\,b"#, .code("a,b")),
        (#"code=a\\"#, .code(#"a\"#)), (#"code=a\$b"#, .code("a$b")), (#"code=a\x"#, .code(#"a\x"#)),
        (#"code=a\"#, .code(#"a\"#)),
    ])
    func `reads tokens and their escapes`(request: String, test: TokenTest) throws {
        let criterion = try parse("Observation", request).plans.first?.criterion
        #expect(criterion == .matches(parameter: try number("Observation", "code"), .token(test)))
    }

    @Test(arguments: [
        ("subject=Patient/23", [ValueTest.reference(types: ["Patient"], id: "23")]),
        ("subject:Patient=23", [.reference(types: ["Patient"], id: "23")]),
        ("encounter=23", [.reference(types: ["Encounter", "EpisodeOfCare"], id: "23")]),
        ("subject=Patient/23/_history/2", [.reference(types: ["Patient"], id: "23", version: "2")]),
        ("subject=http://x.example/Patient/23", [.externalReference("http://x.example/Patient/23")]),
        ("subject=urn:oid:1.2", [.externalReference("urn:oid:1.2")]),
        ("subject:identifier=s|v", [.logicalReference(.coded(system: "s", code: "v"))]),
        (
            "subject=https://ward.example/fhir/Patient/23",
            [.reference(types: ["Patient"], id: "23"), .externalReference("https://ward.example/fhir/Patient/23")]
        ),
    ])
    func `reads references`(request: String, tests: [ValueTest]) throws {
        let code = request.prefix { $0 != "=" && $0 != ":" }
        let number = try number("Observation", String(code))
        let criteria = tests.map { SearchCriterion.matches(parameter: number, $0) }
        let criterion = try parse("Observation", request).plans.first?.criterion
        #expect(criterion == (criteria.count == 1 ? criteria.first : .any(criteria)))
    }

    @Test func `turns commas into OR, repetition into AND and NOT around the OR`() throws {
        let status = try number("Observation", "status")
        func test(_ code: String) -> SearchCriterion { .matches(parameter: status, .token(.code(code))) }
        #expect(try parse("Observation", "status=a,b").plans.first?.criterion == .any([test("a"), test("b")]))
        #expect(try parse("Observation", "status=a&status=b").plans.first?.criterion == .all([test("a"), test("b")]))
        #expect(
            try parse("Observation", "status:not=a,b").plans.first?.criterion == .not(.any([test("a"), test("b")])))
        #expect(
            try parse("Observation", "status:missing=false").plans.first?.criterion == .not(.missing(parameter: status))
        )
        #expect(try parse("Observation", "_id:missing=true").plans.first?.criterion == .never)
        #expect(try parse("Observation", "").plans.first?.criterion == .always)
    }

    @Test func `searches all types, or those of _type, with what they have in common`() throws {
        #expect(try parse(nil, "_id=1").plans.count == 146)
        let query = try parse(nil, "_type=Observation,Encounter&date=2020&_sort=-date,_lastUpdated")
        #expect(query.plans.map(\.type.name) == ["Encounter", "Observation"])
        #expect(
            try query.plans.map(\.sortParameters) == [
                [number("Encounter", "date"), nil], [number("Observation", "date"), nil],
            ])
        #expect(throws: SearchQueryFailure.unknownParameters(["name"])) {
            try parse(nil, "_type=Observation,Patient&name=x")
        }
        #expect(throws: SearchQueryFailure.malformed(parameter: "_type", .type)) {
            try parse(nil, "_type=Observation,")
        }
        #expect(throws: SearchQueryFailure.repeated(parameter: "_type")) {
            try parse(nil, "_type=Patient&_type=Patient")
        }
    }

    @Test func `reads chains, typed and untyped, and chains back`() throws {
        let typed = try parse("Observation", "subject:Patient.name=x").plans.first?.criterion
        guard case .chain(try number("Observation", "subject"), let tie)? = typed else {
            Issue.record("no chain")
            return
        }
        #expect(tie.isNamed && tie.plans.map(\.type.name) == ["Patient"])
        let name = try number("Patient", "name")
        #expect(tie.plans.first?.criterion == .matches(parameter: name, .string(.startsWith, "x")))
        let untyped = try #require(try parse("Observation", "subject.name=x").plans.first?.criterion.ties.first)
        #expect(!untyped.isNamed && untyped.plans.map(\.type.name) == ["Location", "Patient"])
        let back = try parse("Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent:Patient.name=x")
        #expect(back.namedTypes.map(\.name) == ["AuditEvent", "Observation", "Patient"])
        let deep = try parse("Encounter", "patient._has:Group:member:_id=1").plans.first?.criterion.ties
        #expect(deep?.map { $0.plans.map(\.type.name) } == [["Patient"], ["Group"]])
    }

    @Test func `writes wildcards of includes out`() throws {
        let all = try parse("Observation", "_include=*").includes
        #expect(all.allSatisfy { $0.source.name == "Observation" && !$0.isNamed && !$0.isIterated } && all.count > 5)
        #expect(try parse("Patient", "_include=Observation:*").includes.map(\.parameter) == all.map(\.parameter))
        let back = try parse("Patient", "_revinclude=*").reverseIncludes
        #expect(back.count > 100 && back.allSatisfy { !$0.isNamed })
        #expect(try parse("Patient", "_revinclude=*").namedTypes == [])
        let some = try parse("Patient", "_revinclude=Observation:*").reverseIncludes
        #expect(some.count > 2 && some.allSatisfy { $0.source.name == "Observation" })
        let iterated = try parse("Patient", "_revinclude:iterate=Observation:encounter&_include:iterate=Patient:link")
        #expect(iterated.reverseIncludes.map(\.isIterated) == [true] && iterated.includes.map(\.isIterated) == [true])
    }

    @Test func `takes each include once, however often it is asked for`() throws {
        let once = try parse("Patient", "_revinclude=*").reverseIncludes
        let often = try parse("Patient", Array(repeating: "_revinclude=*", count: 990).joined(separator: "&"))
        #expect(often.reverseIncludes == once)
        let named = try parse("Patient", "_include=Patient:link&_include=Patient:*&_include=Patient:link").includes
        #expect(named.count { $0.isNamed } == 1)
    }

    @Test func `counts the codes of modifiers among what a kept result holds`() throws {
        let type = try #require(ResourceType("Observation"))
        let parameter = try #require(Definitions.r4.searchParameter("code", of: type))
        let pairs = Set((0..<50).map { TokenPair(system: "urn:s", code: "\($0)") })
        let test = SearchCriterion.matches(parameter: parameter.number, .codes(CodeSet(pairs, under: parameter)))
        #expect(SearchCriterion.all([.not(test), .any([test, .always])]).setSize == 100)
    }

    @Test func `ends soon with names that branch at every step, however many`() {
        let name = "focus.focus.focus.focus.focus.focus.focus.nothing"
        let many = (0..<900).map { _ in "\(name)=x" }.joined(separator: "&")
        for type in [nil, "Observation"] {
            let clock = ContinuousClock()
            let spent = clock.measure {
                #expect(throws: SearchQueryFailure.self) { try parse(type, many) }
            }
            #expect(spent < .seconds(20))
        }
        let wide = (0..<900).map { _ in "focus.identifier=x" }.joined(separator: "&")
        #expect(throws: SearchQueryFailure.tooManyTypes(parameter: "focus.identifier")) {
            try parse("Observation", wide)
        }
    }

    @Test func `refuses more than it will look at`() {
        let list = (0...SearchQuery.limit).map { "\($0)" }.joined(separator: ",")
        #expect(throws: SearchQueryFailure.tooMany(parameter: "code")) { try parse("Observation", "code=" + list) }
    }

    @Test func `reads includes and totals`() throws {
        let query = try parse(
            "Observation",
            "_include=Observation:subject:Patient&_revinclude=Provenance:target&_total=none&_sort=-_lastUpdated")
        #expect(query.includes.map(\.source.name) == ["Observation"])
        #expect(query.includes.first?.target?.name == "Patient")
        #expect(query.reverseIncludes.map(\.source.name) == ["Provenance"])
        #expect(query.total == SearchTotal.none)
        #expect(query.sort == [SearchSortKey(code: "_lastUpdated", isDescending: true)])
    }

    private func parse(
        _ type: String?, _ request: String, _ handling: SearchHandling = .strict
    ) throws -> SearchQuery {
        let pairs = request.split(separator: "&").map { pair -> SearchPair in
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = sides.count > 1 ? String(sides[1]).replacing("%CC%81", with: "\u{301}") : ""
            return SearchPair(name: String(sides[0]), value: value)
        }
        return try SearchQuery.parse(
            type: type.flatMap { ResourceType($0) }, parameters: pairs, handling: handling,
            context: SearchContext(
                baseURL: "https://ward.example/fhir/", now: Instant(microseconds: 0), zoneOffsetMinutes: 0))
    }

    private func number(_ type: String, _ code: String) throws -> UInt16 {
        let type = try #require(ResourceType(type))
        return try #require(Definitions.r4.searchParameter(code, of: type)).number
    }
}

extension ValueTest {
    fileprivate static func reference(types: [String], id: String, version: String? = nil) -> ValueTest {
        .reference(types: types.compactMap { ResourceType($0) }, id: id, version: version)
    }
}
