import WardAudit
import WardClinic
import WardContinuity
import WardCore
import WardCrypto
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardVault

/// Carries out commands on an opened store. Those that touch records act as a client, through the gate.
struct OperatorService: Sendable {
    let house: House
    /// The server that this process runs; nil for a command of its own.
    var running: RunningServer?
    let imports = Turnstile()

    typealias Reply = @Sendable (OperatorReply) -> Void

    /// Answers with replies, the last of which is `finished` or `failure`.
    func run(_ request: OperatorRequest, reply: @escaping Reply, finished: @Sendable () -> Void) async {
        do {
            guard !house.isReadOnly || request.command.isForReadOnly else {
                throw CommandFailure(
                    "read-only emergency mode: the copy is not changed; do this where the store is written")
            }
            switch request.command {
            case .activityList: try listActivity(request, reply)
            case .activityShow: try await showActivity(request, reply)
            case .activitySign: try await signActivity(request, reply)
            case .alertAnswer: try await answerAlert(request, reply)
            case .alertList: listAlerts(request, reply)
            case .alertRules: listAlertRules(request, reply)
            case .alertShow: try await showAlert(request, reply)
            case .decoyPlant: try await plantDecoys(request, reply)
            case .auditCheckpoint: try checkpoint(reply)
            case .auditMirror: try await mirror(request, reply)
            case .auditProve: try prove(request, reply)
            case .auditAccounting: try await accountDisclosures(request, reply)
            case .auditReport: try await reportAccesses(request, reply)
            case .auditSearch: try await searchLog(request, reply)
            case .auditStatus: status(request, reply)
            case .auditVerify: try await verifyLog(request, reply)
            case .auditWitnesses: try await changeWitnesses(request, reply)
            case .clientAdd: try await addClient(request)
            case .clientApprove: try await approveApp(request, reply)
            case .clientList:
                listClients(request, reply)
                listApps(request, reply)
            case .clientRemove: try await removeClient(request)
            case .clientToken: try await token(request, reply)
            case .export: try await export(request, reply)
            case .importFiles: try await importFiles(request, reply)
            case .keysRotate: try await rotateKeys(request, reply)
            case .keysRotatePatients: try await rotatePatientKeys(request, reply)
            case .keysShred: try await shred(request, reply)
            case .keysShredStatus: try await shredStatus(request, reply)
            case .keysStatus: try await keysStatus(request, reply)
            case .accessReview: try await reviewAccess(request, reply)
            case .emergencyList: listEmergencies(request, reply)
            case .emergencyReview: try await reviewEmergency(request)
            case .policyAdopt: try await adoptPolicy(request, reply)
            case .policyShow: showPolicy(reply)
            case .policyWhy: try await explain(request, reply)
            case .userAdd: try await addUser(request, reply)
            case .userDisable: try await disableUser(request)
            case .userEndSessions: try await endUserSessions(request)
            case .userLink: try await linkUser(request, reply)
            case .userList: listUsers(request, reply)
            case .userRecover: try await recoverUser(request, reply)
            case .userRename: try await renameUser(request)
            case .userRoles: try await setRoles(request)
            case .userSessions: try listUserSessions(request, reply)
            case .auditClock: try await acceptClock(request, reply)
            case .auditDiscover: try await discover(request, reply)
            case .auditHoldEnd: try await endHold(request)
            case .auditHoldList: try await listHolds(request, reply)
            case .auditHoldPlace: try await placeHold(request)
            case .auditPrune: try await prune(request, reply)
            case .auditRetention: try await retention(request, reply)
            case .destinationAdd: try await addDestination(request, reply)
            case .destinationRemove: try await removeDestination(request)
            case .destinationTest: try await testDestination(request, reply)
            case .noticeClear: try await clearNotices(request)
            case .noticeList: listNotices(request, reply)
            case .noticeSet: try await setNotices(request)
            case .noticeTest: try await testNotice(reply)
            case .vendorAdd: try await addVendor(request)
            case .vendorFirewall: try await firewall(request, reply)
            case .vendorList: listVendors(request, reply)
            case .vendorRevoke: try await revokeVendor(request, reply)
            case .vendorSign: try await signAgreement(request, reply)
            case .backupConclude: try await concludeDrill(request)
            case .backupDrill: try await drill(request, reply)
            case .backupKit: try await adoptKit(request)
            case .backupList: try await listBackups(request, reply)
            case .backupNow: try await backUp(request, reply)
            case .backupSigner: reply(.output(hex(house.backups.keys.signer)))
            case .backupStatus: try backupStatus(request, reply)
            case .backupVerify: try await verifyBackup(request, reply)
            case .standbyEnd: try await endStandby(request, reply)
            case .standbyPair: try await pairStandby(request, reply)
            case .standbyPromote: throw CommandFailure("a promotion is carried out on the standby's machine")
            case .standbyReconcile: try await reconcileSpool(request, reply)
            case .standbyStatus: try standbyStatus(request, reply)
            case .posture: try await lookAtPosture(request, reply)
            case .verify: try await verify(request, reply)
            case .verifyStatus: try verificationStatus(request, reply)
            }
            reply(.finished)
        } catch let failure as CommandFailure {
            reply(.failure(failure.text))
        } catch let failure as IdentityFailure {
            reply(.failure(failure.text))
        } catch let failure as BackupFailure {
            reply(.failure(failure.text))
        } catch {
            reply(.failure("the command could not be carried out"))
        }
        finished()
    }

    static let source = RequestSource(address: "local command", request: "")

    /// The principal whose assertion came with the request.
    func principal(_ request: OperatorRequest) async throws -> Principal {
        guard let assertion = request.options["assertion"] else { throw CommandFailure("a client's key is needed") }
        return try await house.authenticator.authenticate(
            assertion: assertion, audiences: [controlAudience(house.header.id)], scope: request.options["scope"],
            source: Self.source)
    }

    // MARK: Clients

    private func addClient(_ request: OperatorRequest) async throws {
        guard let name = request.options["name"], let role = request.options["role"].flatMap(Role.init(rawValue:)),
            let purpose = request.options["purpose"].flatMap(PurposeOfUse.init(rawValue:)),
            let key = request.options["jwk"].flatMap({ ClientKey(jwk: Array($0.utf8)) })
        else { throw CommandFailure("name, role, purpose and a P-384 or RSA public key are needed") }
        guard Role.ofClients.contains(role) else { throw CommandFailure("\(role.rawValue) is a role of people") }
        try await house.authenticator.add(
            name, role: role, purpose: purpose, key: key, by: Self.source,
            actor: try await acting(.administer, request))
    }

    private func removeClient(_ request: OperatorRequest) async throws {
        let name = request.options["name"] ?? ""
        let actor = try await acting(.administer, request)
        if try await removeApp(name, by: actor) { return }
        try await house.authenticator.remove(name, by: Self.source, actor: actor)
    }

    private func listClients(_ request: OperatorRequest, _ reply: Reply) {
        for client in house.authenticator.clients {
            if request.options["json"] != nil {
                var writer = JSONWriter()
                writer.beginObject()
                writer.member("name", client.name)
                writer.member("role", client.role.rawValue)
                writer.member("purpose", client.purpose.rawValue)
                writer.member("kid", client.key.keyID)
                writer.member("added", client.added.text)
                writer.endObject()
                reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
            } else {
                reply(
                    .output(
                        "\(client.name)  \(client.role.rawValue)  \(client.purpose.rawValue)  added \(client.added.text)"
                    ))
            }
        }
    }

    private func token(_ request: OperatorRequest, _ reply: Reply) async throws {
        let principal = try await principal(request)
        reply(.output(try await house.authenticator.issueToken(for: principal, source: Self.source)))
    }

    // MARK: Log

    private func checkpoint(_ reply: Reply) throws {
        guard let note = house.log.signedCheckpoint() else {
            throw CommandFailure("the checkpoint could not be signed")
        }
        reply(.output(String(note.dropLast())))
    }

    private func verifyLog(_ request: OperatorRequest, _ reply: @escaping Reply) async throws {
        let earlier = try earlierCheckpoint(request)
        let total = Int(house.log.checkpoint.size)
        let result: AuditVerification
        do throws(AuditFailure) {
            let progress: @Sendable (Int64) -> Void = {
                reply(.progress(done: Int($0), total: total, what: "events verified"))
            }
            result =
                request.options["tree"] != nil
                ? try house.log.verifyTree(against: earlier, progress: progress)
                : try house.log.verify(against: earlier, progress: progress)
        } catch {
            throw CommandFailure("the log could not be read")
        }
        report(result, against: earlier, request, reply)
        _ = try await house.log.append(
            .system(
                .auditVerified,
                decision: (result.isWhole ? "whole" : "faults-found") + (request.options["tree"] != nil ? "-tree" : ""))
        )
        if !result.isWhole { reply(.unsound) }
    }

    func earlierCheckpoint(_ request: OperatorRequest) throws -> Checkpoint? {
        guard let note = request.options["checkpoint"] else { return nil }
        guard let checkpoint = Checkpoint(note: note, publicKey: house.log.publicKey) else {
            throw CommandFailure("the checkpoint file is not one that this log has signed")
        }
        return checkpoint
    }

    func report(
        _ result: AuditVerification, against earlier: Checkpoint?, _ request: OperatorRequest, _ reply: Reply
    ) {
        if request.options["json"] != nil {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("events", result.leaves)
            writer.member("root", hex(result.checkpoint.root.bytes))
            writer.key("whole")
            writer.bool(result.isWhole)
            writer.key("faults")
            writer.beginArray()
            for fault in result.faults { writer.string(fault.text) }
            writer.endArray()
            writer.endObject()
            return reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
        }
        for fault in result.faults { reply(.output("FAULT  \(fault.text)")) }
        guard result.isWhole else { return }
        reply(.output("\(result.leaves) events verified: nothing edited, missing, reordered or added out of turn"))
        if request.options["tree"] != nil { reply(.output("the tree alone: no event was opened")) }
        reply(
            .output(
                earlier == nil
                    ? "not compared with a checkpoint kept elsewhere: a log rolled back as a whole would not show"
                    : "the log has only grown since the given checkpoint"))
    }
}

extension AuditVerification.Fault {
    var text: String {
        switch self {
        case .altered(let index): "event \(index) is not what was written"
        case .forked: "the log is not a continuation of the given checkpoint"
        case .missing(let index): "event \(index) is missing or out of order"
        case .rootMismatch: "the events do not add up to the log's root"
        case .tile(let level, let number): "tree tile \(level)/\(number) is not what was written"
        case .pruned: "payloads are gone that no pruning let go of"
        case .segment(let number): "search segment \(number) does not say what its events say"
        case .truncated: "the log is shorter than the given checkpoint, or another log"
        }
    }
}

extension IdentityFailure {
    var text: String {
        switch self {
        case .auditUnavailable: "the audit log cannot be written, so nothing was done"
        case .badName:
            "a name has 1 to 64 letters, digits, hyphens, dots and underscores; a shown name 1 to 80 characters"
        case .busy: "somebody else is changing this account; try again"
        case .badScope: "the scope is not one that this server supports"
        case .nameTaken: "the name is or was in use; names are never reused"
        case .unknownClient: "there is no such client"
        case .tooManyEmergencies: "five emergencies of this person run already"
        case .reviewsOverdue: "reviews of earlier emergencies of this person are overdue"
        case .alreadyOpen, .stillRunning: "the emergency still runs"
        case .lastAdministrator: "nobody else could manage people then; give somebody else the role first"
        case .clearanceNeeded: "--clearance says in up to 500 characters what was checked, by whom and when"
        case .rolesApart: "whoever administers accounts needs another account for work with patients"
        case .reasonNeeded: "a reason or note is needed, and not a long one"
        case .sessionEnded: "there is no such session"
        case .unknownPerson: "nobody active has this login name"
        case .unknownRequest: "there is no such thing, or it is decided already"
        default: "the client's key was not accepted"
        }
    }
}
