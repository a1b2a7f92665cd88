import WardPolicy

/// The pages there are. Each has a name for the log, what may be asked of it, and what a form on it is bound to.
enum Route {
    case asset(String)
    case signIn, signInPasskeyOptions, signInPasskey, recover
    case enrolLink(String), enrol, enrolPasskeyOptions, enrolPasskey, enrolPassword, enrolCode
    case home, account, passkeyCreation, passkeyAdd, passkeyRemove, passwordPage, passwordRemove, recoveryCodes
    case sessions, sessionEnd, sessionsEndOthers
    case lock, locked, unlock, stepUp, passkeyRequest, ping, signOut
    case people, person(String), invite(String), askRoles(String), disable(String), askRecovery(String)
    case roleRequest, recovery
    case authorize, consent(String), apps, clients
    case emergency, emergencyEnd, emergencies, emergencyPage(String), emergencyReview(String), emergencyStop(String)
    case allSessions, allSessionsEnd, accessReview, accessOf(String)
    case kept(String), keptDrop(String)
    case alerts, alertPage(String), alertAnswer(String)
    case log, logCSV, logNDJSON, logEvent(String), logPatient(String), ownRecord
    case logPatientPrint(String), logPatientFile(String), ownRecordPrint, ownRecordFile, rename(String)
    case activity, activityWeek(String), activitySign(String)

    init?(_ path: [String]) {
        switch path.count {
        case 1:
            switch path[0] {
            case "sign-in": self = .signIn
            case "sign-out": self = .signOut
            case "recover": self = .recover
            case "enrol": self = .enrol
            case "app": self = .home
            default: return nil
            }
        case 2:
            switch (path[0], path[1]) {
            case ("assets", let name): self = .asset(name)
            case ("oauth", "authorize"): self = .authorize
            case ("app", "apps"): self = .apps
            case ("app", "clients"): self = .clients
            case ("sign-in", "passkey"): self = .signInPasskey
            case ("enrol", "passkey"): self = .enrolPasskey
            case ("enrol", "password"): self = .enrolPassword
            case ("enrol", "code"): self = .enrolCode
            case ("enrol", let token): self = .enrolLink(token)
            case ("app", "account"): self = .account
            case ("app", "sessions"): self = .sessions
            case ("app", "lock"): self = .lock
            case ("app", "locked"): self = .locked
            case ("app", "unlock"): self = .unlock
            case ("app", "step-up"): self = .stepUp
            case ("app", "ping"): self = .ping
            case ("app", "people"): self = .people
            case ("app", "role-requests"): self = .roleRequest
            case ("app", "recoveries"): self = .recovery
            case ("app", "emergency"): self = .emergency
            case ("app", "emergencies"): self = .emergencies
            case ("app", "alerts"): self = .alerts
            case ("app", "activity"): self = .activity
            case ("app", "all-sessions"): self = .allSessions
            case ("app", "access-review"): self = .accessReview
            case ("app", "log"): self = .log
            case ("app", "my-record"): self = .ownRecord
            default: return nil
            }
        case 3:
            switch (path[0], path[1], path[2]) {
            case ("sign-in", "passkey", "options"): self = .signInPasskeyOptions
            case ("enrol", "passkey", "options"): self = .enrolPasskeyOptions
            case ("app", "passkey", "options"): self = .passkeyRequest
            case ("app", "account", "passkeys"): self = .passkeyAdd
            case ("app", "account", "password"): self = .passwordPage
            case ("app", "account", "codes"): self = .recoveryCodes
            case ("app", "sessions", "end"): self = .sessionEnd
            case ("app", "sessions", "end-others"): self = .sessionsEndOthers
            case ("app", "people", let id): self = .person(id)
            case ("app", "authorize", let id): self = .consent(id)
            case ("app", "emergency", "end"): self = .emergencyEnd
            case ("app", "emergencies", let id): self = .emergencyPage(id)
            case ("app", "alerts", let id): self = .alertPage(id)
            case ("app", "activity", let week): self = .activityWeek(week)
            case ("app", "all-sessions", "end"): self = .allSessionsEnd
            case ("app", "access-review", let id): self = .accessOf(id)
            case ("app", "continue", let id): self = .kept(id)
            case ("app", "log", "csv"): self = .logCSV
            case ("app", "log", "ndjson"): self = .logNDJSON
            case ("app", "my-record", "print"): self = .ownRecordPrint
            case ("app", "my-record", "csv"): self = .ownRecordFile
            default: return nil
            }
        case 4:
            switch (path[0], path[1], path[2], path[3]) {
            case ("app", "account", "passkeys", "options"): self = .passkeyCreation
            case ("app", "account", "passkeys", "remove"): self = .passkeyRemove
            case ("app", "account", "password", "remove"): self = .passwordRemove
            case ("app", "people", let id, "invite"): self = .invite(id)
            case ("app", "people", let id, "roles"): self = .askRoles(id)
            case ("app", "people", let id, "disable"): self = .disable(id)
            case ("app", "people", let id, "name"): self = .rename(id)
            case ("app", "people", let id, "recovery"): self = .askRecovery(id)
            case ("app", "emergencies", let id, "review"): self = .emergencyReview(id)
            case ("app", "emergencies", let id, "end"): self = .emergencyStop(id)
            case ("app", "continue", let id, "drop"): self = .keptDrop(id)
            case ("app", "alerts", let id, "answer"): self = .alertAnswer(id)
            case ("app", "activity", let week, "sign"): self = .activitySign(week)
            case ("app", "log", "event", let index): self = .logEvent(index)
            case ("app", "log", "patient", let id): self = .logPatient(id)
            default: return nil
            }
        case 5:
            switch (path[0], path[1], path[2], path[3], path[4]) {
            case ("app", "log", "patient", let id, "print"): self = .logPatientPrint(id)
            case ("app", "log", "patient", let id, "csv"): self = .logPatientFile(id)
            default: return nil
            }
        default: return nil
        }
    }

    var template: StaticString {
        switch self {
        case .asset: "/assets/{name}"
        case .signIn: "/sign-in"
        case .signInPasskeyOptions: "/sign-in/passkey/options"
        case .signInPasskey: "/sign-in/passkey"
        case .recover: "/recover"
        case .enrolLink: "/enrol/{token}"
        case .enrol: "/enrol"
        case .enrolPasskeyOptions: "/enrol/passkey/options"
        case .enrolPasskey: "/enrol/passkey"
        case .enrolPassword: "/enrol/password"
        case .enrolCode: "/enrol/code"
        case .home: "/app"
        case .account: "/app/account"
        case .passkeyCreation: "/app/account/passkeys/options"
        case .passkeyAdd: "/app/account/passkeys"
        case .passkeyRemove: "/app/account/passkeys/remove"
        case .passwordPage: "/app/account/password"
        case .passwordRemove: "/app/account/password/remove"
        case .recoveryCodes: "/app/account/codes"
        case .sessions: "/app/sessions"
        case .sessionEnd: "/app/sessions/end"
        case .sessionsEndOthers: "/app/sessions/end-others"
        case .lock: "/app/lock"
        case .locked: "/app/locked"
        case .unlock: "/app/unlock"
        case .stepUp: "/app/step-up"
        case .passkeyRequest: "/app/passkey/options"
        case .ping: "/app/ping"
        case .signOut: "/sign-out"
        case .people: "/app/people"
        case .person: "/app/people/{id}"
        case .invite: "/app/people/{id}/invite"
        case .askRoles: "/app/people/{id}/roles"
        case .disable: "/app/people/{id}/disable"
        case .askRecovery: "/app/people/{id}/recovery"
        case .roleRequest: "/app/role-requests"
        case .recovery: "/app/recoveries"
        case .authorize: "/oauth/authorize"
        case .consent: "/app/authorize/{id}"
        case .apps: "/app/apps"
        case .clients: "/app/clients"
        case .emergency: "/app/emergency"
        case .emergencyEnd: "/app/emergency/end"
        case .emergencies: "/app/emergencies"
        case .emergencyPage: "/app/emergencies/{id}"
        case .emergencyReview: "/app/emergencies/{id}/review"
        case .emergencyStop: "/app/emergencies/{id}/end"
        case .alerts: "/app/alerts"
        case .alertPage: "/app/alerts/{id}"
        case .alertAnswer: "/app/alerts/{id}/answer"
        case .activity: "/app/activity"
        case .activityWeek: "/app/activity/{week}"
        case .activitySign: "/app/activity/{week}/sign"
        case .allSessions: "/app/all-sessions"
        case .allSessionsEnd: "/app/all-sessions/end"
        case .accessReview: "/app/access-review"
        case .accessOf: "/app/access-review/{id}"
        case .kept: "/app/continue/{id}"
        case .keptDrop: "/app/continue/{id}/drop"
        case .log: "/app/log"
        case .logCSV: "/app/log/csv"
        case .logNDJSON: "/app/log/ndjson"
        case .logEvent: "/app/log/event/{index}"
        case .logPatient: "/app/log/patient/{id}"
        case .ownRecord: "/app/my-record"
        case .logPatientPrint: "/app/log/patient/{id}/print"
        case .logPatientFile: "/app/log/patient/{id}/csv"
        case .ownRecordPrint: "/app/my-record/print"
        case .ownRecordFile: "/app/my-record/csv"
        case .rename: "/app/people/{id}/name"
        }
    }

    enum Methods {
        case get, post, both

        var allow: String {
            switch self {
            case .get: "GET"
            case .post: "POST"
            case .both: "GET, POST"
            }
        }

        func has(_ method: WebRequest.Method) -> Bool {
            switch method {
            case .get: self != .post
            case .post: self != .get
            case .other: false
            }
        }
    }

    var methods: Methods {
        switch self {
        case .apps, .authorize, .clients, .consent: .both
        case .asset, .enrolLink, .enrol, .home, .account, .sessions, .locked, .person, .emergencies,
            .emergencyPage, .allSessions, .accessReview, .alerts, .alertPage, .log, .logCSV, .logNDJSON, .logEvent,
            .logPatient, .ownRecord, .logPatientFile, .ownRecordFile, .activity,
            .activityWeek:
            .get
        case .signIn, .recover, .enrolCode, .passwordPage, .unlock, .stepUp, .people, .ping, .emergency, .accessOf,
            .kept:
            .both
        default: .post
        }
    }

    /// The cookie that makes somebody known here, and that forms are bound to.
    var cookie: Cookie? {
        switch self {
        case .asset, .authorize, .enrolLink: nil
        case .signIn, .signInPasskeyOptions, .signInPasskey, .recover: .ticket
        case .enrol, .enrolPasskeyOptions, .enrolPasskey, .enrolPassword, .enrolCode: .enrolment
        default: .session
        }
    }

    /// Whether a locked session still gets an answer.
    var isForLocked: Bool {
        switch self {
        case .lock, .locked, .unlock, .passkeyRequest, .ping, .signOut: true
        default: false
        }
    }

    /// Whether forms of other sites may come here: it does nothing for anybody, and knows nobody.
    var isForOtherSites: Bool {
        if case .authorize = self { true } else { false }
    }

    /// Whether its form works on a copy that is only read: signing in and out, sessions, apps, and looking things up.
    var isForReadOnly: Bool {
        switch self {
        case .signIn, .signInPasskeyOptions, .signInPasskey, .lock, .unlock, .stepUp, .passkeyRequest, .ping, .signOut,
            .sessionEnd, .sessionsEndOthers, .allSessionsEnd, .authorize, .consent, .apps, .logPatientPrint,
            .logPatientFile, .ownRecordPrint, .ownRecordFile:
            true
        default: false
        }
    }

    /// Whether a script asks, and not somebody who looks at a page.
    var isForScript: Bool {
        switch self {
        case .signInPasskeyOptions, .enrolPasskeyOptions, .passkeyCreation, .passkeyRequest, .ping: true
        default: false
        }
    }

    /// Whether many events of the log are opened for it.
    var mayTakeLong: Bool {
        switch self {
        case .home, .accessReview, .accessOf, .alertPage, .alertAnswer, .log, .logCSV, .logNDJSON, .logEvent,
            .logPatient, .logPatientPrint, .logPatientFile, .ownRecord, .ownRecordPrint, .ownRecordFile, .activity,
            .activityWeek, .activitySign:
            true
        default: false
        }
    }

    /// What policy must let somebody do to see the page, and to use its forms; nil for what everybody does for
    /// themselves.
    var action: Action? {
        switch self {
        case .people, .person, .invite, .askRoles, .disable, .askRecovery, .roleRequest, .recovery, .rename:
            .managePeople
        case .clients: .administer
        case .emergency: .openEmergency
        case .emergencies, .emergencyPage, .emergencyReview, .emergencyStop: .reviewEmergency
        case .allSessions, .allSessionsEnd: .manageSessions
        case .accessReview, .accessOf, .activity, .activityWeek, .activitySign: .reviewAccess
        case .alerts, .alertPage, .alertAnswer: .readAlerts
        case .log, .logCSV, .logNDJSON, .logEvent, .logPatient, .logPatientPrint, .logPatientFile: .readAudit
        default: nil
        }
    }
}
