import Testing
import WardCore
import WardDemo
import WardFHIR

@Suite struct `The demo clinic` {
    let demo: DemoSet

    init() throws {
        demo = try DemoSet.standard.get()
    }

    @Test func `is the same for the same seed and moment`() {
        #expect(DemoClinic(seed: 1, now: DemoSet.wednesday).bundles() == demo.bundles)
    }

    @Test func `differs by seed and by moment`() {
        #expect(DemoClinic(seed: 2, now: DemoSet.wednesday).bundles() != demo.bundles)
        #expect(DemoClinic(seed: 1, now: DemoSet.wednesday.adding(seconds: 86_400)).bundles() != demo.bundles)
    }

    @Test func `writes what a strict parser writes back unchanged`() throws {
        for bytes in demo.bundles {
            let tape = try JSONTape(parsing: bytes)
            var output: [UInt8] = []
            tape.writeCompact(JSONTape.rootIndex, into: &output)
            #expect(output == bytes)
        }
    }

    @Test func `never names two resources alike`() {
        #expect(Set(demo.entries.map(\.fullUrl)).count == demo.entries.count)
        let puts = demo.entries.filter { $0.method == "PUT" }.map(\.url)
        #expect(Set(puts).count == puts.count)
    }

    @Test func `uses both ways to create, each with its kind of address`() {
        for entry in demo.entries {
            switch entry.method {
            case "PUT":
                #expect(entry.url == "\(entry.type)/\(entry.resource["id"]?.string ?? "")")
                #expect(entry.fullUrl == "https://demo.ward.example/fhir/\(entry.url)")
            case "POST":
                #expect(entry.url == entry.type && entry.resource["id"] == nil)
                #expect(entry.fullUrl.hasPrefix("urn:uuid:") && entry.fullUrl.utf8.count == 45)
            default: Issue.record("neither PUT nor POST")
            }
        }
        #expect(demo.entries.count { $0.method == "PUT" } > 500)
        #expect(demo.entries.count { $0.method == "POST" } > 2000)
    }

    @Test func `gives ids that FHIR allows`() {
        let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")
        for id in demo.entries.compactMap({ $0.resource["id"]?.string }) {
            #expect((1...64).contains(id.utf8.count) && id.allSatisfy(allowed.contains))
        }
    }

    @Test func `refers to nothing outside itself, and to no bundle that comes later`() {
        var bundleOf: [String: Int] = [:]
        var identified: [String: [Int]] = [:]
        for entry in demo.entries {
            bundleOf[entry.method == "PUT" ? entry.url : entry.fullUrl] = entry.bundle
            for identifier in entry.resource["identifier"]?.elements ?? [] {
                let token = "\(identifier["system"]?.string ?? "")|\(identifier["value"]?.string ?? "")"
                identified["\(entry.type)?identifier=\(token)", default: []].append(entry.bundle)
            }
        }
        var conditional = 0
        for entry in demo.entries {
            forEachText(entry.resource) { name, text in
                guard name == "reference" else { return }
                if text.contains("?") {
                    conditional += 1
                    #expect(identified[text]?.count == 1 && identified[text]?.first == 0, "\(text)")
                } else if text.hasPrefix("urn:uuid:") {
                    #expect(bundleOf[text] == entry.bundle, "\(text)")
                } else {
                    #expect(bundleOf[text].map { $0 <= entry.bundle } == true, "\(text)")
                }
            }
        }
        #expect(conditional > 100)
    }

    @Test func `has no empty object, array or text`() {
        for entry in demo.entries {
            #expect(!hasEmptyValue(entry.resource), "\(entry.type)")
        }
    }

    private func hasEmptyValue(_ value: JSONValue) -> Bool {
        switch value.kind {
        case .object: value.members.isEmpty || value.members.contains { hasEmptyValue($0.value) }
        case .array: value.elements.isEmpty || value.elements.contains(where: hasEmptyValue)
        case .string: value.string?.isEmpty != false
        case .null: true
        default: false
        }
    }
}
