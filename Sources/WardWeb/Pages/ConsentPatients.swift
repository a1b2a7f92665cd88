public import WardAudit
public import WardIdentity
import WardMarkup
import WardPolicy

/// A patient as somebody picks one: told apart by name and birth date.
public struct PatientLine: Sendable {
    public let id: String
    public let name: String
    /// As recorded, which may be a year or a month only; nil if it is not known.
    public let birthDate: String?

    public init(id: String, name: String, birthDate: String?) {
        self.id = id
        self.name = name
        self.birthDate = birthDate
    }

    var text: String { birthDate.map { "\(name), born \($0)" } ?? "\(name), birth date not known" }
}

/// Finds patients as the person who is signed in, through the clinic's gate and into its log.
public struct PatientFinder: Sendable {
    public typealias Named = @Sendable (String, Principal, RequestSource) async -> [PatientLine]?
    public typealias Known = @Sendable (String, Principal, RequestSource) async -> PatientLine?

    let named: Named
    let known: Known

    /// - Parameters:
    ///   - named: those whose name begins so; nil if the person may not look.
    ///   - known: the patient of an id; nil if there is none or the person may not look.
    public init(named: @escaping Named, known: @escaping Known) {
        self.named = named
        self.known = known
    }

    /// Finds nobody.
    static let none = PatientFinder(named: { _, _, _ in nil }, known: { _, _, _ in nil })
}

extension Visit {
    /// Whether the patients somebody may choose are given by their account.
    var isOutside: Bool { principal?.roles.allSatisfy { $0 == .patient || $0 == .proxy } ?? false }

    /// What was chosen, if this person may choose it.
    func chosenPatient() async -> String? {
        guard let principal, let id = form["patient"] else { return nil }
        if isOutside { return principal.patients.contains(id) ? id : nil }
        return await patients.known(id, principal, request.source) == nil ? nil : id
    }

    /// Fields for choosing a patient: their own for patients and proxies, a search by name for members.
    func patientFields(_ problems: [Problem]) async -> Markup {
        guard let principal else { return .all([]) }
        let lines: [PatientLine]
        var parts: [Markup] = []
        if isOutside {
            var own: [PatientLine] = []
            for id in principal.patients {
                let line = await patients.known(id, principal, request.source)
                own.append(line ?? PatientLine(id: id, name: "Record \(own.count + 1)", birthDate: nil))
            }
            lines = own
        } else {
            let typed = form["name"] ?? ""
            let found = typed.isEmpty ? [] : await patients.named(typed, principal, request.source)
            lines = found ?? []
            parts = [
                field("name", "Find a patient by name", .text, value: typed, isRequired: false, problems),
                Markup.element(
                    "button", [("type", "submit"), ("name", "decision"), ("value", "find"), ("class", "quiet")],
                    .text("Find")),
            ]
            if !typed.isEmpty { parts.append(searched(lines.count, isAllowed: found != nil)) }
        }
        // Of a search nothing is chosen in advance: the only one found may be the wrong one.
        parts += lines.map { radio($0, isOnly: isOutside && lines.count == 1) }
        return Markup.element(
            "fieldset", [("id", "patient")], Markup.element("legend", [], .text("Which patient is this about?")),
            .all(parts))
    }

    private func searched(_ count: Int, isAllowed: Bool) -> Markup {
        let text =
            !isAllowed
            ? "Your roles do not include looking for patients."
            : count == 0 ? "Nobody of this name was found." : "\(count) found. Choose one:"
        return Markup.element("p", [("role", "status")], .text(text))
    }

    private func radio(_ line: PatientLine, isOnly: Bool) -> Markup {
        let id = "patient-\(line.id)"
        var attributes: [WebAttribute] = [
            ("type", "radio"), ("id", id), ("name", "patient"), ("value", line.id),
        ]
        if isOnly || form["patient"] == line.id { attributes.append(("checked", "")) }
        return Markup.element(
            "label", [("class", "box"), ("for", id)], Markup.element("input", attributes), name(line.text))
    }
}
