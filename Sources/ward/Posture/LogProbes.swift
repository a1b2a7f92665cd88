import WardIdentity
import WardWatch
import WardAudit
import WardCore
import WardVault

/// The audit log.
extension PostureScene {
    static let log = PostureGroup(
        name: "the audit log",
        probes: [
            PostureProbe(
                id: "events-written", checks: "a refused request of a moment ago is looked for in the log",
                covers: [.noAuditLog, .auditOfAccess, .whoWhatWhenWhere], clause: "164.312(b)",
                limits: "each kind of access: the program's tests do", look: { try await $0.eventIsThere() }),
            PostureProbe(
                id: "checkpoint", checks: "the log's checkpoint is signed, and the newest event opens",
                covers: [.noAuditLog, .appendOnlyLog], clause: "164.312(c)(1)",
                limits: "that nobody exchanged the whole store: witnesses, or a checkpoint kept elsewhere",
                look: { try $0.checkpoint() }),
            PostureProbe(
                id: "witnessed", checks: "how many witnesses vouched for the log, and when last",
                covers: [.appendOnlyLog, .noAuditLog], clause: "164.312(c)(2)",
                limits: "that witnesses are independent of whoever has the keys", look: { $0.witnessed() }),
            PostureProbe(
                id: "verified", checks: "when the whole store was last held against the log, and how it ended",
                covers: [.appendOnlyLog, .ongoing], clause: "164.312(c)(2)", limits: "what was changed since",
                look: { try $0.verified() }),
            PostureProbe(
                id: "retention", checks: "how long events are kept", covers: [.logsSixYears],
                clause: "164.316(b)(2)(i)",
                limits: "that backups of the log are kept as long", look: { try $0.retention() }),
            PostureProbe(
                id: "activity-review", checks: "weeks of activity that nobody signed for in time",
                covers: [.ongoing], clause: "164.308(a)(1)(ii)(D)", limits: "how carefully somebody looked",
                look: { try $0.activity() }),
            PostureProbe(
                id: "emergency-spool",
                checks:
                    "whether what was looked at in a read-only emergency waits beside the store to be taken into the log",
                covers: [.auditOfAccess, .ongoing], clause: "164.308(a)(7)(ii)(C)",
                limits: "spools that lie elsewhere, or were taken away", look: { $0.spools() }),
            PostureProbe(
                id: "alerts", checks: "whether odd access is watched for, and alerts of high severity wait",
                covers: [.alerts], clause: "164.308(a)(1)(ii)(D)",
                limits: "how well the rules find odd access: make watch-bench", look: { $0.alerts() }),
        ])

    private func spools() -> PostureFinding {
        let known = KnownSpools(house.folder, house.store)
        guard known.waiting.isEmpty else {
            return .broken("\(known.waiting.count) not in the log: ward standby reconcile")
        }
        return .holds(known.spools.isEmpty ? "there is none" : "\(known.spools.count), all in the log")
    }

    private func eventIsThere() async throws -> PostureFinding {
        _ = try server()
        // Forged tokens were refused when signing in was looked at.
        await house.authenticator.flushFailures()
        let newest = try house.log.events(with: [.kind(.signInFailed)], limit: 1).first
        guard let newest, newest.index >= eventsBefore else {
            return .broken("a refused request is not in the log")
        }
        return .holds("found as event \(newest.index)")
    }

    private func checkpoint() throws -> PostureFinding {
        guard let note = house.log.signedCheckpoint(),
            let signed = Checkpoint(note: note, publicKey: house.log.publicKey)
        else { return .broken("the checkpoint cannot be signed or does not verify") }
        guard try house.log.event(at: signed.size - 1) != nil else { return .broken("the newest event does not open") }
        return .holds("\(signed.size) events under a signed checkpoint")
    }

    private func witnessed() -> PostureFinding {
        let standing = house.log.witnessStanding
        guard standing.isWitnessed, let newest = standing.newest else { return .gap(standing.text) }
        let age = age(of: Instant(microseconds: newest.time * 1_000_000))
        return age <= 172_800 ? .holds(standing.text) : .gap("\(standing.text); the last time \(ageText(age)) ago")
    }

    private func verified() throws -> PostureFinding {
        let faults = try house.log.events(with: [.kind(.storeVerified)], limit: 1).first
        let status = try house.vault.verificationStatus()
        if let faults, faults.event.outcome == .failed || faults.event.decision.contains("fault") {
            return .broken("the last verification found faults: ward verify")
        }
        guard let last = status.lastFull else { return .gap("never yet; a running server does, daily") }
        let age = age(of: last)
        return age <= Self.verificationLimit
            ? .holds("\(ageText(age)) ago") : .gap("the last one was \(ageText(age)) ago, and it is daily")
    }

    private static let verificationLimit: Int64 = 129_600

    private func retention() throws -> PostureFinding {
        let years = try house.log.retentionYears()
        return years >= Retention.floorYears ? .holds("\(years) years") : .broken("\(years) years")
    }

    private func activity() throws -> PostureFinding {
        let overdue = try house.reviews.overdue(at: .now()).count
        return overdue == 0 ? .holds("none is overdue") : .gap("\(overdue) overdue: ward review list")
    }

    private func alerts() -> PostureFinding {
        let open = house.watch.desk.list.filter { $0.state == .open && $0.alert.severity == .high }
        let late = open.count { age(of: $0.alert.time) > Self.alertLimit }
        if late > 0 { return .gap("\(late) of high severity wait for more than two days: ward alerts") }
        guard running != nil else { return .notChecked("no server runs, so nobody watches") }
        return .holds(
            "watched from \(Int64(house.watch.daysKnown)) days of history; \(open.count) of high severity wait")
    }

    private static let alertLimit: Int64 = 172_800
}
