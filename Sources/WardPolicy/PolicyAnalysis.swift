import WardCore

/// Finds rules that make no difference: whoever wrote them believes something that is not so.
struct PolicyAnalysis {
    private let document: PolicyDocument

    init(_ document: PolicyDocument) { self.document = document }

    func issues() -> [PolicyIssue] {
        var found: [PolicyIssue] = []
        for (position, rule) in document.rules.enumerated() {
            let path = "rules[\(position)]"
            if !rule.isForbid, hasCeiling(rule), rule.profile != nil || rule.types.contains(PolicyDocument.system) {
                found.append(PolicyIssue(path: path, problem: .ceilingGrants))
            }
            if document.rules[..<position].contains(where: { isSame($0, rule) }) {
                found.append(PolicyIssue(path: path, problem: .duplicate))
            } else if !makesDifference(position) {
                found.append(PolicyIssue(path: path, problem: .neverMatches))
            }
        }
        // Whatever else a clinic decides: an app never does more than the person it acts for.
        if let app = document.role(named: Role.app.rawValue), !document.roles[app].isCeiling {
            found.append(PolicyIssue(path: "roles.\(Role.app.rawValue).ceiling", problem: .missing))
        }
        // A clinic may decide who sees such records, but not that nothing is special about them.
        let banned = document.rules.filter(\.isForbid).reduce(UInt32(0)) { $0 | $1.labels }
        for (position, name) in LabelSet.names.enumerated() {
            let bit = UInt32(1) << UInt32(position)
            let path = "labels.\(name)"
            if !document.labels.contains(where: { $0.bit == bit }) {
                found.append(PolicyIssue(path: path, problem: .missing))
            } else if banned & bit == 0 {
                found.append(PolicyIssue(path: path, problem: .lawIgnored))
            }
        }
        for (position, label) in document.labels.enumerated()
        where document.labels[..<position].contains(where: { $0.bit == label.bit }) {
            found.append(PolicyIssue(path: "labels.\(label.name)", problem: .duplicate))
        }
        return found
    }

    private func hasCeiling(_ rule: PolicyDocument.Rule) -> Bool {
        document.roles.enumerated().contains { $0.element.isCeiling && rule.roles >> UInt64($0.offset) & 1 == 1 }
    }

    private func isSame(_ first: PolicyDocument.Rule, _ second: PolicyDocument.Rule) -> Bool {
        first.isForbid == second.isForbid && first.roles == second.roles && first.actions == second.actions
            && first.types == second.types && first.purposes == second.purposes && first.profile == second.profile
            && first.conditions == second.conditions && first.labels == second.labels
    }

    /// Whether some role, type, purpose and action is decided by this rule and by no stronger one.
    private func makesDifference(_ position: Int) -> Bool {
        let rule = document.rules[position]
        for (number, role) in document.roles.enumerated() where rule.roles >> UInt64(number) & 1 == 1 {
            for purpose in PurposeOfUse.allCases where rule.purposes & role.purposes & purpose.bit != 0 {
                let others = document.rules.enumerated().filter {
                    $0.offset != position && $0.element.roles >> UInt64(number) & 1 == 1
                        && $0.element.purposes & purpose.bit != 0
                }
                for type in rule.types {
                    let here = others.filter { $0.element.types.contains(type) }
                    if remaining(rule, position, here) != 0 { return true }
                }
            }
        }
        return false
    }

    private func remaining(
        _ rule: PolicyDocument.Rule, _ position: Int, _ others: [(offset: Int, element: PolicyDocument.Rule)]
    ) -> UInt32 {
        var actions = rule.actions
        if rule.isForbid {
            // A ban on what nobody is permitted.
            let permitted = others.filter { !$0.element.isForbid }.reduce(UInt32(0)) { $0 | $1.element.actions }
            actions &= permitted
        }
        for (offset, other) in others {
            let isTotal = other.conditions.isEmpty && other.labels == 0
            if other.isForbid {
                // Banned already, whatever the record is.
                if isTotal && (!rule.isForbid || offset < position) { actions &= ~other.actions }
            } else if !rule.isForbid && isTotal && other.profile == nil {
                // Permitted already, without condition and as a whole; of two such rules the first counts.
                let isWeaker = !rule.conditions.isEmpty || rule.profile != nil || offset < position
                if isWeaker { actions &= ~other.actions }
            }
        }
        return actions
    }
}
