import Testing
import WardCore
import WardFHIR

/// Extraction and rewriting over the examples of FHIR R4 and synthetic records.
@Suite(.enabled(if: OfficialData.isThere)) struct `Official data` {
    @Test func `is extracted and rewritten without loss: examples of R4`() throws {
        let names = OfficialData.names("hl7-r4-examples")
        #expect(names.count > 5000)
        var undecidable = 0
        for name in names {
            let tape = try OfficialData.tape("hl7-r4-examples/" + name)
            undecidable += try check(tape, at: JSONTape.rootIndex, name)
        }
        print("examples of R4: \(names.count) files, \(undecidable) undecidable values")
    }

    @Test func `is extracted and rewritten without loss: Synthea`() throws {
        var (resources, values) = (0, 0)
        for name in OfficialData.names("synthea-blaze-2021").prefix(12) {
            let tape = try OfficialData.tape("synthea-blaze-2021/" + name)
            for entry in tape.root["entry"]?.elements ?? [] {
                let resource = try #require(entry["resource"])
                values += try check(tape, at: resource.index, name)
                resources += 1
            }
        }
        #expect(values == 0)
        print("Synthea: \(resources) resources")
    }

    /// Number of undecidable values.
    private func check(_ tape: JSONTape, at index: Int, _ name: String) throws -> Int {
        guard let type = tape.member(index, "resourceType").flatMap({ ResourceType(tape.text($0)) }) else { return 0 }
        let values = SearchExtractor.values(of: tape, at: index, type: type, ownBase: nil)
        #expect(Set(values).count == values.count, "\(name)")
        try checkRewriting(tape, at: index, name)
        return values.filter { $0.value == .undecidable }.count
    }

    private func checkRewriting(_ tape: JSONTape, at index: Int, _ name: String) throws {
        let bytes = ResourceRewriter.rewritten(
            tape, at: index, id: "i", versionId: "v", lastUpdated: Instant(microseconds: 0))
        let result = try JSONTape(parsing: bytes)
        let set = ["id", "meta", "resourceType"]
        let old = JSONValue(tape: tape, index: index).members.filter { !set.contains($0.key) }
        let new = result.root.members.filter { !set.contains($0.key) }
        #expect(old.count == new.count, "\(name)")
        for (left, right) in zip(old, new) where left.key != right.key || !same(left.value, right.value) {
            Issue.record("\(name): \(left.key) differs")
        }
        let stamps = ["versionId", "lastUpdated"]
        let oldMeta = tape.member(index, "meta").map { JSONValue(tape: tape, index: $0).members } ?? []
        let newMeta = try #require(result.root["meta"]).members
        #expect(newMeta.prefix(2).map(\.key) == stamps && result.root["id"]?.string == "i", "\(name)")
        let kept = oldMeta.filter { !stamps.contains($0.key) }
        #expect(kept.map(\.key) == newMeta.dropFirst(2).map(\.key), "\(name)")
        for (left, right) in zip(kept, newMeta.dropFirst(2)) { #expect(same(left.value, right.value), "\(name)") }
    }

    private func same(_ left: JSONValue, _ right: JSONValue) -> Bool {
        guard left.kind == right.kind else { return false }
        switch left.kind {
        case .object:
            let (first, second) = (left.members, right.members)
            return first.count == second.count
                && zip(first, second).allSatisfy { $0.key == $1.key && same($0.value, $1.value) }
        case .array:
            let (first, second) = (left.elements, right.elements)
            return first.count == second.count && zip(first, second).allSatisfy { same($0, $1) }
        default: return left.tape.text(left.index) == right.tape.text(right.index)
        }
    }

    @Test func `is extracted as the FHIRPath engine would`() throws {
        let options = FHIRPathOptions(now: Instant(microseconds: 0))
        var (compared, valueless) = (0, 0)
        for (number, name) in OfficialData.names("hl7-r4-examples").enumerated() where number % Self.stride == 0 {
            let tape = try OfficialData.tape("hl7-r4-examples/" + name)
            guard let type = tape.root["resourceType"]?.string.flatMap({ ResourceType($0) }) else { continue }
            let values = Dictionary(
                grouping: SearchExtractor.values(of: tape, type: type, ownBase: nil), by: \.parameter)
            for parameter in Definitions.r4.searchParameters(of: type) where !parameter.expression.isEmpty {
                let items = try FHIRPathExpression(parameter.expression).evaluate(on: tape, options: options)
                let found = values[parameter.number] ?? []
                if items.isEmpty { #expect(found.isEmpty, "\(name) \(parameter.code)") }
                if !items.isEmpty, found.isEmpty { valueless += 1 }
                let texts = found.compactMap { text($0.value) }
                guard texts.count == found.count, !texts.isEmpty else { continue }
                let expected = items.compactMap { $0.text(in: tape) }
                guard expected.count == items.count else { continue }
                compared += 1
                #expect(Set(texts) == Set(expected), "\(name) \(parameter.code)")
            }
        }
        print("extraction and engine: \(compared) parameters compared, \(valueless) with elements but no values")
        #expect(compared > 100)
    }

    /// Values of primitives.
    private func text(_ value: SearchValue) -> String? {
        switch value {
        case .token(nil, let code?, []): code
        case .string(let text), .uri(let text), .number(let text): text
        default: nil
        }
    }

    @Test func `has only base invariants that can be read`() throws {
        var expressions: Set<String> = []
        for name in OfficialData.names("hl7.fhir.r4.core-4.0.1") where name.hasPrefix("StructureDefinition-") {
            let definition = try OfficialData.tape("hl7.fhir.r4.core-4.0.1/" + name).root
            for element in definition["snapshot"]?["element"]?.elements ?? [] {
                for constraint in element["constraint"]?.elements ?? [] {
                    if let text = constraint["expression"]?.string { expressions.insert(text) }
                }
            }
        }
        #expect(expressions.count > 200)
        for text in expressions {
            do { _ = try FHIRPathExpression(text) } catch { Issue.record("\(text): \(error)") }
        }
    }

    @Test func `satisfies the invariants of R4`() throws {
        let rules = try invariants()
        let options = FHIRPathOptions(now: Instant.now())
        var broken: [String: Int] = [:]
        var unsupported: Set<String> = []
        var count = 0
        for (number, name) in OfficialData.names("hl7-r4-examples").enumerated() where number % Self.stride == 0 {
            let tape = try OfficialData.tape("hl7-r4-examples/" + name)
            for rule in rules[tape.root["resourceType"]?.string ?? ""] ?? [] {
                do throws(FHIRPathFailure) {
                    for item in try rule.path.evaluate(on: tape, options: options) {
                        count += 1
                        if try rule.condition.test(item, in: tape, resource: 0, options: options) == false {
                            broken[rule.key, default: 0] += 1
                            if OfficialData.measures { print("broken", rule.key, name) }
                        }
                    }
                } catch {
                    guard case .unsupported(let what) = error else {
                        Issue.record("\(name) \(rule.key): \(error)")
                        continue
                    }
                    unsupported.insert(what)
                }
            }
        }
        print("invariants: \(count) evaluated; broken: \(broken); unsupported: \(unsupported)")
        #expect(unsupported.isSubset(of: ["htmlChecks", "content of a resolved reference", "unit conversion"]))
        // Four logical models among the examples have no base.
        #expect(broken.isEmpty || broken == ["sdf-4": 4])
    }

    private static let stride = OfficialData.measures ? 1 : 25

    private struct Invariant {
        let key: String
        let path: FHIRPathExpression
        let condition: FHIRPathExpression
    }

    /// By resource type: the rules on its elements that are errors.
    private func invariants() throws -> [String: [Invariant]] {
        var rules: [String: [Invariant]] = [:]
        for type in ResourceType.allCases {
            let file = "hl7.fhir.r4.core-4.0.1/StructureDefinition-\(type.name).json"
            guard OfficialData.bytes(file) != nil else { continue }
            for element in try OfficialData.tape(file).root["snapshot"]?["element"]?.elements ?? [] {
                let path = (element["path"]?.string ?? "").split(separator: ".").map { part in
                    "`" + part.replacing("[x]", with: "") + "`"
                }
                for rule in element["constraint"]?.elements ?? [] where rule["severity"]?.string == "error" {
                    guard let text = rule["expression"]?.string else { continue }
                    rules[type.name, default: []].append(
                        Invariant(
                            key: rule["key"]?.string ?? "", path: try FHIRPathExpression(path.joined(separator: ".")),
                            condition: try FHIRPathExpression(text)))
                }
            }
        }
        return rules
    }

    /// Times of a release build, for docs/limits.md.
    @Test(.enabled(if: OfficialData.measures)) func `extraction times`() throws {
        let name = try #require(OfficialData.names("synthea-blaze-2021").dropFirst(5).first)
        let entries = try OfficialData.tape("synthea-blaze-2021/" + name).root["entry"]?.elements ?? []
        for (typeName, rounds) in [("Observation", 200), ("Patient", 20_000), ("Encounter", 500), ("Claim", 500)] {
            let type = try #require(ResourceType(typeName))
            var tapes: [JSONTape] = []
            for entry in entries {
                let resource = try #require(entry["resource"])
                guard resource["resourceType"]?.string == typeName else { continue }
                var bytes: [UInt8] = []
                resource.tape.writeCompact(resource.index, into: &bytes)
                tapes.append(try JSONTape(parsing: bytes))
            }
            var count = 0
            let time = ContinuousClock().measure {
                for _ in 0..<rounds {
                    for tape in tapes {
                        count += SearchExtractor.values(of: tape, type: type, ownBase: "http://b").count
                    }
                }
            }
            let runs = rounds * tapes.count
            print(typeName, "values each:", count / runs, "time each:", time / runs)
        }
    }
}
