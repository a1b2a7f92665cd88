import ArgumentParser
import Glibc
import WardCore
import WardSQLite

/// Brings a store of an earlier version to this one.
struct UpgradeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade", abstract: "Bring a store of an earlier version to the formats of this one.",
        discussion: """
            First a copy of the store as it is, sealed as it is, is written to --copy and held against the store row by \
            row; the version before goes on with it. Stopped anywhere, the same command goes on. Ends with 0 if \
            everything is of this version, 1 if something was refused; --check ends with 2 if something is older or \
            newer (docs/upgrade.md).
            """)
    @Flag(name: .long, help: "Only say which formats the store has.") var check = false
    @Flag(name: .long, help: "With --check: JSON instead of text.") var json = false
    @Option(name: .long, help: "Empty folder for the copy, on another disk.") var copy: String?
    @Flag(name: .customLong("without-backup"), help: "Make no copy: a demo store alone.") var withoutBackup = false
    @OptionGroup var confirm: ConfirmOptions
    @OptionGroup var store: StoreOptions

    func validate() throws {
        guard copy == nil || !withoutBackup else {
            throw ValidationError("--copy and --without-backup exclude each other")
        }
    }

    func run() async throws {
        let folder = store.folder
        let lock = try lockedFolder(folder)
        defer { withExtendedLifetime(lock) {} }
        let formats = try StoreFormats.read(folder)
        if check { return show(formats) }
        if let newer = formats.newer {
            throw CommandFailure(
                "\(newer.name) of this store has format \(newer.found), and this version knows \(newer.known): use the version "
                    + "that wrote it, or a newer one")
        }
        let upgrade = StoreUpgrade(folder: folder, options: store, confirmation: try confirm.options())
        if formats.isCurrent {
            try upgrade.clearEarlierKeyring()
            return Terminal.say("the store has this version's formats")
        }
        try await run(upgrade, formats)
    }

    private func run(_ upgrade: StoreUpgrade, _ formats: StoreFormats) async throws {
        if let copy {
            try upgrade.keepCopy(in: copy)
            Terminal.say("copy           \(copy)/ward.db, equal row by row")
        } else {
            guard withoutBackup, try Self.kind(upgrade.folder) == .demo else {
                throw CommandFailure(
                    withoutBackup
                        ? "only a demo store is upgraded without a copy: name a folder with --copy"
                        : "name an empty folder for a copy of the store as it is: --copy")
            }
        }
        for line in formats.lines where line.found < line.known {
            Terminal.say("\(line.name)        \(line.found) -> \(line.known)")
        }
        try await upgrade.exchangeKeyring {
            Terminal.say("a new recovery code, which holds from the moment that this command ends well:")
            Terminal.say($0)
        }
        try upgrade.clearEarlierKeyring()
        guard try StoreFormats.read(upgrade.folder).isCurrent else {
            throw CommandFailure("a step did not take hold; run the command again")
        }
        Terminal.say("upgraded: the recovery code of before opens nothing any more but the copy")
    }

    private static func kind(_ folder: DataFolder) throws -> StoreHeader.Kind {
        let store = try SQLiteStore(path: folder.database)
        defer { store.close() }
        return try StoreHeader(of: store).kind
    }

    private func show(_ formats: StoreFormats) {
        if json {
            Terminal.say(formats.json)
        } else {
            for line in formats.lines {
                Terminal.say("\(line.name)  format \(line.found), this version knows \(line.known)  \(line.state)")
            }
        }
        if !formats.isCurrent { Glibc.exit(2) }
    }
}
