internal import WardFHIR

/// One canonical form of a value, as it goes under the MAC.
///
/// INVARIANT: a test with forms F matches a value with forms V exactly if F and V meet, for all values under one
/// parameter that the tokens speak of.
struct TokenForm: Hashable {
    let kind: TokenKind
    let parts: [String]

    init(_ kind: TokenKind, _ parts: String...) {
        self.kind = kind
        self.parts = parts.map(SearchFold.canonical)
    }

    /// Two components of one composite tuple.
    init(pair first: TokenForm, _ second: TokenForm) {
        kind = .pair
        parts = [first.kind.label] + first.parts + [second.kind.label] + second.parts
    }

    /// The first component of a composite tuple, alone.
    init(first form: TokenForm) {
        kind = .first
        parts = [form.kind.label] + form.parts
    }
}

/// What a token is of. Raw values and labels are part of the card format.
enum TokenKind: UInt8 {
    case code = 1
    case coded, uncoded, identifier, identifierCoded, identifierUncoded, typed, reference, versionedReference, external
    case logical, logicalCoded, logicalUncoded, uri, canonical, below, pair, first

    var label: String { String(rawValue) }
}

extension SearchValue {
    /// Forms under a parameter of that type. Low-cardinality codes have columns instead.
    func forms(under type: SearchParameterType) -> [TokenForm] {
        switch self {
        case .token(let system, let code, _): return Self.codeForms(system, code)
        case .contact(let text): return [TokenForm(.code, SearchFold.foldedCode(text))]
        case .identifier(let system, let value, let types):
            guard let value else { return [] }
            let typed = types.compactMap { pair in
                pair.system.map { TokenForm(.typed, $0, SearchFold.foldedCode(pair.code), value) }
            }
            let coded = system.map { TokenForm(.identifierCoded, $0, value) } ?? TokenForm(.identifierUncoded, value)
            return [TokenForm(.identifier, value), coded] + typed
        case .reference(let type, let id, let version):
            return [TokenForm(.reference, type.name, id)]
                + (version.map { [TokenForm(.versionedReference, type.name, id, $0)] } ?? [])
        case .externalReference(let text): return [TokenForm(.external, text)]
        case .logicalReference(_, let system, let value):
            guard let value else { return [] }
            return [
                TokenForm(.logical, value),
                system.map { TokenForm(.logicalCoded, $0, value) } ?? TokenForm(.logicalUncoded, value),
            ]
        case .uri(let text) where type == .token: return Self.codeForms(nil, text)
        case .string(let text) where type == .token: return Self.codeForms(nil, text)
        case .uri(let text): return [TokenForm(.uri, text)] + Self.prefixForms(text, type)
        case .canonical(let url, let version):
            return [TokenForm(.uri, url)] + (version.map { [TokenForm(.canonical, url, $0)] } ?? [])
                + Self.prefixForms(url, type)
        default: return []
        }
    }

    private static func codeForms(_ system: String?, _ code: String?) -> [TokenForm] {
        guard let code else { return [] }
        let folded = SearchFold.foldedCode(code)
        return [TokenForm(.code, folded), system.map { TokenForm(.coded, $0, folded) } ?? TokenForm(.uncoded, folded)]
    }

    private static func prefixForms(_ uri: String, _ type: SearchParameterType) -> [TokenForm] {
        type == .uri ? UriPath.prefixes(of: uri).map { TokenForm(.below, $0) } : []
    }
}

extension ValueTest {
    /// Forms that the test looks up, any of them; nil if tokens cannot decide it.
    var forms: [TokenForm]? {
        switch self {
        case .token(let test): return test.forms
        case .typedIdentifier(let system, let code, let value):
            return [TokenForm(.typed, system, SearchFold.foldedCode(code), value)]
        case .reference(let types, let id, nil): return types.map { TokenForm(.reference, $0.name, id) }
        case .reference(let types, let id, let version?):
            return types.map { TokenForm(.versionedReference, $0.name, id, version) }
        case .externalReference(let text): return [TokenForm(.external, text)] + Self.uriForms(text)
        case .logicalReference(.code(let value)): return [TokenForm(.logical, value)]
        case .logicalReference(.codeWithoutSystem(let value)): return [TokenForm(.logicalUncoded, value)]
        case .logicalReference(.coded(let system, let value)): return [TokenForm(.logicalCoded, system, value)]
        case .uri(.exact, let text): return Self.uriForms(text)
        case .uri(.below, let text): return [TokenForm(.below, UriPath.trimmed(text))] + Self.versionForms(text)
        case .uri(.above, let text):
            return UriPath.prefixes(of: text).map { TokenForm(.uri, $0) } + Self.versionForms(text)
        default: return nil
        }
    }

    private static func uriForms(_ text: String) -> [TokenForm] { [TokenForm(.uri, text)] + versionForms(text) }

    private static func versionForms(_ text: String) -> [TokenForm] {
        UriPath.versioned(text).map { [TokenForm(.canonical, $0.url, $0.version)] } ?? []
    }
}

extension TokenTest {
    fileprivate var forms: [TokenForm]? {
        switch self {
        case .code(let code): [TokenForm(.code, SearchFold.foldedCode(code)), TokenForm(.identifier, code)]
        case .codeWithoutSystem(let code):
            [TokenForm(.uncoded, SearchFold.foldedCode(code)), TokenForm(.identifierUncoded, code)]
        case .coded(let system, let code):
            [TokenForm(.coded, system, SearchFold.foldedCode(code)), TokenForm(.identifierCoded, system, code)]
        case .system: nil
        }
    }
}
