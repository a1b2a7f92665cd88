public import WardAudit

/// Where each kind of event stands in the weekly review. There is no default: whoever adds a kind chooses.
extension AuditEventKind {
    /// The category that a week's review counts it in; nil for what nobody signs for, one by one.
    ///
    /// What was denied is counted in ``ActivityCategory/refusals`` whatever its kind.
    public var activityCategory: ActivityCategory? {
        switch self {
        case .signInFailed: .failedSignIns
        case .emergencyOpened: .emergencies
        case .auditExported, .download, .export, .print: .exports
        case .enrolmentIssued, .factorAdded, .factorRemoved, .personAdded, .personChanged, .personDisabled,
            .recoveryApproved, .recoveryAsked, .rolesGranted, .rolesRefused, .rolesRequested:
            .people
        case .agreementRevoked, .agreementSigned, .appApproved, .appRemoved, .auditPruned, .backupKitMade,
            .backupRestored, .clientAdded, .clientRemoved, .configurationChanged, .destinationAdded,
            .destinationRemoved, .holdEnded, .holdPlaced, .keyDestroyed, .keysCreated, .keysRecovered, .keysRotated,
            .noticeSet, .patientKeysRotated,
            .policyAdopted, .retentionSet, .spoolReconciled, .standbyEnded, .standbyPaired, .standbyPromoted, .start,
            .storeUpgraded,
            .vendorAdded,
            .witnessAdded, .witnessRemoved:
            .system
        case .activityReviewOverdue, .auditVerified, .backupDrilled, .backupFailed, .clockJumped, .keysAway, .keysBack,
            .logInterrupted, .noticeEnded, .postureRed, .recordsResealed, .storeVerified:
            .trouble
        case .accountingMade, .disclosureRecorded, .egressDisclosed: .disclosures

        // Work on records: odd access to them is judged one by one.
        case .create, .delete, .historyInstance, .import, .read, .search, .transaction, .update, .vread: nil
        // Reviews and looks: the one who signs would be a subject of every week.
        case .accessReviewed, .activityReviewed, .alertAnswered, .auditRead, .emergencyReviewed, .policyExplained: nil
        // Alerts have a line of their own.
        case .alertRaised, .watchKept: nil
        // Daily use of an account or an app; what lets somebody in stands under people and system.
        case .appAuthorized, .appLaunched, .appRegistered, .emergencyEnded, .enrolmentUsed, .formEnded, .formKept,
            .sessionEnded, .sessionUnlocked, .signedIn, .steppedUp, .tokenIssued, .tokenRevoked:
            nil
        // What follows from something counted, or happens every day; refused ones are refusals.
        case .backupMade, .egressClosed, .egressOpened, .egressRefused, .keysOpened, .noticeQueued, .postureChecked,
            .requestRefused,
            .stop:
            nil
        }
    }

    /// Whether it is counted only where it failed, or found something.
    var isReviewedOnFailure: Bool {
        [.auditVerified, .backupDrilled, .noticeEnded, .recordsResealed, .storeVerified].contains(self)
    }
}

extension ActivityCategory {
    /// Kinds of events; of refusals, what was denied whatever it was.
    var kinds: [AuditEventKind] { AuditEventKind.allCases.filter { $0.activityCategory == self } }
}
