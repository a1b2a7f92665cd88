/// What a listener serves. The pages of the office (accounts, alerts, reviews, the log) can have a listener of their own,
/// so that a network on which people work with records does not reach them (NIST SP 800-207, management plane).
public enum Plane: String, Sendable, CaseIterable {
    /// Everything: there is one listener.
    case whole
    /// What people and apps work with.
    case records
    /// Accounts, alerts, reviews and the log.
    case office
}

extension Plane {
    func serves(_ side: Route.Side) -> Bool {
        switch (self, side) {
        case (.whole, _), (_, .everywhere), (.records, .records), (.office, .office): true
        case (.records, .office), (.office, .records): false
        }
    }
}

extension WebSettings {
    /// Whether this listener has the page at a path.
    func serves(_ path: String) -> Bool {
        Route(path.split(separator: "/").map(String.init)).map { plane.serves($0.side) } ?? false
    }
}

extension Route {
    /// On which plane a page lies.
    enum Side {
        /// Signing in and out, one's own account and sessions.
        case everywhere
        case records, office
    }

    /// Each page says it; there is no usual answer.
    var side: Side {
        switch self {
        case .asset, .signIn, .signInPasskeyOptions, .signInPasskey, .recover, .enrolLink, .enrol, .enrolPasskeyOptions,
            .enrolPasskey, .enrolPassword, .enrolCode, .home, .account, .passkeyCreation, .passkeyAdd, .passkeyRemove,
            .passwordPage, .passwordRemove, .recoveryCodes, .sessions, .sessionEnd, .sessionsEndOthers, .lock, .locked,
            .unlock, .stepUp, .passkeyRequest, .ping, .signOut, .kept, .keptDrop, .emergencyEnd:
            .everywhere
        case .authorize, .consent, .apps, .emergency, .ownRecord, .ownRecordPrint, .ownRecordFile:
            .records
        case .people, .person, .invite, .askRoles, .disable, .askRecovery, .roleRequest, .recovery, .rename, .clients,
            .emergencies, .emergencyPage, .emergencyReview, .emergencyStop, .allSessions, .allSessionsEnd,
            .accessReview, .accessOf, .alerts, .alertPage, .alertAnswer, .log, .logCSV, .logNDJSON, .logEvent,
            .logPatient, .logPatientPrint, .logPatientFile, .activity, .activityWeek, .activitySign:
            .office
        }
    }
}
