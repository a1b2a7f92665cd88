import WardCore
import WardFHIR
import WardIdentity
import WardPolicy

/// One thing that an active Consent says (FHIR R4 consent.html): who may, or may not, have which records.
///
/// A permission that is narrower than can be held on a record is not one; a refusal that is, holds for all of them.
struct ConsentDirective: Sendable {
    /// Whom a provision speaks of.
    enum Actors: Sendable {
        case anybody
        /// `Practitioner/ID` and `PractitionerRole/ID`, and whether others are meant who may be of this clinic.
        case some(Set<String>, orUnknown: Bool)
    }

    let patient: String
    let isPermit: Bool
    /// Codings of `securityLabel`; empty: whatever the label.
    let labels: [(system: String, code: String)]
    let actors: Actors
    /// Codes of `purpose`; empty: whatever for.
    let purposes: [String]
    /// Resource types of `class`; empty: every type.
    let types: [String]
    /// Whether it speaks of single data, codes or data of a time.
    let isNarrow: Bool
    let period: FHIRPeriod
    /// What inner provisions of the other type take out again.
    let exceptions: [ConsentDirective]

    /// Labels that the consents of every one of the patients let this person have.
    static func permitted(
        _ directives: [ConsentDirective], patients: [String], _ asking: ConsentQuestion
    ) -> LabelSet {
        guard !patients.isEmpty else { return [] }
        var common = asking.labels
        for patient in patients {
            var own: LabelSet = []
            for directive in directives where directive.patient == patient && directive.isPermit {
                if directive.isNarrow || directive.labels.isEmpty { continue }
                if directive.applies(to: asking) { own.formUnion(directive.labelSet(asking.policy)) }
            }
            common.formIntersection(own)
        }
        return common
    }

    /// Whether one of the patients keeps the record from this person.
    ///
    /// A refusal that names nobody does not keep it from those who care for the patient.
    static func isRefused(_ directives: [ConsentDirective], _ asking: ConsentQuestion) -> Bool {
        directives.contains { directive in
            guard !directive.isPermit, directive.applies(to: asking) else { return false }
            if !directive.labels.isEmpty, directive.labelSet(asking.policy).isDisjoint(with: asking.labels) {
                return false
            }
            guard case .anybody = directive.actors else { return true }
            return asking.relationships.isDisjoint(with: [.careTeam, .appointmentToday, .assigned])
        }
    }

    private func applies(to asking: ConsentQuestion) -> Bool {
        period.contains(asking.now)
            && (purposes.isEmpty || purposes.contains(asking.standpoint.purpose.rawValue))
            && (types.isEmpty || types.contains(asking.type.name)) && concerns(asking)
            && !exceptions.contains { exception in
                // What is taken out again of a refusal must be certain; of a permission, possible.
                (isPermit || !exception.isNarrow) && exception.applies(to: asking)
            }
    }

    private func concerns(_ asking: ConsentQuestion) -> Bool {
        switch actors {
        case .anybody: true
        case .some(let named, let orUnknown): !named.isDisjoint(with: asking.own) || (orUnknown && !isPermit)
        }
    }

    private func labelSet(_ policy: Policy) -> LabelSet {
        labels.reduce(into: LabelSet()) { $0.formUnion(policy.label(system: $1.system, code: $1.code)) }
    }
}

/// Who asks for what.
struct ConsentQuestion {
    let standpoint: Standpoint
    /// As whom the records know them.
    let own: Set<String>
    let type: ResourceType
    let labels: LabelSet
    let relationships: RelationshipSet
    let now: Instant
    let policy: Policy
}

/// Reads `Consent.provision` and what lies below it.
struct ConsentReader {
    /// What a provision has of the one around it, where it does not say it itself.
    private struct Frame {
        var isPermit: Bool?
        var labels: [(system: String, code: String)] = []
        var actors = ConsentDirective.Actors.anybody
        var purposes: [String] = []
        var types: [String] = []
        var isNarrow = false
        var period = FHIRPeriod()
    }

    let patient: String
    let base: String

    /// Everything that a consent to privacy or treatment says; others (research, advance care) are not about access.
    func directives(of consent: JSONValue) -> [ConsentDirective] {
        let scopes = codings(consent["scope"]?["coding"]).map(\.code)
        guard scopes.contains("patient-privacy") || scopes.contains("treatment"),
            let provision = consent["provision"]
        else { return [] }
        var found: [ConsentDirective] = []
        _ = read(provision, Frame(), into: &found)
        return found
    }

    /// Answers the directives of the provision and of those below it, apart from what stands in `found` already.
    private func read(
        _ provision: JSONValue, _ outer: Frame, into found: inout [ConsentDirective]
    ) -> [ConsentDirective] {
        var frame = outer
        frame.period = FHIRPeriod(provision["period"], within: outer.period)
        if let type = provision["type"]?.string { frame.isPermit = type == "permit" }
        let labels = codings(provision["securityLabel"])
        if !labels.isEmpty { frame.labels = labels }
        let purposes = codings(provision["purpose"]).map(\.code)
        if !purposes.isEmpty { frame.purposes = purposes }
        if let list = provision["actor"] { frame.actors = actors(list) }
        let classes = codings(provision["class"])
        let types = classes.filter { $0.system.hasSuffix("/resource-types") }.map(\.code)
        if !classes.isEmpty { frame.types = types.count == classes.count ? types : [] }
        frame.isNarrow =
            outer.isNarrow || types.count < classes.count || provision["action"] != nil || provision["code"] != nil
            || provision["data"] != nil || provision["dataPeriod"] != nil
        var inner: [ConsentDirective] = []
        for part in provision["provision"]?.elements ?? [] { inner += read(part, frame, into: &found) }
        guard let isPermit = frame.isPermit, provision["type"] != nil else { return inner }
        let directive = ConsentDirective(
            patient: patient, isPermit: isPermit, labels: frame.labels, actors: frame.actors,
            purposes: frame.purposes, types: frame.types, isNarrow: frame.isNarrow, period: frame.period,
            exceptions: inner.filter { $0.isPermit != isPermit })
        found.append(directive)
        return inner + [directive]
    }

    private func codings(_ list: JSONValue?) -> [(system: String, code: String)] {
        (list?.elements ?? []).compactMap { coding in
            coding["code"]?.string.map { (system: coding["system"]?.string ?? "", code: $0) }
        }
    }

    /// Organizations, devices and relatives are not people of this clinic; a group or somebody without a reference may
    /// be.
    private func actors(_ list: JSONValue) -> ConsentDirective.Actors {
        var named: Set<String> = []
        var orUnknown = false
        for actor in list.elements {
            let reference = localReference(actor["reference"]?["reference"]?.string ?? "", base: base)
            switch reference.split(separator: "/").first {
            case "Practitioner", "PractitionerRole": named.insert(reference)
            case "Organization", "Device", "RelatedPerson", "Patient": break
            default: orUnknown = true
            }
        }
        return .some(named, orUnknown: orUnknown)
    }
}
