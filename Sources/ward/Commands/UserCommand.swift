import ArgumentParser
import WardPolicy

/// People who may sign in.
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Add people, give them roles, end their access.",
        discussion: """
            Nobody is given a password: a new person opens a one-time link and chooses a passkey, or a password with an
            authenticator app. Once somebody may manage people, they confirm what is done here: --as LOGIN.
            """,
        subcommands: [
            Add.self, List.self, Roles.self, Link.self, Recover.self, Disable.self, Sessions.self, End.self,
            Rename.self,
        ])

    struct RightsOptions: ParsableArguments {
        @Option(name: .long, help: "A role of the policy; may be repeated.")
        var role: [String] = []

        @Flag(name: .long, help: "List among those who may declare an emergency.")
        var emergencyAccess = false

        @Option(name: .long, help: "What was checked before the person works with records, by whom and when.")
        var clearance: String?

        var options: [String: String] {
            var options = ["roles": role.joined(separator: " ")]
            if let clearance { options["clearance"] = clearance }
            if emergencyAccess { options["emergency"] = "" }
            return options
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a person and print a one-time link, good for 72 hours.")

        @Argument(help: "Login name: 2 to 64 letters, digits, '.', '_', '-' and '@'; never reused.")
        var login: String
        @Option(name: .long, help: "The person's name, as others see it.")
        var name: String
        @OptionGroup var rights: RightsOptions
        @Option(name: .long, help: "Id of the person's Practitioner resource.")
        var practitioner: String?
        @Option(name: .long, help: "Id of a Patient the person is or acts for; may be repeated.")
        var patient: [String] = []
        @Option(name: .long, help: "Day on which access ends by itself, YYYY-MM-DD, at its beginning in UTC.")
        var ends: String?
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = rights.options
            options["login"] = login
            options["name"] = name
            if let practitioner { options["practitioner"] = practitioner }
            if let ends { options["ends"] = ends }
            let request = OperatorRequest(command: .userAdd, options: options, paths: patient)
            try await Operator.perform(store, confirm: confirm) { _ in request }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List people, also those whose access has ended.")
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() async throws {
            let request = OperatorRequest(command: .userList, options: json ? ["json": ""] : [:])
            try await Operator.perform(store) { _ in request }
        }
    }

    struct Roles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set a person's roles; what they are signed in to ends.")
        @Argument(help: "Login name.") var login: String
        @OptionGroup var rights: RightsOptions
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = rights.options
            options["login"] = login
            let request = OperatorRequest(command: .userRoles, options: options)
            try await Operator.perform(store, confirm: confirm) { _ in request }
            Terminal.say("roles of \(login) set")
        }
    }

    struct Link: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a new one-time link for somebody who has not enrolled; the earlier one ends.")
        @Argument(help: "Login name.") var login: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws { try await send(.userLink, login, store, confirm) }
    }

    struct Recover: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a one-time link that replaces all factors of somebody who lost theirs.",
            discussion: "Check first, away from the screen, that it is this person who asks.")
        @Argument(help: "Login name.") var login: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        @Flag(
            name: .long, help: "Instead of --as: ask for the code of the store's recovery kit, when nobody can confirm."
        )
        var recoveryKit = false

        func run() async throws {
            var options = ["login": login]
            var confirmation: ConfirmOptions? = confirm
            if recoveryKit {
                guard confirm.person == nil else { throw CommandFailure("--recovery-kit takes the place of --as") }
                options["kit"] = try ConfirmOptions.code(confirm.codeFile, prompt: "recovery code of the store: ")
                confirmation = nil
            }
            let request = OperatorRequest(command: .userRecover, options: options)
            try await Operator.perform(store, confirm: confirmation) { _ in request }
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a person's access: sessions, links and factors at once; the name stays taken.")
        @Argument(help: "Login name.") var login: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await send(.userDisable, login, store, confirm)
            Terminal.say("access of \(login) ended")
        }
    }

    struct Sessions: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List where somebody is signed in.")
        @Argument(help: "Login name.") var login: String
        @OptionGroup var store: StoreOptions
        @Flag(name: .long, help: "One JSON object a line.") var json = false

        func run() async throws {
            var options = ["login": login]
            if json { options["json"] = "" }
            let request = OperatorRequest(command: .userSessions, options: options)
            try await Operator.perform(store) { _ in request }
        }
    }

    struct End: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End somebody's sessions, or one of them; they can sign in again.")
        @Argument(help: "Login name.") var login: String
        @Option(name: .long, help: "Number of one session; all without it.") var session: String?
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            var options = ["login": login]
            if let session { options["session"] = session }
            let request = OperatorRequest(command: .userEndSessions, options: options)
            try await Operator.perform(store, confirm: confirm) { _ in request }
            Terminal.say(session == nil ? "sessions of \(login) ended" : "session ended")
        }
    }

    struct Rename: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a person's name, as others see it; the login name stays.")
        @Argument(help: "Login name.") var login: String
        @Option(name: .long, help: "The new name.") var name: String
        @OptionGroup var confirm: ConfirmOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let request = OperatorRequest(command: .userRename, options: ["login": login, "name": name])
            try await Operator.perform(store, confirm: confirm) { _ in request }
            Terminal.say("name of \(login) changed")
        }
    }

    private static func send(
        _ command: OperatorRequest.Command, _ login: String, _ store: StoreOptions, _ confirm: ConfirmOptions
    ) async throws {
        let request = OperatorRequest(command: command, options: ["login": login])
        try await Operator.perform(store, confirm: confirm) { _ in request }
    }
}
