/// Codes that a modifier speaks of (FHIR R4 search.html#modifiers).
public enum CodeQuestion: Hashable, Sendable {
    /// `:in` and `:not-in`.
    case valueSet(url: String, version: String?)
    /// `:below`: the code, and all that are one.
    case below(system: String, code: String)
    /// `:above`: the code, and all that it is one of.
    case above(system: String, code: String)
}

/// Codes as values carry them: folded, and without a system where an element of type `code` has none of its own.
public struct CodeSet: Hashable, Sendable {
    public let pairs: Set<TokenPair>

    /// - Parameters:
    ///   - codes: with their systems, folded.
    ///   - parameter: whose required binding may imply a system (search.html#token).
    public init(_ codes: Set<TokenPair>, under parameter: SearchParameter) {
        var implied: [String: Set<String>] = [:]
        var pairs = codes
        for pair in codes {
            guard let system = pair.system else { continue }
            if implied[system] == nil {
                implied[system] = Set(
                    Definitions.r4.impliedCodes(of: parameter, system: system).map(SearchFold.foldedCode))
            }
            if implied[system]?.contains(pair.code) ?? false { pairs.insert(TokenPair(system: nil, code: pair.code)) }
        }
        self.pairs = pairs
    }

    /// Whether a value with that system and code is one of them.
    public func contains(system: String?, code: String?) -> Bool {
        guard let code else { return false }
        return pairs.contains(TokenPair(system: system, code: SearchFold.foldedCode(code)))
    }
}
