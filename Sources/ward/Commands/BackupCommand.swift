import ArgumentParser
import WardContinuity
import WardCore
import WardCrypto

/// Backups and the way back.
struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Back up, verify, restore, and try it out; docs/backup.md.",
        discussion: "The server writes backups that only the printed recovery kit can open.",
        subcommands: [
            Kit.self, Now.self, List.self, Verify.self, Status.self, BackupRestoreCommand.self, BackupDrillCommand.self,
        ])

    struct Kit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the recovery kit that backups are sealed to, and print it; or check one.",
            discussion: """
                The private part is made here, shown once, and never on a disk. Backups of before stay sealed to the kit \
                of before: keep it for as long as they are kept.
                """)
        @Option(name: .long, help: "Print this many shares instead of one sheet.") var shares: Int?
        @Option(name: .long, help: "How many of the shares open.") var threshold: Int?
        @Flag(name: .long, help: "Make none: read a kit and say whether backups are sealed to it.") var check = false
        @OptionGroup var sheets: KitOptions
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func validate() throws {
            guard (shares == nil) == (threshold == nil) else {
                throw ValidationError("--shares and --threshold go together")
            }
            if let shares, let threshold, !(2...16).contains(threshold) || !(threshold...16).contains(shares) {
                throw ValidationError("2 to 16 shares, of which at least 2 open")
            }
        }

        func run() async throws {
            let signer = try await signer()
            if check {
                let kit = try sheets.kit()
                guard kit.trusts(signer: signer) else { throw CommandFailure("the kit is of another store") }
                return Terminal.say("this kit is right: \(hex(kit.fingerprint)); compare with: ward backup status")
            }
            guard let kit = WardContinuity.RecoveryKit(signer: signer) else {
                throw CommandFailure("no key could be made")
            }
            let recipient = base64(kit.key.recipient.bytes)
            try await Operator.perform(store, confirm: confirm) { _ in
                OperatorRequest(command: .backupKit, options: ["recipient": recipient])
            }
            guard let shares, let threshold else { return show(kit.whole, "", kit) }
            for part in kit.shares(threshold: threshold, of: shares) ?? [] {
                show(part, "share \(part.number) of \(shares); any \(threshold) of them open", kit)
            }
        }

        /// The key that the kit is to trust.
        private func signer() async throws -> [UInt8] {
            let said = Said()
            try await Operator.perform(store, say: said.take) { _ in OperatorRequest(command: .backupSigner) }
            guard let signer = said.text.flatMap(bytes(hex:)) else {
                throw CommandFailure("the store has no backup key")
            }
            return signer
        }

        private func bytes(hex text: String) -> [UInt8]? {
            let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
            guard digits.count == 64 else { return nil }
            return stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
        }

        private func show(_ part: WardContinuity.RecoveryKit.Part, _ which: String, _ kit: WardContinuity.RecoveryKit) {
            Terminal.say(
                """

                ---- backup recovery kit: print this, then clear the screen ---------------------
                kit            \(hex(kit.fingerprint))   \(which)
                made           \(Instant.now().text)

                """)
            for line in part.lines { Terminal.say("   \(line)") }
            Terminal.say(
                """

                Opens the backups of this store on any machine (ward backup restore). Nobody else
                has it: without it backups are lost. Check what you printed: ward backup kit --check
                ---------------------------------------------------------------------------------
                """)
        }
    }

    struct Now: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a full backup; what is there already is not written again.")
        @OptionGroup var place: BackupPlace
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { _ in
                OperatorRequest(command: .backupNow, options: place.options, paths: place.paths)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Full backups that are there.")
        @Flag(name: .long, help: "One JSON object a line.") var json = false
        @OptionGroup var place: BackupPlace
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { _ in
                OperatorRequest(
                    command: .backupList, options: place.options.merging(json ? ["json": ""] : [:]) { $1 },
                    paths: place.paths)
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read every object of a backup and hold it against what was signed; exits with 2 on any fault.",
            discussion: "Opens nothing: a drill shows that it can be restored.")
        @OptionGroup var place: BackupPlace
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { _ in
                OperatorRequest(command: .backupVerify, options: place.options, paths: place.paths)
            }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How old the newest backup is; exits with 2 if it is overdue or the last drill failed.")
        @Flag(name: .long, help: "One JSON object.") var json = false
        @Flag(name: .long, help: "Also the signed result of the last drill.") var report = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await Operator.perform(store) { _ in
                var options: [String: String] = [:]
                if json { options["json"] = "" }
                if report { options["report"] = "" }
                return OperatorRequest(command: .backupStatus, options: options)
            }
        }
    }
}

/// Where a backup lies.
struct BackupPlace: ParsableArguments {
    @Option(
        name: .long,
        help: "Folder of the backup, or s3:DESTINATION/BUCKET[/PREFIX]; by default that of the running server.")
    var backup: String?
    @OptionGroup var storage: BackupStorageOptions

    var paths: [String] {
        backup.map { [$0.hasPrefix(StorageName.scheme) ? $0 : absolutePath($0)] } ?? []
    }

    var options: [String: String] {
        var options: [String: String] = [:]
        options["backupCredentials"] = storage.backupCredentials.map(absolutePath)
        options["backupLockDays"] = storage.backupLockDays.map { "\($0)" }
        return options
    }
}

/// Of a backup in storage.
struct BackupStorageOptions: ParsableArguments {
    @Option(
        name: .long,
        help:
            "File with the key of the storage (mode 600): id, secret, and a session's token if it is lent; or the credential ward-backup-s3."
    )
    var backupCredentials: String?

    @Option(name: .long, help: "Days for which an object in storage is locked from when it is written.")
    var backupLockDays: Int?
}
