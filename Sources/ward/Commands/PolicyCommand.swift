import ArgumentParser
import Glibc
import WardCore
import WardPolicy

/// Who may do what: looking at policies. Nothing here needs a store or opens a record.
struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Check, explain, test and compare policies (docs/policy.schema.json).",
        subcommands: [Check.self, Explain.self, Test.self, Diff.self, Show.self, Adopt.self, Why.self])

    private static func bytes(_ path: String) throws -> [UInt8] {
        do throws(FileFailure) { return try PrivateFile.read(path, secret: false, limit: 1 << 20) } catch {
            throw CommandFailure("\(path) cannot be read")
        }
    }

    /// The policy of a file; nil is the built-in one.
    private static func draft(_ path: String?) throws -> PolicyDraft {
        guard let path else { return PolicyDraft(Policy()) }
        return try understood(path) { document throws(PolicyFailure) in try PolicyDraft(document: document) }
    }

    /// What comes of reading a file, or a failure that names each mistake in it.
    private static func understood<Result>(
        _ path: String, _ body: ([UInt8]) throws(PolicyFailure) -> Result
    ) throws -> Result {
        let bytes = try bytes(path)
        do throws(PolicyFailure) { return try body(bytes) } catch {
            guard case .invalid(let issues) = error else { throw CommandFailure("\(path) is not signed") }
            for issue in issues { Terminal.say("\(path): \(issue.text)") }
            throw CommandFailure("\(path) has \(issues.count) mistake\(issues.count == 1 ? "" : "s")")
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find mistakes in a policy: unknown words, rules that make no difference, fields left out.")
        @Argument(help: "A policy document (JSON).") var file: String

        func run() throws {
            let draft = try PolicyCommand.draft(file)
            Terminal.say("no mistakes found: \(draft.identification)")
        }
    }

    struct Explain: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say whether somebody may do something, and which rule says so; exits with 2 if not.",
            discussion:
                "Example: ward policy explain --role nurse --action read --type Observation --condition care-team")
        @Option(name: .long, help: "A role; may be repeated.") var role: [String]
        @Option(name: .long, help: "read, search, create, update, delete, history, export, read-audit...")
        var action: String
        @Option(name: .long, help: "A resource type; none for what is done to the store as a whole.") var type: String?
        @Option(name: .long, help: "TREAT, HPAYMT, HOPERAT, PATRQT or HSYSADMIN.") var purpose = "TREAT"
        @Option(
            name: .long,
            help:
                "care-team, appointment-today, assigned, self, proxy, author, emergency, fresh or context; repeatable.")
        var condition: [String] = []
        @Option(name: .long, help: "A label of the record; repeatable.") var label: [String] = []
        @Option(name: .long, help: "A label that the patient's consent covers; repeatable.") var consent: [String] = []
        @Option(name: .long, help: "A label that the emergency has a reason for; repeatable.") var reason: [String] = []
        @Option(name: .long, help: "A SMART scope of the access token; repeatable.") var scope: [String] = []
        @Flag(name: .long, help: "Ask what may be possible, with no record looked at.") var anyRecord = false
        @Option(name: .long, help: "A policy document; by default the built-in policy.") var policy: String?

        func run() throws {
            let draft = try PolicyCommand.draft(policy)
            var words = PolicyWords(roles: role, action: action, type: type, purpose: purpose)
            words.conditions = condition
            words.labels = label
            words.consents = consent
            words.emergencyReasons = reason
            words.scopes = scope
            words.isAboutRecord = !anyRecord
            let explanation: Explanation
            do throws(PolicyIssue) { explanation = draft.explain(try draft.question(words)) } catch {
                throw CommandFailure("--\(error.text)")
            }
            Terminal.say(explanation.text)
            if !explanation.isPermitted { throw ExitCode(2) }
        }
    }

    struct Why: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say why a person can or cannot see one record; the question stands in the log.",
            discussion: "Example: ward policy why anna Observation/7f3 --action read")
        @Argument(help: "Login name.") var login: String
        @Argument(help: "Type/id.") var record: String
        @Option(name: .long, help: "read, search, create, update, delete, history or export.") var action = "read"
        @Flag(name: .long, help: "As JSON.") var json = false
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = ["login": login, "record": record, "action": action]
            if json { options["json"] = "" }
            let request = OperatorRequest(command: .policyWhy, options: options)
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hold a policy against written expectations; exits with 2 if any does not hold.",
            discussion: "docs/policy-tests.json is an example.")
        @Argument(help: "Expectations (JSON).") var file: String
        @Option(name: .long, help: "A policy document; by default the built-in policy.") var policy: String?
        @Flag(name: .long, help: "Also measure how long one decision takes.") var time = false

        func run() throws {
            let draft = try PolicyCommand.draft(policy)
            let outcomes = try PolicyCommand.understood(file) { expectations throws(PolicyFailure) in
                try draft.test(expectations)
            }
            let failed = outcomes.filter { $0.difference != nil }
            for outcome in failed { Terminal.say("does not hold: \(outcome.says) It \(outcome.difference ?? "").") }
            Terminal.say("\(outcomes.count - failed.count) of \(outcomes.count) expectations hold")
            if time {
                let taken = try PolicyCommand.understood(file) { expectations throws(PolicyFailure) in
                    try draft.time(expectations)
                }
                Terminal.say("\(Int(taken.rounded())) ns a decision")
            }
            if !failed.isEmpty { throw ExitCode(2) }
        }
    }

    struct Diff: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what two policies permit differently; exits with 2 if anything.")
        @Argument(help: "A policy document.") var old: String
        @Argument(help: "Another; by default the built-in policy is compared with the first.") var new: String?

        func run() throws {
            let first = try PolicyCommand.draft(new == nil ? nil : old)
            let lines = first.differences(to: try PolicyCommand.draft(new ?? old))
            for line in lines { Terminal.say(line) }
            if lines.isEmpty { Terminal.say("both permit the same") } else { throw ExitCode(2) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the built-in policy, to begin a policy of your own with.")

        func run() throws { Terminal.say(String(decoding: Policy.standardDocument, as: UTF8.self)) }
    }

    struct Adopt: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a policy in force: signed with the store's key, named in the log, from the next start on.",
            discussion: "Without a file: say which one holds. Look first: ward policy diff, ward policy test.")
        @Argument(help: "A policy document (JSON).") var file: String?
        @Flag(name: .long, help: "Go back to the policy that the program carries.") var builtIn = false
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options: [String: String] = [:]
            if let file {
                if builtIn { throw CommandFailure("a file or --built-in, not both") }
                _ = try PolicyCommand.draft(file)
                options["document"] = String(decoding: try PolicyCommand.bytes(file), as: UTF8.self)
            }
            let request = OperatorRequest(
                command: file == nil && !builtIn ? .policyShow : .policyAdopt, options: options)
            try await Operator.perform(store, confirm: confirm) { _ in request }
        }
    }
}
