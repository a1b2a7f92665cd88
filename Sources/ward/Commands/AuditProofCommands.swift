import ArgumentParser
import Glibc
import WardAudit
import WardCore
import WardCrypto
import WardFHIR

/// Hands out the proof that an event is in the log.
struct ProveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove", abstract: "Print the proof that an event is in the log (C2SP tlog-proof).",
        discussion: """
            INDEX is the number before the colon of a Ward-Audit-Receipt header. The proof holds nothing of the event: \
            whoever has the receipt and the log's key checks it with ward audit check-proof, without the store.
            """)
    @Argument(help: "Index of the event in the log.") var index: Int64
    @Option(name: .long, help: "File to write, best INDEX.tlog-proof; standard output if left out.") var out: String?
    @OptionGroup var store: StoreOptions

    func run() async throws {
        var options = ["index": "\(index)"]
        if let out { options["out"] = absolutePath(out) }
        let request = OperatorRequest(command: .auditProve, options: options)
        try await Operator.perform(store) { _ in request }
    }
}

/// Checks such a proof with nothing but keys.
struct CheckProofCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-proof", abstract: "Check a proof offline; exits with 2 if it does not hold.",
        discussion: "Needs no store. Keys come from ward audit status and ward witness init, over a way you trust.")
    @Argument(help: "The proof.") var file: String
    @Option(name: .long, help: "The log's key, as ward audit status prints it.") var key: String
    @Option(name: .long, help: "The Ward-Audit-Receipt header that came with the answer.") var receipt: String?
    @Option(name: .long, help: "Key of a witness that you trust; may stand several times.") var witness: [String] = []
    @Option(name: .long, help: "How many of the witnesses must have cosigned; all if left out.") var quorum: Int?
    @Flag(name: .long, help: "JSON instead of text.") var json = false

    func run() throws {
        guard let log = VerifierKey(key), log.algorithm == .ed25519 else {
            throw CommandFailure("--key is not the key of a log")
        }
        var policy = WitnessPolicy()
        do throws(WitnessFault) {
            for (number, text) in witness.enumerated() {
                guard let key = VerifierKey(text) else { throw .notAWitnessKey }
                try policy.add("\(number)", key)
            }
            if !witness.isEmpty { try policy.require(quorum ?? witness.count) }
            if witness.isEmpty, quorum ?? 0 != 0 { throw .badQuorum }
        } catch {
            throw CommandFailure(error.text)
        }
        var claim: (index: Int64, leafHash: Digest)?
        if let receipt {
            guard let claimed = AuditReceipt.claim(receipt) else { throw CommandFailure("--receipt is not a receipt") }
            claim = claimed
        }
        let bytes: [UInt8]
        do throws(FileFailure) {
            bytes = try PrivateFile.read(file, secret: false, limit: 2 * LogProof.largestSize)
        } catch {
            throw CommandFailure("\(file) cannot be read")
        }
        do throws(ProofFault) {
            let proof = try LogProof(String(decoding: bytes, as: UTF8.self))
            if let claim, claim.index != proof.index { return refuse("the proof is of another event than the receipt") }
            let verified = try proof.verify(leaf: claim?.leafHash, log: log, policy: policy)
            report(proof, verified, policy, hasReceipt: claim != nil)
        } catch {
            refuse(error.text)
        }
    }

    private func report(
        _ proof: LogProof, _ verified: LogProof.Verified, _ policy: WitnessPolicy, hasReceipt: Bool
    ) {
        let oldest = verified.cosigned.map(\.time).min()
        if json {
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("holds")
            writer.bool(true)
            writer.member("index", proof.index)
            writer.member("size", verified.checkpoint.size)
            writer.member("witnesses", verified.cosigned.count)
            writer.endObject()
            return Terminal.say(String(decoding: writer.bytes, as: UTF8.self))
        }
        Terminal.say(
            "event \(proof.index) is in the log \(verified.checkpoint.origin), under its checkpoint of \(verified.checkpoint.size) events"
        )
        if !hasReceipt {
            Terminal.say("no receipt was given: the proof is of the leaf in it, whatever that stands for")
        }
        if let oldest {
            Terminal.say(
                "\(verified.cosigned.count) of \(policy.witnesses.count) given witnesses vouch for it, since "
                    + Instant(microseconds: oldest * 1_000_000).text)
        } else {
            Terminal.say("unwitnessed: the log alone says so, and could say something else to somebody else")
        }
    }

    private func refuse(_ text: String) {
        if json {
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("holds")
            writer.bool(false)
            writer.member("fault", text)
            writer.endObject()
            Terminal.say(String(decoding: writer.bytes, as: UTF8.self))
        } else {
            Terminal.say("FAULT  \(text)")
        }
        Glibc.exit(2)
    }
}

/// How far the log is witnessed.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say how long the log is, who vouches for it, and with what key it signs.")
    @Flag(name: .long, help: "JSON instead of text.") var json = false
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let request = OperatorRequest(command: .auditStatus, options: json ? ["json": ""] : [:])
        try await Operator.perform(store) { _ in request }
    }
}

/// Writes the log as static files.
struct MirrorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mirror", abstract: "Write the log as static files (C2SP tlog-tiles); goes on where it stopped.",
        discussion: """
            From the store at hand, or as a stranger with --from. Checks the tree on the way; exits with 2 if the log is \
            not one, or not a continuation of what the folder holds. tools/verify_log.py checks the result again.
            """)
    @Argument(help: "Folder to write to.") var folder: String
    @Option(name: .long, help: "Address of a log, https://HOST:PORT/log, instead of the store.") var from: String?
    @Option(name: .long, help: "With --from: the log's key, as ward audit status prints it.") var key: String?
    @Option(name: .long, help: "With --from: PEM file of the authority to trust.") var ca: String?
    @Flag(name: .long, help: "From the store: the sealed events too. They stay sealed.") var payloads = false
    @OptionGroup var store: StoreOptions
    @OptionGroup var confirm: ConfirmOptions

    func run() async throws {
        guard let from else {
            var options = ["folder": absolutePath(folder)]
            if payloads { options["payloads"] = "" }
            let request = OperatorRequest(command: .auditMirror, options: options)
            return try await Operator.perform(store, confirm: confirm) { _ in request }
        }
        guard !payloads else { throw CommandFailure("payloads are never handed to strangers") }
        guard let key = key.flatMap({ VerifierKey($0) }), key.algorithm == .ed25519 else {
            throw CommandFailure("--from needs the log's key: --key")
        }
        let client = try LogClient(url: from, authority: ca)
        let mirror = LogMirror(folder: absolutePath(folder), source: RemoteLog(client: client), key: key)
        let outcome = try await mirror.run { Terminal.progress(Int($0), of: Int($1), "events mirrored") }
        await client.close()
        switch outcome {
        case .whole(let size): Terminal.say("\(size) events mirrored; they add up to the log's signed checkpoint")
        case .unsound(let text):
            Terminal.say("FAULT  \(text)")
            Glibc.exit(2)
        }
    }
}

/// Who has to have seen the log.
struct WitnessesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witnesses", abstract: "Name who witnesses this log, and how many of them it takes.",
        subcommands: [Add.self, Remove.self, Quorum.self, List.self], defaultSubcommand: List.self)

    private static func perform(
        _ store: StoreOptions, _ options: [String: String], confirm: ConfirmOptions? = nil
    ) async throws {
        let request = OperatorRequest(command: .auditWitnesses, options: options)
        try await Operator.perform(store, confirm: confirm) { _ in request }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Name a witness by the key it printed at its init.")
        @Argument(help: "What you call it.") var name: String
        @Argument(help: "Its key: NAME+HASH+KEY.") var key: String
        @OptionGroup var store: StoreOptions
        @OptionGroup var confirm: ConfirmOptions

        func run() async throws {
            try await WitnessesCommand.perform(store, ["do": "add", "name": name, "key": key], confirm: confirm)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Stop counting a witness.")
        @Argument(help: "What you call it.") var name: String
        @OptionGroup var store: StoreOptions
        @OptionGroup var confirm: ConfirmOptions

        func run() async throws {
            try await WitnessesCommand.perform(store, ["do": "remove", "name": name], confirm: confirm)
        }
    }

    struct Quorum: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How many witnesses must have cosigned a checkpoint before it counts as witnessed.")
        @Argument(help: "1 to the number of witnesses.") var count: Int
        @OptionGroup var store: StoreOptions
        @OptionGroup var confirm: ConfirmOptions

        func run() async throws {
            try await WitnessesCommand.perform(store, ["do": "quorum", "count": "\(count)"], confirm: confirm)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the policy (C2SP tlog-policy).")
        @OptionGroup var store: StoreOptions

        func run() async throws { try await WitnessesCommand.perform(store, ["do": "list"]) }
    }
}
