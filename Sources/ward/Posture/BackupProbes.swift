import WardCrypto
import WardContinuity
import WardCore

/// Whether what is lost can be brought back.
extension PostureScene {
    static let backups = PostureGroup(
        name: "backups",
        probes: [
            PostureProbe(
                id: "kit", checks: "to which printed kit backups are sealed", covers: [.noBackups, .protectedBackups],
                clause: "164.308(a)(7)(ii)(A)", limits: "that the paper is at hand: ward backup drill --kit",
                look: { scene in
                    scene.house.backups.recipient.map { .holds("kit \(hex($0.fingerprint))") }
                        ?? .broken("there is no kit: ward backup kit")
                }),
            PostureProbe(
                id: "backup-age", checks: "how old the newest backup is", covers: [.noBackups],
                clause: "164.308(a)(7)(ii)(A)",
                limits: "that it is still where it was written: ward backup verify", look: { $0.backupAge() }),
            PostureProbe(
                id: "backup-apart", checks: "whether the backup lies on another device than the data",
                covers: [.noBackups, .protectedBackups], clause: "164.308(a)(7)(ii)(A)",
                limits: "that the other device is in another building", look: { $0.backupApart() }),
            PostureProbe(
                id: "drill", checks: "when a backup was last restored and compared, and how that ended",
                covers: [.noBackups],
                clause: "164.308(a)(7)(ii)(D)", limits: "a restore on another machine with the printed kit",
                look: { $0.drill() }),
        ])

    private var newestBackup: Instant? {
        [house.backups.state.made, house.continuous?.stream.upToDate].compactMap { $0 }.max()
    }

    private func backupAge() -> PostureFinding {
        guard let newest = newestBackup else { return .broken("there is none: ward serve --backup") }
        let age = age(of: newest)
        return age < 86_400 ? .holds("\(ageText(age)) old") : .broken("\(ageText(age)) old; 24 hours is the limit")
    }

    private func backupApart() -> PostureFinding {
        guard let path = house.continuous?.path else { return .notChecked("no server with --backup runs") }
        if house.continuous?.destination != nil { return .holds("in storage of a vendor with a current agreement") }
        guard let place = FileStanding(path), let data = FileStanding(house.folder.database) else {
            return .broken("the backup's folder is not there")
        }
        return place.device == data.device
            ? .gap("backup and data lie on the same device: one broken disk takes both")
            : .holds("on another device than the data")
    }

    private func drill() -> PostureFinding {
        let state = house.backups.state
        guard let drilled = state.drilled else { return .gap("none yet: ward backup drill") }
        guard state.drillWasGood else { return .broken("the last one failed") }
        let age = age(of: drilled)
        return age <= Self.drillLimit
            ? .holds("\(ageText(age)) ago, equal") : .gap("the last one was \(ageText(age)) ago")
    }

    /// A month and some days of grace.
    private static let drillLimit: Int64 = 35 * 86_400
}
