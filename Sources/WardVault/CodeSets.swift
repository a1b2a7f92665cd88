import WardCore
import WardFHIR
import WardIndex
import WardPolicy
import WardStorage

/// Why the codes that a modifier speaks of cannot be told.
public enum CodeSetTrouble: Hashable, Sendable {
    /// No ValueSet with that url here, or none that may be found.
    case noValueSet
    /// No CodeSystem with that url here that lists all of its codes.
    case noCodeSystem
    /// The CodeSystem does not say that its hierarchy means is-a.
    case noHierarchy
    /// A filter other than is-a, descendent-of and is-not-a, or a ValueSet that is none of codes listed or derived.
    case notEnumerable
    /// More than 10,000 codes, value sets within value sets more than 8 deep or within themselves, or more than one
    /// request may take: 100 ValueSets and CodeSystems, 2,000,000 codes to walk.
    case tooLarge
}

/// What one request has read of ValueSets and CodeSystems: each once, however often it is named.
struct CodeBook {
    fileprivate struct Canonical: Hashable {
        let url: String
        let version: String?
    }

    fileprivate struct Question: Hashable {
        let asked: CodeQuestion
        let parameter: UInt16
    }

    fileprivate var systems: [String: CodeHierarchy] = [:]
    fileprivate var valueSets: [Canonical: Set<TokenPair>] = [:]
    /// Value sets that are being read: one of them within itself has no codes that could be told.
    fileprivate var unfinished: Set<Canonical> = []
    fileprivate var answers: [Question: CodeSet] = [:]
    fileprivate var opened = 0
    fileprivate var walked = 0

    fileprivate static let openLimit = 100
    fileprivate static let walkLimit = 2_000_000
}

/// The codes of `:in`, `:not-in`, `:above` and `:below`, from ValueSets and CodeSystems in the store that who asks may
/// find (FHIR R4 search.html#modifiers, valueset.html#compositions).
struct CodeSets {
    private(set) var finder: RecordFinder
    /// The modified parameter as given.
    private let name: String

    /// Codes that one modifier may come to.
    private static let limit = 10_000
    private static let depthLimit = 8

    init(_ finder: RecordFinder, for name: String) {
        self.finder = finder
        self.name = name
    }

    mutating func codes(
        _ question: CodeQuestion, under parameter: SearchParameter
    ) async throws(VaultFailure) -> CodeSet {
        let key = CodeBook.Question(asked: question, parameter: parameter.number)
        if let known = finder.book.answers[key] { return known }
        let set = CodeSet(try await codes(question), under: parameter)
        finder.book.answers[key] = set
        return set
    }

    private mutating func codes(_ question: CodeQuestion) async throws(VaultFailure) -> Set<TokenPair> {
        switch question {
        case .valueSet(let url, let version):
            let found = try await valueSet(url, version, depth: 0)
            try walk(found.count)
            return found
        case .below(let system, let code):
            return Self.pairs(system, try walked(try checked(try await hierarchy(system).below(code))))
        case .above(let system, let code):
            return Self.pairs(system, try walked(try checked(try await hierarchy(system).above(code))))
        }
    }

    // MARK: Value sets

    private mutating func valueSet(
        _ url: String, _ version: String?, depth: Int
    ) async throws(VaultFailure) -> Set<TokenPair> {
        let key = CodeBook.Canonical(url: url, version: version)
        if let known = finder.book.valueSets[key] { return known }
        guard depth <= Self.depthLimit, finder.book.unfinished.insert(key).inserted else { throw trouble(.tooLarge) }
        let found = try await listed(url, version, depth: depth)
        finder.book.unfinished.remove(key)
        finder.book.valueSets[key] = found
        return found
    }

    private mutating func listed(
        _ url: String, _ version: String?, depth: Int
    ) async throws(VaultFailure) -> Set<TokenPair> {
        guard let tape = try await definition("ValueSet", url, version) else { throw trouble(.noValueSet) }
        guard let compose = tape.root["compose"] else {
            guard let expansion = tape.root["expansion"]?["contains"] else { throw trouble(.notEnumerable) }
            var found: Set<TokenPair> = []
            try contained(expansion, depth: 0, into: &found)
            return found
        }
        guard let includes = compose["include"]?.elements, !includes.isEmpty else { throw trouble(.notEnumerable) }
        var found: Set<TokenPair> = []
        for include in includes {
            found.formUnion(try await part(include, depth: depth))
            guard found.count <= Self.limit else { throw trouble(.tooLarge) }
        }
        for exclude in compose["exclude"]?.elements ?? [] {
            found.subtract(try await part(exclude, depth: depth))
        }
        return found
    }

    private func contained(
        _ list: JSONValue, depth: Int, into found: inout Set<TokenPair>
    ) throws(VaultFailure) {
        for entry in list.elements {
            if let code = entry["code"]?.string, entry["abstract"]?.kind != .true {
                found.insert(Self.pair(entry["system"]?.string, code))
            }
            guard found.count <= Self.limit else { throw trouble(.tooLarge) }
            if let inner = entry["contains"] { try contained(inner, depth: depth + 1, into: &found) }
        }
    }

    /// One include or exclude: what its system gives, in all of its value sets.
    private mutating func part(_ part: JSONValue, depth: Int) async throws(VaultFailure) -> Set<TokenPair> {
        var found: Set<TokenPair>?
        if let system = part["system"]?.string {
            let filters = part["filter"]?.elements ?? []
            if let concepts = part["concept"]?.elements {
                guard filters.isEmpty else { throw trouble(.notEnumerable) }
                found = Self.pairs(system, Set(concepts.compactMap { $0["code"]?.string }))
            } else {
                let hierarchy = try await self.system(system)
                try walk(hierarchy.codes.count)
                var codes = Set(hierarchy.codes)
                for filter in filters {
                    try walk(hierarchy.codes.count)
                    codes.formIntersection(try filtered(filter, hierarchy))
                }
                found = Self.pairs(system, try checked(codes))
            }
        }
        for inner in part["valueSet"]?.elements ?? [] {
            guard let text = inner.string else { throw trouble(.notEnumerable) }
            let (url, version) = UriPath.versioned(text).map { ($0.url, Optional($0.version)) } ?? (text, nil)
            let codes = try await valueSet(url, version, depth: depth + 1)
            try walk(codes.count)
            found = found?.intersection(codes) ?? codes
        }
        guard let found else { throw trouble(.notEnumerable) }
        return found
    }

    private func filtered(_ filter: JSONValue, _ hierarchy: CodeHierarchy) throws(VaultFailure) -> Set<String> {
        guard let property = filter["property"]?.string, property == "concept" || property == "code",
            let value = filter["value"]?.string, let operation = filter["op"]?.string
        else { throw trouble(.notEnumerable) }
        guard hierarchy.isStated else { throw trouble(.noHierarchy) }
        switch operation {
        case "is-a": return hierarchy.below(value)
        case "descendent-of": return hierarchy.below(value).subtracting([value])
        case "is-not-a": return Set(hierarchy.codes).subtracting(hierarchy.below(value))
        default: throw trouble(.notEnumerable)
        }
    }

    // MARK: Code systems

    private mutating func hierarchy(_ url: String) async throws(VaultFailure) -> CodeHierarchy {
        let found = try await system(url)
        guard found.isStated else { throw trouble(.noHierarchy) }
        return found
    }

    private mutating func system(_ url: String) async throws(VaultFailure) -> CodeHierarchy {
        if let known = finder.book.systems[url] { return known }
        guard let tape = try await definition("CodeSystem", url, nil), tape.root["content"]?.string == "complete",
            let hierarchy = CodeHierarchy(tape.root)
        else { throw trouble(.noCodeSystem) }
        finder.book.systems[url] = hierarchy
        return hierarchy
    }

    /// The newest record of that url that who asks may find.
    private mutating func definition(
        _ typeName: String, _ url: String, _ version: String?
    ) async throws(VaultFailure) -> JSONTape? {
        guard let type = ResourceType(typeName), let urls = Definitions.r4.searchParameter("url", of: type),
            let versions = Definitions.r4.searchParameter("version", of: type)
        else { return nil }
        finder.book.opened += 1
        guard finder.book.opened <= CodeBook.openLimit else { throw trouble(.tooLarge) }
        await Task.yield()
        var parts: [SearchCriterion] = [.matches(parameter: urls.number, .uri(.exact, url))]
        if let version { parts.append(.matches(parameter: versions.number, .token(.code(version)))) }
        let query = SearchQuery.tied(SearchPlan(type: type, criterion: .all(parts), sortParameters: []))
        guard finder.access.outlook(.search, on: type).isPermitted,
            let hit = try await finder.found(query).first,
            let body = try finder.vault.openIfThere(try finder.vault.version(hit.record), at: hit.locator),
            let json = try finder.access.decide(.search, on: body).shown(body)
        else { return nil }
        return try? JSONTape(parsing: json)
    }

    private func checked(_ codes: Set<String>) throws(VaultFailure) -> Set<String> {
        guard codes.count <= Self.limit else { throw trouble(.tooLarge) }
        return codes
    }

    private mutating func walked(_ codes: Set<String>) throws(VaultFailure) -> Set<String> {
        try walk(codes.count)
        return codes
    }

    /// Counts codes that are gone through; a set of none costs something as well.
    private mutating func walk(_ count: Int) throws(VaultFailure) {
        finder.book.walked += count + 1
        guard finder.book.walked <= CodeBook.walkLimit else { throw trouble(.tooLarge) }
    }

    private func trouble(_ trouble: CodeSetTrouble) -> VaultFailure { .noCodes(parameter: name, trouble) }

    private static func pairs(_ system: String, _ codes: Set<String>) -> Set<TokenPair> {
        Set(codes.map { pair(system, $0) })
    }

    private static func pair(_ system: String?, _ code: String) -> TokenPair {
        TokenPair(system: system, code: SearchFold.foldedCode(code))
    }
}

/// The codes of one CodeSystem, and what is what (FHIR R4 codesystem.html#hierarchy).
private struct CodeHierarchy {
    private(set) var codes: [String] = []
    /// Whether the system says that its hierarchy means is-a.
    let isStated: Bool
    private var children: [String: [String]] = [:]
    private var parents: [String: [String]] = [:]

    private static let limit = 100_000

    /// Nil for one that is too large to be walked.
    init?(_ system: JSONValue) {
        isStated = system["hierarchyMeaning"]?.string == "is-a"
        var waiting: [(concept: JSONValue, parent: String?)] =
            (system["concept"]?.elements ?? []).map { (concept: $0, parent: nil) }
        while let (concept, parent) = waiting.popLast() {
            guard let code = concept["code"]?.string else { continue }
            codes.append(code)
            guard codes.count <= Self.limit else { return nil }
            if let parent { tie(code, under: parent) }
            for property in concept["property"]?.elements ?? [] {
                guard let other = property["valueCode"]?.string else { continue }
                if property["code"]?.string == "parent" { tie(code, under: other) }
                if property["code"]?.string == "child" { tie(other, under: code) }
            }
            waiting += (concept["concept"]?.elements ?? []).map { (concept: $0, parent: code) }
        }
    }

    private mutating func tie(_ code: String, under parent: String) {
        children[parent, default: []].append(code)
        parents[code, default: []].append(parent)
    }

    /// The code and all that are one.
    func below(_ code: String) -> Set<String> { Self.reached(from: code, by: children) }

    /// The code and all that it is one of.
    func above(_ code: String) -> Set<String> { Self.reached(from: code, by: parents) }

    private static func reached(from code: String, by steps: [String: [String]]) -> Set<String> {
        var found: Set<String> = [code]
        var waiting = [code]
        while let next = waiting.popLast() {
            for step in steps[next] ?? [] where found.insert(step).inserted { waiting.append(step) }
        }
        return found
    }
}
