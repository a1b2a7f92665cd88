import WardFHIR
public import WardPolicy

/// What an app asks for, as far as it can be granted at all (SMART App Launch 2.2, scopes-and-launch-context).
public struct AskedScopes: Sendable, Hashable {
    /// Words that are no resource scopes, those that Ward knows.
    static let words: Set<String> = [
        "fhirUser", "launch", "launch/patient", "offline_access", "online_access", "openid", "profile",
    ]
    /// More than a person can look through; also as many as a decision can hold constraints of.
    static let most = 60

    /// As the app wrote them, in its order, each once.
    public let texts: [String]

    /// Takes of a list what can be granted: what is not known, malformed or not held by the policy is left out.
    init(_ text: String, within limit: [String]) {
        var found: [String] = []
        var looked: Set<String> = []
        for word in text.split(separator: " ").lazy.map(String.init) where looked.insert(word).inserted {
            if looked.count > 2 * Self.most || found.count == Self.most { break }
            if Self.isGrantable(word, within: limit) { found.append(word) }
        }
        // Of two lives of a refresh token the longer one holds the other.
        if found.contains("offline_access") { found.removeAll { $0 == "online_access" } }
        texts = found
    }

    /// Known texts, as at a consent.
    init(texts: [String]) { self.texts = texts }

    /// Those on records.
    public var scopes: [Scope] { texts.compactMap { try? Scope(parsing: $0) } }

    /// Whether there is a patient to be chosen.
    public var needsPatient: Bool {
        texts.contains("launch/patient") || texts.contains("launch") || scopes.contains { $0.context == .patient }
    }

    var wantsRefresh: Bool { texts.contains("offline_access") || texts.contains("online_access") }

    func contains(_ word: String) -> Bool { texts.contains(word) }

    /// What a person left ticked; nothing that was not asked for.
    func narrowed(to ticked: [String]) -> AskedScopes { AskedScopes(texts: texts.filter(ticked.contains)) }

    private static func isGrantable(_ word: String, within limit: [String]) -> Bool {
        if words.contains(word) { return limit.isEmpty || limit.contains(word) }
        guard let scope = try? Scope(parsing: word), scope.context != .system else { return false }
        // People read what they decide on: no value may hide in it or turn it around.
        guard word.isPlainlyVisible, scope.constraint.allSatisfy({ $0.value.isPlainlyVisible }) else { return false }
        guard !limit.isEmpty else { return true }
        return limit.contains(word)
            || limit.contains { text in
                guard let own = try? Scope(parsing: text), own.constraint.isEmpty else { return false }
                return own.context == scope.context && (own.type == nil || own.type == scope.type)
                    && scope.actions.isSubset(of: own.actions)
            }
    }
}
