import WardCore
import WardFHIR
import WardIndex
import WardPolicy

/// Which hits of a search must be opened before anybody is told that there are so many.
enum DoubtfulHits: Equatable {
    case none
    case all
    case some(Set<RecordNumber>)

    func contains(_ hit: SearchHit) -> Bool {
        switch self {
        case .none: false
        case .all: true
        case .some(let records): records.contains(hit.record)
        }
    }
}

extension Vault {
    /// Hits whose labels, patients or fields may keep them from who asks.
    ///
    /// Where every plain record of the types may be seen, those are the labelled ones and those of patients who refuse
    /// something; else all.
    func doubtful(_ query: SearchQuery, _ access: RecordAccess) throws(VaultFailure) -> DoubtfulHits {
        let plans = query.plans.filter { access.outlook(.search, on: $0.type).isPermitted }
        guard plans.allSatisfy({ access.isAssured(.search, on: $0.type) }) else { return .all }
        let refusing = try consents.refusing(in: self)
        if refusing.count > Self.refusalLimit { return .all }
        var criteria: [ResourceType: SearchCriterion] = [:]
        for plan in plans {
            var parts: [SearchCriterion] = []
            for name in ["_security", "security-label", "confidentiality"] {
                guard let label = Definitions.r4.searchParameter(name, of: plan.type) else { continue }
                parts.append(.not(.missing(parameter: label.number)))
            }
            if !refusing.isEmpty { parts += Self.concerning(refusing, plan.type) }
            criteria[plan.type] = plan.type.holdsRecords ? .always : .any(parts)
        }
        let hits = index.evaluate(query, residual: .byType(criteria)).hits
        return hits.isEmpty ? .none : .some(Set(hits.map(\.record)))
    }

    /// More patients than that are not named in a plan.
    private static let refusalLimit = 200

    private static func concerning(_ patients: [String], _ type: ResourceType) -> [SearchCriterion] {
        guard let patient = ResourceType("Patient") else { return [] }
        var found: [SearchCriterion] = type == patient ? patients.map { .id($0) } : []
        for parameter in Definitions.r4.patientCompartment(of: type) {
            found += patients.map { .matches(parameter: parameter, .reference(types: [patient], id: $0, version: nil)) }
        }
        return found
    }

    /// The query without the links to the compartment's owner by which who asks can find nothing: the request names the
    /// owner and none of them. Where none is left, nothing of the type is found.
    func narrowing(_ query: SearchQuery, _ access: RecordAccess) -> SearchQuery {
        guard let compartment = query.compartment else { return query }
        return query.with(
            plans: query.plans.map { plan in
                let profiles = access.outlook(.search, on: plan.type).profiles
                let links = compartment.criterion(for: plan.type) {
                    access.policy.isSearchable($0, of: plan.type, under: profiles)
                }
                // It stands before what the request asks for itself.
                var parts = if case .all(let parts) = plan.criterion { parts } else { [plan.criterion] }
                guard parts.first == compartment.criterion(for: plan.type) else { return plan }
                parts[0] = links
                return SearchPlan(
                    type: plan.type, criterion: parts.count == 1 ? links : .all(parts),
                    sortParameters: plan.sortParameters)
            })
    }

    /// A parameter of the query that no record of its type could be found by; nil if there is none.
    func hiddenParameter(of query: SearchQuery, _ access: RecordAccess) -> String? {
        func hidden(_ parameters: Set<UInt16>, _ type: ResourceType) -> String? {
            let profiles = access.outlook(.search, on: type).profiles
            return parameters.first { !access.policy.isSearchable($0, of: type, under: profiles) }
                .flatMap { Definitions.r4.searchParameter(number: $0)?.code }
        }
        // A search over all types leaves out those that are not permitted; one that names its type is refused before.
        for plan in query.plans where access.outlook(.search, on: plan.type).isPermitted {
            if let code = hidden(plan.parameters, plan.type) { return code }
        }
        // Of the types that an untyped chain leads to, one by which something can be found is enough.
        for tie in query.plans.flatMap(\.criterion.ties) {
            let plans = tie.plans.filter { access.outlook(.search, on: $0.type).isPermitted }
            let codes = plans.compactMap { hidden($0.parameters, $0.type) }
            if let code = codes.first, codes.count == plans.count { return code }
        }
        for include in query.includes + query.reverseIncludes where include.isNamed {
            if let code = hidden([include.parameter], include.source) { return code }
        }
        return nil
    }
}

extension ResourceType {
    /// Whether its entries are records with labels of their own, which are not in the index.
    fileprivate var holdsRecords: Bool { name == "Bundle" || name == "Parameters" }
}

extension RecordDecision {
    /// Whether the record may be found by these parameters.
    func isSearchable(_ parameters: Set<UInt16>, of type: ResourceType) -> Bool {
        isPermitted && parameters.allSatisfy { policy.isSearchable($0, of: type, under: decision.profiles) }
    }
}

extension SearchPlan {
    /// Numbers of the parameters that select and order.
    var parameters: Set<UInt16> {
        var found = Set(sortParameters.compactMap(\.self))
        Self.collect(criterion, into: &found)
        return found
    }

    private static func collect(_ criterion: SearchCriterion, into found: inout Set<UInt16>) {
        switch criterion {
        case .all(let parts), .any(let parts): for part in parts { collect(part, into: &found) }
        case .not(let part): collect(part, into: &found)
        case .matches(let parameter, _), .missing(let parameter), .chain(let parameter, _), .linked(let parameter, _),
            .codes(let parameter, _, _):
            found.insert(parameter)
        case .always, .id, .lastUpdated, .never, .types, .reverseChain, .among: break
        }
    }
}
