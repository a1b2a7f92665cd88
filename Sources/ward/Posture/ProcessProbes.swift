import CWardSystem
import Foundation
import WardAudit
import WardCore

/// The process that holds the keys, and the machine under it.
extension PostureScene {
    static let process = PostureGroup(
        name: "the process",
        probes: [
            PostureProbe(
                id: "no-dumps",
                checks: "the limit of core dumps and the dumpable flag of this process, as the kernel has them",
                covers: [.recordsInLogs], clause: "164.312(a)(1)",
                limits: "whoever is root, or has the memory of the machine",
                look: { _ in
                    let state = ward_dumps_forbidden()
                    return state == 3
                        ? .holds("core limit 0, not dumpable")
                        : .broken(
                            "\(state & 1 == 0 ? "core dumps are allowed" : "others of this user may look into the process")"
                        )
                }),
            PostureProbe(
                id: "no-swap", checks: "swap of the machine, and whether the process is locked into memory",
                covers: [.noEncryption, .encryptionAtRest], clause: "164.312(a)(2)(iv)",
                limits: "hibernation, and what a virtual machine's host does", look: { $0.swap() }),
            PostureProbe(
                id: "no-secrets-around", checks: "names of the environment's variables", covers: [.secretsInCode],
                clause: "164.308(a)(5)(ii)(D)", limits: "files elsewhere; values of variables with harmless names",
                look: { _ in environmentFinding() }),
            PostureProbe(
                id: "clock",
                checks: "whether the kernel's clock is kept in time, and jumps that the log noticed in a day",
                covers: [.whoWhatWhenWhere], clause: "164.312(b)", limits: "that the source of time is right",
                look: { try $0.clock() }),
        ])

    private func swap() -> PostureFinding {
        guard let text = try? String(contentsOfFile: "/proc/swaps", encoding: .utf8) else {
            return .notChecked("/proc/swaps cannot be read")
        }
        let swaps = text.split(separator: "\n").dropFirst().compactMap {
            $0.split(separator: " ").first.map(String.init)
        }
        if running?.isMemoryLocked == true { return .holds("locked into memory") }
        if swaps.isEmpty { return .holds("the machine has no swap") }
        if swaps.allSatisfy({ $0.hasPrefix("/dev/zram") }) { return .holds("swap is in memory alone (zram)") }
        return .gap(
            "memory is not locked, and \(swaps.count) places of swap are in use: LimitMEMLOCK=infinity, or encrypt them"
        )
    }

    private func clock() throws -> PostureFinding {
        let jumps = try house.log.events(with: [.kind(.clockJumped)], limit: 1)
        if let last = jumps.first, age(of: last.event.time) < 86_400, last.event.time <= .now() {
            return .gap("the clock jumped \(ageText(age(of: last.event.time))) ago")
        }
        switch ward_clock_is_kept() {
        case 1: return .holds("kept by a time service")
        case 0: return .gap("no time service keeps the kernel's clock (or a container hides it)")
        default: return .notChecked("the kernel does not tell")
        }
    }
}

private func environmentFinding() -> PostureFinding {
    let words = [
        "PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "PRIVATE_KEY", "API_KEY", "ACCESS_KEY", "CREDENTIAL",
    ]
    let names = ProcessInfo.processInfo.environment.filter { name, value in
        // A folder of credentials is how a service manager hands them over without the environment.
        !value.isEmpty && name != "CREDENTIALS_DIRECTORY" && words.contains { name.uppercased().contains($0) }
    }
    return names.isEmpty
        ? .holds("no variable is named like a secret")
        : .gap("variables named like secrets: \(names.keys.sorted().joined(separator: ", "))")
}
