/// The text of a literal reference and where its quoted string lies in the source.
public struct ReferenceText: Hashable, Sendable {
    /// Bytes of the string with its quotes.
    public let range: Range<Int>
    /// Unescaped.
    public let text: String
}

extension SearchExtractor {
    /// All texts of the resource at `index` that a transaction may have to rewrite: `Reference.reference` and every
    /// element of type uri, url, canonical, oid or uuid, in source order, those of contained resources and extensions
    /// included (FHIR R4 http.html#trules). Links within narratives are left out.
    public static func references(in tape: JSONTape, at index: Int = JSONTape.rootIndex) -> [ReferenceText] {
        guard let type = FHIRPathEvaluator.resourceType(tape, index) else { return [] }
        var collector = ReferenceCollector(tape: tape)
        collector.object(index, type)
        return collector.found
    }
}

/// Goes through all elements by their types.
private struct ReferenceCollector {
    let tape: JSONTape
    var found: [ReferenceText] = []
    private let r4 = Definitions.r4
    private let reference = Definitions.r4.typeID(named: "Reference")
    private let element = Definitions.r4.typeID(named: "Element")

    init(tape: JSONTape) {
        self.tape = tape
    }

    mutating func object(_ object: Int, _ type: TypeID) {
        var key = object + 1
        while key < tape.end(object) {
            let value = key + 1
            if let match = r4.element(tape, key: key, of: type) {
                member(value, match.type, isLiteral: type == reference && tape.equals(key, "reference"))
            } else if tape.bytes[tape.range(key)].first == 0x5F, let element {
                // Extensions of a primitive.
                member(value, element, isLiteral: false)
            }
            key = tape.end(value)
        }
    }

    private mutating func member(_ value: Int, _ type: TypeID, isLiteral: Bool) {
        switch tape.kind(value) {
        case .array:
            var element = value + 1
            while element < tape.end(value) {
                member(element, type, isLiteral: isLiteral)
                element = tape.end(element)
            }
        case .object:
            object(value, r4.isResource(type) ? FHIRPathEvaluator.resourceType(tape, value) ?? type : type)
        case .string:
            guard isLiteral || isLink(type) else { return }
            found.append(ReferenceText(range: tape.quotedRange(value), text: tape.text(value)))
        default: return
        }
    }

    private func isLink(_ type: TypeID) -> Bool {
        switch r4.primitiveKind(of: type) {
        case .uri?, .url?, .canonical?, .oid?, .uuid?: true
        default: false
        }
    }
}
