import Synchronization
public import WardFHIR

extension Policy {
    /// The label of that name, those a clinic added included.
    public func label(named name: String) -> LabelSet? {
        document.labels.first { $0.name == name }.map { LabelSet(rawValue: $0.bit) }
    }

    /// Labels of a record: those in its meta.security, in the elements that say the same of documents, and in every
    /// resource inside it.
    public func labels(of tape: JSONTape, at index: Int = JSONTape.rootIndex) -> LabelSet {
        var found: LabelSet = []
        switch tape.kind(index) {
        case .object:
            if tape.member(index, "resourceType") != nil {
                if let list = tape.member(index, "meta").flatMap({ tape.member($0, "security") }) {
                    found.formUnion(labels(ofCodings: list, tape))
                }
                found.formUnion(labels(ofDocument: index, tape))
            }
            tape.forEachMember(index) { _, value in
                if tape.kind(value) == .object || tape.kind(value) == .array {
                    found.formUnion(labels(of: tape, at: value))
                }
            }
        case .array:
            tape.forEachElement(index) { found.formUnion(labels(of: tape, at: $0)) }
        default: break
        }
        return found
    }

    private func labels(ofCodings list: Int, _ tape: JSONTape) -> LabelSet {
        var found: LabelSet = []
        tape.forEachElement(list) { coding in
            let system = tape.member(coding, "system").map { tape.text($0) } ?? ""
            let code = tape.member(coding, "code").map { tape.text($0) } ?? ""
            found.formUnion(label(system: system, code: code))
        }
        return found
    }

    /// DocumentReference.securityLabel and Composition.confidentiality.
    private func labels(ofDocument resource: Int, _ tape: JSONTape) -> LabelSet {
        var found: LabelSet = []
        if let concepts = tape.member(resource, "securityLabel"), tape.kind(concepts) == .array {
            tape.forEachElement(concepts) { concept in
                if let list = tape.member(concept, "coding") { found.formUnion(labels(ofCodings: list, tape)) }
            }
        }
        if let code = tape.member(resource, "confidentiality"), tape.kind(code) == .string {
            found.formUnion(label(system: Self.confidentiality, code: tape.text(code)))
        }
        return found
    }

    private static let confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

    /// Names that older documents and C-CDA have for the systems of labels.
    private static let aliases = [
        "http://hl7.org/fhir/v3/Confidentiality": confidentiality,
        "urn:oid:2.16.840.1.113883.5.25": confidentiality,
        "http://hl7.org/fhir/v3/ActCode": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
        "urn:oid:2.16.840.1.113883.5.4": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    ]

    /// Systems whose codes in meta.security say what a record is for or what was done to it, not how sensitive it is.
    private static let harmless: Set<String> = [
        "http://terminology.hl7.org/CodeSystem/v3-ActReason", "http://hl7.org/fhir/v3/ActReason",
        "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "http://hl7.org/fhir/v3/ObservationValue",
    ]

    /// What one coding of meta.security means; a code of a system that nobody speaks of counts as restricted.
    public func label(system: String, code: String) -> LabelSet {
        known(system, code) ?? (Self.harmless.contains(system) ? [] : .restricted)
    }

    /// Nil for a system that neither the document nor this program speaks of.
    private func known(_ given: String, _ code: String) -> LabelSet? {
        let system = Self.aliases[given] ?? given
        var rest: LabelSet?
        var isKnown = false
        for label in document.labels {
            for known in label.codes where known.system == system {
                if known.code == code { return LabelSet(rawValue: label.bit) }
                if known.code == "*" { rest = LabelSet(rawValue: label.bit) }
                isKnown = true
            }
        }
        return rest ?? (isKnown ? [] : nil)
    }

    /// Whether nothing in a record carries a label, by whatever policy; false where that is not plain to see.
    public static func isUnlabelled(_ tape: JSONTape, type: ResourceType) -> Bool {
        // Their entries are records with labels of their own.
        if type.name == "Bundle" || type.name == "Parameters" { return false }
        func carries(_ resource: Int) -> Bool {
            tape.member(resource, "meta").map { tape.member($0, "security") != nil } ?? false
                || tape.member(resource, "securityLabel") != nil || tape.member(resource, "confidentiality") != nil
        }
        if carries(JSONTape.rootIndex) { return false }
        guard let contained = tape.member(JSONTape.rootIndex, "contained") else { return true }
        var isPlain = true
        tape.forEachElement(contained) { if carries($0) { isPlain = false } }
        return isPlain
    }

    /// Names of the profiles of a set; empty for whole records.
    public func names(of profiles: FieldProfileSet) -> [String] {
        if profiles.isWhole { return [] }
        return document.profiles.enumerated().filter { profiles.mask >> UInt64($0.offset) & 1 == 1 }
            .map(\.element.name).sorted()
    }

    /// What stays of records of `type` under some profiles; nil if no profile speaks of the type.
    public func selection(of type: ResourceType, under profiles: FieldProfileSet) -> FieldSelection? {
        var result: FieldSelection?
        for (position, profile) in document.profiles.enumerated() where profiles.mask >> UInt64(position) & 1 == 1 {
            guard let own = profile.selections[type] else { continue }
            result = result?.union(own) ?? own
        }
        return result
    }

    /// Search parameters that tell nothing of what the profiles leave out.
    ///
    /// A search by any other parameter must be refused or find nothing; so must `_sort`, `_include` and chains through
    /// it. Where the profiles differ from record to record, each record found is held against its own.
    public func searchableParameters(_ type: ResourceType, under profiles: FieldProfileSet) -> [SearchParameter] {
        if profiles.isWhole { return Array(Definitions.r4.searchParameters(of: type)) }
        return selection(of: type, under: profiles)?.searchableParameters ?? []
    }

    /// Whether a search by the parameter with that number tells nothing of what the profiles leave out.
    public func isSearchable(_ parameter: UInt16, of type: ResourceType, under profiles: FieldProfileSet) -> Bool {
        if profiles.isWhole { return true }
        return filters.parameters(of: type, under: profiles) {
            Set(searchableParameters(type, under: profiles).map(\.number))
        }.contains(parameter)
    }

    /// Cuts records down to some profiles; nil where they may be seen as they are.
    public func filter(for profiles: FieldProfileSet) -> FieldFilter? {
        profiles.isWhole ? nil : filters.filter(for: profiles) { makeFilter(for: profiles) }
    }

    private func makeFilter(for profiles: FieldProfileSet) -> FieldFilter {
        var selections: [FieldSelection] = []
        var hidden = document.labels.reduce(UInt32(0)) { $0 | $1.bit }
        for (position, profile) in document.profiles.enumerated() where profiles.mask >> UInt64(position) & 1 == 1 {
            selections += profile.selections.values
            hidden &= ~profile.labels
        }
        // A label that no rule speaks of reveals nothing.
        hidden &= document.rules.reduce(0) { $0 | $1.labels }
        let mask = hidden
        // Tags are of any system; only a label by its name is hidden.
        return FieldFilter(selections) { system, code in (known(system, code) ?? []).rawValue & mask != 0 }
    }
}

/// What one policy's profiles come to, made when first needed: there is no more than they combine to.
final class FilterCache: Sendable {
    private struct Content {
        var filters: [FieldProfileSet: FieldFilter] = [:]
        var parameters: [FieldProfileSet: [ResourceType: Set<UInt16>]] = [:]
    }

    private let known = Mutex(Content())

    func filter(for profiles: FieldProfileSet, _ make: () -> FieldFilter) -> FieldFilter {
        if let filter = known.withLock({ $0.filters[profiles] }) { return filter }
        let filter = make()
        known.withLock { $0.filters[profiles] = filter }
        return filter
    }

    func parameters(
        of type: ResourceType, under profiles: FieldProfileSet, _ make: () -> Set<UInt16>
    ) -> Set<UInt16> {
        if let numbers = known.withLock({ $0.parameters[profiles]?[type] }) { return numbers }
        let numbers = make()
        known.withLock { $0.parameters[profiles, default: [:]][type] = numbers }
        return numbers
    }
}
