import Foundation

/// A command for the process that owns the store: the running server, or this one if none runs.
struct OperatorRequest: Codable, Sendable {
    enum Command: String, Codable, Sendable {
        case activityList, activityShow, activitySign
        case alertAnswer, alertList, alertRules, alertShow, decoyPlant
        case accessReview, emergencyList, emergencyReview, userEndSessions, userSessions
        case auditAccounting, auditCheckpoint, auditReport, auditSearch, auditVerify, clientAdd, clientApprove,
            clientList, clientRemove, clientToken
        case auditMirror, auditProve, auditStatus, auditWitnesses
        case export
        case keysShred, keysShredStatus
        case keysRotatePatients
        case importFiles, keysRotate, keysStatus, policyAdopt, policyShow, policyWhy, userAdd, userDisable, userLink,
            userList,
            userRecover, userRename, userRoles,
            verify, verifyStatus
        case auditClock, auditDiscover, auditHoldEnd, auditHoldList, auditHoldPlace, auditPrune, auditRetention
        case destinationAdd, destinationRemove, destinationTest, noticeClear, noticeList, noticeSet, noticeTest
        case standbyEnd, standbyPair, standbyPromote, standbyReconcile, standbyStatus
        case vendorAdd, vendorFirewall, vendorList, vendorRevoke, vendorSign
        case backupConclude, backupDrill, backupKit, backupList, backupNow, backupSigner, backupStatus, backupVerify
        case posture

        /// Whether it searches or writes records. Verification must work on a store whose index cannot be rebuilt.
        var needsIndex: Bool {
            switch self {
            case .decoyPlant, .export, .importFiles, .keysShred, .policyWhy: true
            default: false
            }
        }
    }

    let command: Command
    var options: [String: String] = [:]
    var paths: [String] = []
}

/// What comes back, line by line.
enum OperatorReply: Codable, Sendable {
    /// The first line: which store this is.
    case hello(store: String)
    case failure(String)
    case finished
    case output(String)
    case progress(done: Int, total: Int, what: String)
    /// The command found what it was asked to look for to be wrong.
    case unsound
}

extension OperatorReply {
    /// Whether nothing follows.
    var isLast: Bool {
        switch self {
        case .failure, .finished: true
        case .hello, .output, .progress, .unsound: false
        }
    }

    var line: [UInt8] { Array((try? JSONEncoder().encode(self)) ?? Data()) + [0x0A] }

    init?(line: [UInt8]) {
        guard let reply = try? JSONDecoder().decode(OperatorReply.self, from: Data(line)) else { return nil }
        self = reply
    }
}

extension OperatorRequest {
    var line: [UInt8] { Array((try? JSONEncoder().encode(self)) ?? Data()) + [0x0A] }

    init?(line: [UInt8]) {
        guard let request = try? JSONDecoder().decode(OperatorRequest.self, from: Data(line)) else { return nil }
        self = request
    }
}
