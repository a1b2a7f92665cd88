/// How a form is kept that came while its session was locked, or without a fresh proof.
struct Keeping {
    struct Field {
        let name: StaticString
        /// As it is shown again; nil for what would say nothing to anybody.
        let label: String?

        init(_ name: StaticString, _ label: String? = nil) {
            self.name = name
            self.label = label
        }
    }

    let title: String
    /// Nothing else of the form is kept: never a password, a code or an answer of a passkey.
    let fields: [Field]
    /// The buttons of a form with fields that somebody may leave without having pressed one.
    let decisions: [(value: String, text: String, kind: String)]

    init(_ title: String, _ fields: Field..., decisions: [(value: String, text: String, kind: String)] = []) {
        self.title = title
        self.fields = fields
        self.decisions = decisions
    }
}

extension Route {
    /// Nil for what is not kept: forms with secrets, and those that are about the session itself.
    var keeping: Keeping? {
        switch self {
        case .passkeyRemove: Keeping("Remove a passkey", .init("passkey"))
        case .passwordRemove: Keeping("Remove password and authenticator app")
        case .recoveryCodes: Keeping("Make new recovery codes")
        case .sessionEnd: Keeping("End one of your sessions", .init("session"))
        case .sessionsEndOthers: Keeping("End all your other sessions")
        case .people: Keeping("Add a person", .init("login", "Sign-in name"), .init("shown", "Name"))
        case .invite: Keeping("Make a one-time link")
        case .askRoles:
            Keeping(
                "Ask for roles", .init("role", "Role"), .init("emergency", "Emergency access"),
                .init("clearance", "Clearance"), .init("reason", "Why"))
        case .disable: Keeping("End somebody’s access")
        case .askRecovery: Keeping("Ask for new factors for somebody", .init("reason", "Why"))
        case .roleRequest: Keeping("Decide on roles", .init("request"), .init("decision", "Decision"))
        case .recovery: Keeping("Approve new factors for somebody", .init("recovery"))
        case .consent:
            Keeping(
                "Allow an app", .init("scope", "It may"), .init("patient", "Patient"), .init("name", "Name"),
                .init("decision", "Decision"),
                decisions: [("allow", "Allow", "main"), ("deny", "Do not allow", "quiet")])
        case .apps:
            Keeping(
                "Apps", .init("app"), .init("allowed"), .init("patient", "Patient"), .init("name", "Name"),
                .init("decision", "Decision"), decisions: [("open", "Open", "main")])
        case .clients: Keeping("Decide on an app", .init("app", "App"), .init("decision", "Decision"))
        case .emergency:
            Keeping(
                "Open a record in an emergency", .init("patient", "Patient’s record number"),
                .init("reason", "Why it cannot wait"), .init("text", "What is happening"))
        case .emergencyEnd: Keeping("End an emergency", .init("emergency"))
        case .emergencyReview:
            Keeping("Review an emergency", .init("outcome", "What you found"), .init("note", "Note"))
        case .alertAnswer:
            Keeping(
                "Answer an alert", .init("act", "Answer"), .init("reason", "Why it is none"),
                .init("text", "What you found"))
        case .emergencyStop: Keeping("End somebody’s emergency")
        case .allSessionsEnd: Keeping("End somebody’s session", .init("person"), .init("session"))
        case .accessOf:
            Keeping(
                "Review somebody’s access", .init("decision", "Decision"), .init("remove", "Not needed any more"),
                .init("unlist", "Not needed any more"), .init("reason", "Why"))
        default: nil
        }
    }
}
