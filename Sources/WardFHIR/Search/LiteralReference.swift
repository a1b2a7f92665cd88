/// What the text of a reference names (FHIR R4 references.html#literal).
public enum LiteralReference: Hashable, Sendable {
    /// A resource of this server: relative, or absolute below its base.
    case local(type: ResourceType, id: String, version: String?)
    /// `#id`, a contained resource.
    case contained
    /// Anything else: a URL elsewhere, a urn, a malformed reference.
    case external

    /// Reads `text`; `ownBase` is the server's base URL without a slash at its end.
    public init(_ text: some StringProtocol, ownBase: String?) {
        self.init(Array(text.utf8)[...], ownBase: ownBase.map { Array($0.utf8) })
    }

    init(_ text: ArraySlice<UInt8>, ownBase: [UInt8]?) {
        self = .external
        if text.first == 0x23 {
            self = .contained
            return
        }
        var rest = text
        if let ownBase, rest.starts(with: ownBase), rest.dropFirst(ownBase.count).first == 0x2F {
            rest = rest.dropFirst(ownBase.count + 1)
        }
        guard let slash = rest.firstIndex(of: 0x2F), let type = Self.type(rest[..<slash]) else { return }
        rest = rest[(slash + 1)...]
        var version: ArraySlice<UInt8>?
        if let second = rest.firstIndex(of: 0x2F) {
            let tail = rest[(second + 1)...]
            guard tail.starts(with: Self.history) else { return }
            version = tail.dropFirst(Self.history.count)
            rest = rest[..<second]
        }
        guard Self.isID(rest), version.map(Self.isID) ?? true else { return }
        self = .local(
            type: type, id: String(decoding: rest, as: UTF8.self),
            version: version.map { String(decoding: $0, as: UTF8.self) })
    }

    static func type(_ name: ArraySlice<UInt8>) -> ResourceType? {
        Definitions.r4.typeID(named: name.span).flatMap(Definitions.r4.resourceType)
    }

    /// FHIR R4 datatypes.html#id: 1 to 64 of letters, digits, `-` and `.`.
    private static func isID(_ text: ArraySlice<UInt8>) -> Bool {
        (1...64).contains(text.count)
            && text.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || $0 == 0x2D
                    || $0 == 0x2E
            }
    }

    private static let history = Array("_history/".utf8)
}
