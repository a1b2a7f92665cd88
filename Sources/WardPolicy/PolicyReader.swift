import WardFHIR

/// Reads a document; collects everything that is wrong with it.
struct PolicyReader {
    let tape: JSONTape
    private(set) var document = PolicyDocument()
    var issues: [PolicyIssue] = []
    /// Names of groups, and codes of their types.
    private(set) var groups: [String: [UInt8]] = [:]

    /// Document and issues; an empty document where the text is no JSON.
    static func read(_ bytes: [UInt8]) -> (document: PolicyDocument, issues: [PolicyIssue]) {
        let limits = JSONLimits(size: 1 << 20, depth: 8)
        guard let tape = try? JSONTape(parsing: bytes, limits: limits) else {
            return (PolicyDocument(), [PolicyIssue(path: "", problem: .malformedJSON)])
        }
        var reader = PolicyReader(tape: tape)
        reader.readAll()
        return (reader.document, reader.issues)
    }

    private init(tape: JSONTape) { self.tape = tape }

    private mutating func readAll() {
        let root = JSONTape.rootIndex
        guard
            object(
                root, "", required: ["version", "name", "says", "roles", "rules"],
                optional: ["groups", "labels", "profiles"])
        else { return }
        if let version = tape.member(root, "version"), tape.kind(version) != .number || tape.text(version) != "1" {
            report("version", .requiresOtherVersion)
        }
        document.name = name(root, "name", "name") ?? ""
        document.says = string(root, "says", "says") ?? ""
        for (name, value, path) in entries(root, "roles", limit: 60) { readRole(name, value, path) }
        for (name, value, path) in entries(root, "groups", limit: 100) { readGroup(name, value, path) }
        for (name, value, path) in entries(root, "labels", limit: 28) { readLabel(name, value, path) }
        checkCodes()
        for (name, value, path) in entries(root, "profiles", limit: 60) { readProfile(name, value, path) }
        guard let rules = list(root, "rules", "rules") else { return }
        if rules.count > 1000 { return report("rules", .tooMany) }
        for (position, rule) in rules.enumerated() { readRule(rule, "rules[\(position)]") }
    }

    // MARK: Parts

    private mutating func readRole(_ name: String, _ value: Int, _ path: String) {
        guard object(value, path, required: ["says", "purposes"], optional: ["ceiling"]) else { return }
        var role = PolicyDocument.RoleEntry(name: name)
        role.says = string(value, "says", path + ".says") ?? ""
        role.purposes = purposes(value, path + ".purposes")
        if let ceiling = tape.member(value, "ceiling") {
            if tape.kind(ceiling) == .true { role.isCeiling = true } else { report(path + ".ceiling", .wrongKind) }
        }
        document.roles.append(role)
    }

    private mutating func readGroup(_ name: String, _ value: Int, _ path: String) {
        guard object(value, path, required: ["says", "types"]) else { return }
        _ = string(value, "says", path + ".says")
        var codes: [UInt8] = []
        for (text, place) in strings(value, "types", path + ".types") {
            guard let type = ResourceType(text) else {
                report(place, .unknownType)
                continue
            }
            if codes.contains(type.code) { report(place, .duplicate) }
            codes.append(type.code)
        }
        groups[name] = codes
    }

    private mutating func readLabel(_ name: String, _ value: Int, _ path: String) {
        guard object(value, path, required: ["says", "codes"]) else { return }
        let position = LabelSet.names.firstIndex(of: name)
        let others = document.labels.filter { !LabelSet.names.contains($0.name) }.count
        var label = PolicyDocument.Label(name: name, bit: 1 << UInt32(position ?? LabelSet.names.count + others))
        label.says = string(value, "says", path + ".says") ?? ""
        for (number, code) in (list(value, "codes", path + ".codes") ?? []).enumerated() {
            let place = "\(path).codes[\(number)]"
            guard object(code, place, required: ["system", "code"]),
                let system = string(code, "system", place + ".system"), let text = string(code, "code", place + ".code")
            else { continue }
            label.codes.append(PolicyDocument.Code(system: system, code: text))
        }
        document.labels.append(label)
    }

    /// A code means one label.
    private mutating func checkCodes() {
        var seen: Set<PolicyDocument.Code> = []
        for label in document.labels {
            for (number, code) in label.codes.enumerated() where !seen.insert(code).inserted {
                report("labels.\(label.name).codes[\(number)]", .repeatedCode)
            }
        }
    }

    private mutating func readProfile(_ name: String, _ value: Int, _ path: String) {
        guard object(value, path, required: ["says", "types"], optional: ["labels"]) else { return }
        var profile = PolicyDocument.Profile(name: name)
        profile.says = string(value, "says", path + ".says") ?? ""
        if tape.member(value, "labels") != nil { profile.labels = labels(value, path + ".labels") }
        for (typeName, list, place) in entries(value, "types", in: path, limit: 146, areNames: false) {
            guard let type = ResourceType(typeName) else {
                report(place, .unknownType)
                continue
            }
            let paths = strings(list, place)
            do throws(FieldPathFailure) {
                let selection = try FieldSelection(type, paths: paths.map(\.text))
                for omission in selection.omissions {
                    report(place, omission.reason == .required ? .requiredLeftOut : .modifierLeftOut)
                }
                profile.selections[type] = selection
            } catch {
                report(
                    "\(place)[\(error.position)]", error.reason == .repeated ? .duplicate : .unknownElement)
            }
        }
        document.profiles.append(profile)
    }

    private mutating func readRule(_ value: Int, _ path: String) {
        guard
            object(
                value, path, required: ["id", "says", "effect", "roles", "actions"],
                optional: ["exceptRoles", "types", "except", "purposes", "profile", "if", "labels", "unless"])
        else { return }
        var rule = PolicyDocument.Rule()
        let before = issues.count
        rule.id = name(value, "id", path + ".id") ?? ""
        if document.rules.contains(where: { $0.id == rule.id }) { report(path + ".id", .duplicate) }
        rule.says = string(value, "says", path + ".says") ?? ""
        switch string(value, "effect", path + ".effect") {
        case "permit": rule.isForbid = false
        case "forbid": rule.isForbid = true
        case nil: break
        default: report(path + ".effect", .wrongKind)
        }
        rule.roles = roles(value, path, isForbid: rule.isForbid)
        rule.types = types(value, path)
        rule.actions = actions(value, path, hasTypes: tape.member(value, "types") != nil)
        if tape.member(value, "purposes") != nil { rule.purposes = purposes(value, path + ".purposes") }
        readConditions(value, path, &rule)
        readRuleProfile(value, path, &rule)
        if issues.count == before { document.rules.append(rule) }
    }

    private mutating func readConditions(_ value: Int, _ path: String, _ rule: inout PolicyDocument.Rule) {
        for (key, isForbids) in [("if", false), ("unless", true)] where tape.member(value, named: key) != nil {
            if rule.isForbid != isForbids { report("\(path).\(key)", .conditionNotHere) }
            for (text, place) in strings(value, key, "\(path).\(key)") {
                guard let bit = Conditions.names.firstIndex(of: text) else {
                    report(place, .unknownCondition)
                    continue
                }
                let condition = Conditions(rawValue: 1 << UInt16(bit))
                let needsForbid: Conditions = [.fresh, .consent, .emergencyReason]
                if !isForbids && needsForbid.contains(condition) { report(place, .conditionNotHere) }
                if rule.conditions.contains(condition) { report(place, .duplicate) }
                // Without a record only the freshness of the session can be known.
                if rule.types.contains(PolicyDocument.system) && condition != .fresh {
                    report(place, .conditionNotHere)
                }
                rule.conditions.insert(condition)
            }
        }
        if tape.member(value, "labels") != nil {
            let isMisplaced = !rule.isForbid || rule.types.contains(PolicyDocument.system)
            if isMisplaced { report(path + ".labels", .conditionNotHere) }
            rule.labels = labels(value, path + ".labels")
        } else if !rule.conditions.isDisjoint(with: [.consent, .emergencyReason]) {
            report(path + ".unless", .conditionNotHere)
        }
    }

    private mutating func readRuleProfile(_ value: Int, _ path: String, _ rule: inout PolicyDocument.Rule) {
        guard tape.member(value, "profile") != nil else { return }
        guard let name = string(value, "profile", path + ".profile") else { return }
        guard let position = document.profiles.firstIndex(where: { $0.name == name }) else {
            return report(path + ".profile", .unknownProfile)
        }
        if rule.isForbid { report(path + ".profile", .conditionNotHere) }
        let covered = Set(document.profiles[position].selections.keys.map(\.code))
        if !rule.types.isSubset(of: covered) { report(path + ".profile", .profileWithoutType) }
        rule.profile = UInt8(position)
    }
}
