import WardIdentity

/// What went wrong, for the top of a page: it names a field and never says a value.
struct Problem {
    let status: Int
    /// The `id` of the field; nil if it is about the whole.
    let field: StaticString?
    let text: String
    var retryAfter: Int64?

    init(_ field: StaticString?, _ text: String, status: Int = 422) {
        self.status = status
        self.field = field
        self.text = text
    }

    /// - Parameter field: where whatever was not recognised was typed.
    init(_ failure: IdentityFailure, field: StaticString? = nil) {
        switch failure {
        case .notRecognised:
            self.init(field, "That was not recognised. Nothing says which part was wrong.", status: 403)
        case .throttled(let seconds):
            self.init(nil, "Too many attempts. Try again in \(Self.wait(seconds)).", status: 429)
            retryAfter = max(1, seconds)
        case .hasherBusy, .auditUnavailable, .damaged, .storage:
            self.init(nil, "This cannot be done at the moment. Try again shortly.", status: 503)
            retryAfter = 5
        case .badPassword(let reason): self.init("password", reason.text)
        case .badName:
            self.init("login", "Choose a sign-in name of 2 to 64 letters, digits, . _ - @, and a shown name.")
        case .nameTaken: self.init("login", "This sign-in name is or was somebody's. Choose another.", status: 409)
        case .clearanceNeeded:
            self.init("clearance", "Say in up to 500 characters what was checked, by whom and when.")
        case .rolesApart:
            self.init(
                nil, "Whoever administers accounts needs another account for work with patients.", status: 409)
        case .reasonNeeded: self.init("reason", "Give a reason of up to 500 characters.")
        case .badPasskey: self.init(field, "The passkey could not be used. Try again.")
        case .notPermitted: self.init(nil, "Your roles do not include this.", status: 403)
        case .tooManyEmergencies:
            self.init(
                "patient", "Five emergencies are open already. End one that is over, or ask a colleague.", status: 409)
        case .reviewsOverdue:
            self.init(
                nil,
                "Reviews of your earlier emergencies are overdue. Ask a privacy officer to review them, or a colleague "
                    + "to open the record.", status: 409)
        case .alreadyOpen: self.init("patient", "You have this patient's record open already.", status: 409)
        case .stillRunning: self.init(nil, "It still runs. End it first, or wait until it is over.", status: 409)
        case .lastAdministrator:
            self.init(nil, "Nobody else could manage people then. Give somebody else the role first.", status: 409)
        case .lastFactor: self.init(nil, "Add another way to sign in first; this is the last one.", status: 409)
        case .tooManyPasskeys: self.init(nil, "There are 20 passkeys. Remove one first.", status: 409)
        case .busy: self.init(nil, "Something else is being changed here. Try again.", status: 409)
        case .secondPersonNeeded:
            self.init(nil, "Somebody else has to decide this: neither who asked nor whom it is about.", status: 403)
        case .tooLarge: self.init(nil, "This is too long. Make it shorter.", status: 413)
        case .unknownLink: self.init(nil, "This link was used or is too old. Ask for a new one.", status: 410)
        case .unknownPerson, .unknownRequest: self.init(nil, "This is not there, or not any more.", status: 404)
        case .sessionEnded, .stepUpNeeded: self.init(nil, "Show again who you are.", status: 403)
        case .badKey, .badScope, .badSignature, .expired, .livesTooLong, .malformedAssertion, .replayed, .unknownClient,
            .unknownKey, .wrongAudience, .wrongIssuer:
            self.init(nil, "This cannot be done.", status: 403)
        }
    }

    static func wait(_ seconds: Int64) -> String {
        seconds < 90 ? "\(max(1, seconds)) seconds" : "\((seconds + 59) / 60) minutes"
    }
}
