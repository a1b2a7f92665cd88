import WardAudit
import WardCore
import WardIdentity
import WardPolicy

/// What people have to do in time.
extension PostureScene {
    static let people = PostureGroup(
        name: "people",
        probes: [
            PostureProbe(
                id: "emergency-reviews", checks: "emergency access that nobody reviewed within two business days",
                covers: [.emergencyAccess], clause: "164.312(a)(2)(ii)", limits: "how carefully somebody looked",
                look: { $0.emergencies() }),
            PostureProbe(
                id: "access-reviews", checks: "accounts whose rights nobody reviewed within a quarter",
                covers: [.leastPrivilege, .ongoing], clause: "164.308(a)(4)(ii)(C)",
                limits: "that what was left to somebody is needed", look: { $0.accessReviews() }),
            PostureProbe(
                id: "officers",
                checks: "whether somebody administers, and somebody else watches over security and privacy",
                covers: [.leastPrivilege], clause: "164.308(a)(2)", limits: "that they do", look: { $0.officers() }),
            PostureProbe(
                id: "unique-names", checks: "accounts that share a name, and roles that are apart",
                covers: [.uniqueUsers],
                clause: "164.312(a)(2)(i)", limits: "people who lend out their account", look: { $0.uniqueNames() }),
        ])

    private func emergencies() -> PostureFinding {
        let all = house.people.emergencies.list(at: .now())
        let overdue = all.count { $0.isOverdue(at: .now()) }
        return overdue == 0
            ? .holds("\(all.count) on file, no review is overdue")
            : .gap("\(overdue) reviews are overdue: ward emergency list")
    }

    private func accessReviews() -> PostureFinding {
        let overdue = house.people.accessReviews.overdue(at: .now())
        return overdue == 0 ? .holds("none is overdue") : .gap("\(overdue) accounts are overdue: ward access review")
    }

    private func officers() -> PostureFinding {
        let active = house.people.directory.people.filter { $0.isActive(at: .now()) }
        var missing: [String] = []
        if !active.contains(where: { $0.roles.contains(.administrator) }) {
            missing.append(Role.administrator.rawValue)
        }
        for role in [Role.securityOfficer, .privacyOfficer] where !active.contains(where: { $0.roles.contains(role) }) {
            missing.append(role.rawValue)
        }
        return missing.isEmpty ? .holds("each role is filled") : .gap("nobody is \(missing.joined(separator: ", "))")
    }

    private func uniqueNames() -> PostureFinding {
        let people = house.people.directory.people
        guard Set(people.map(\.loginName)).count == people.count, Set(people.map(\.id)).count == people.count else {
            return .broken("two accounts share a name")
        }
        let together = people.count {
            $0.isActive(at: .now()) && $0.roles.contains(.administrator) && $0.roles.contains(.clinician)
        }
        return together == 0
            ? .holds("\(people.count) accounts, \(house.authenticator.clients.count) clients, no name twice")
            : .broken("\(together) accounts administer and see patients")
    }
}
