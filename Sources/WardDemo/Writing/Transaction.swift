/// Where a resource is, as other resources name it (FHIR R4 references.html).
struct Reference: Hashable, Sendable {
    /// `Type/id`, `urn:uuid:…`, or `Type?identifier=system|value` for the server to look up.
    let text: String
    let display: String?

    init(_ text: String, display: String? = nil) {
        self.text = text
        self.display = display
    }

    /// A conditional reference: the server finds the one resource that matches (http.html#trules).
    static func matching(_ type: String, identifier: String, in system: String) -> Reference {
        Reference("\(type)?identifier=\(system)|\(identifier)")
    }
}

/// A transaction Bundle under construction.
struct Transaction: Sendable {
    private var entries: [JSON] = []

    var count: Int { entries.count }

    /// Creates or replaces the resource under an id that people can read.
    @discardableResult
    mutating func put(_ type: String, id: String, _ body: JSON) -> Reference {
        let address = "\(type)/\(id)"
        entries.append([
            "fullUrl": "\(DemoSystem.base)/fhir/\(address)",
            "resource": .object([("resourceType", .string(type)), ("id", .string(id))] + body.members),
            "request": ["method": "PUT", "url": .string(address)],
        ])
        return Reference(address)
    }

    /// Creates the resource under whatever id the server gives it; until then it is known by a UUID.
    @discardableResult
    mutating func post(_ type: String, _ body: JSON, _ random: inout SplitMix64) -> Reference {
        let address = "urn:uuid:\(random.uuid())"
        entries.append([
            "fullUrl": .string(address),
            "resource": .object([("resourceType", .string(type))] + body.members),
            "request": ["method": "POST", "url": .string(type)],
        ])
        return Reference(address)
    }

    /// Takes over the entries of `other`.
    mutating func append(_ other: Transaction) {
        entries += other.entries
    }

    /// The Bundle as JSON.
    var bytes: [UInt8] {
        let bundle: JSON = ["resourceType": "Bundle", "type": "transaction", "entry": .list(entries)]
        var output: [UInt8] = []
        output.reserveCapacity(entries.count * 900)
        bundle.write(into: &output)
        return output
    }
}
