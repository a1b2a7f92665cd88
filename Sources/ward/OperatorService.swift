import WardAudit
import WardClinic
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
    let imports = Turnstile()

    typealias Reply = @Sendable (OperatorReply) -> Void

    /// Answers with replies, the last of which is `finished` or `failure`.
    func run(_ request: OperatorRequest, reply: @escaping Reply, finished: @Sendable () -> Void) async {
        do {
            switch request.command {
            case .auditCheckpoint: try checkpoint(reply)
            case .auditAccounting: try await accountDisclosures(request, reply)
            case .auditReport: try await reportAccesses(request, reply)
            case .auditSearch: try await searchLog(request, reply)
            case .auditVerify: try await verifyLog(request, reply)
            case .clientAdd: try await addClient(request)
            case .clientApprove: try await approveApp(request, reply)
            case .clientList:
                listClients(request, reply)
                listApps(request, reply)
            case .clientRemove: try await removeClient(request)
            case .clientToken: try await token(request, reply)
            case .export: try await export(request, reply)
            case .importFiles: try await importFiles(request, reply)
            case .keysStatus: try keysStatus(request, reply)
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
            case .userRoles: try await setRoles(request)
            case .userSessions: try listUserSessions(request, reply)
            case .verify: try await verify(request, reply)
            }
            reply(.finished)
        } catch let failure as CommandFailure {
            reply(.failure(failure.text))
        } catch let failure as IdentityFailure {
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
        else { throw CommandFailure("name, role, purpose and a P-384 public key are needed") }
        guard Role.ofClients.contains(role) else { throw CommandFailure("\(role.rawValue) is a role of people") }
        try await house.authenticator.add(name, role: role, purpose: purpose, key: key, by: Self.source)
    }

    private func removeClient(_ request: OperatorRequest) async throws {
        let name = request.options["name"] ?? ""
        if try await removeApp(name) { return }
        try await house.authenticator.remove(name, by: Self.source)
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

    private func verifyLog(_ request: OperatorRequest, _ reply: Reply) async throws {
        let earlier = try earlierCheckpoint(request)
        let total = Int(house.log.checkpoint.size)
        let result: AuditVerification
        do throws(AuditFailure) {
            result = try house.log.verify(
                against: earlier,
                progress: { reply(.progress(done: Int($0), total: total, what: "events verified")) })
        } catch {
            throw CommandFailure("the log could not be read")
        }
        report(result, against: earlier, request, reply)
        _ = try? await house.log.append(
            .system(.auditVerified, decision: result.isWhole ? "whole" : "faults-found"))
        if !result.isWhole { reply(.unsound) }
    }

    private func earlierCheckpoint(_ request: OperatorRequest) throws -> Checkpoint? {
        guard let note = request.options["checkpoint"] else { return nil }
        guard let checkpoint = Checkpoint(note: note, publicKey: house.log.publicKey) else {
            throw CommandFailure("the checkpoint file is not one that this log has signed")
        }
        return checkpoint
    }

    private func report(
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
        reply(
            .output(
                earlier == nil
                    ? "not compared with a checkpoint kept elsewhere: a log rolled back as a whole would not show"
                    : "the log has only grown since the given checkpoint"))
    }

    private func verify(_ request: OperatorRequest, _ reply: Reply) async throws {
        let principal = try await principal(request)
        let earlier = try earlierCheckpoint(request)
        let result: StoreVerification
        do {
            let grant = try await house.gate.authorize(
                Administer.self, on: .store, principal: principal, source: Self.source)
            let total = Int(house.log.checkpoint.size)
            result = try await house.vault.verify(
                against: earlier, with: grant,
                progress: { reply(.progress(done: Int($0), total: total, what: "events verified")) })
        } catch let failure as GateFailure {
            throw CommandFailure(ClinicAnswer(failure).sentence)
        }
        report(result.log, against: earlier, request, reply)
        for fault in result.faults { reply(.output("FAULT  \(fault.record): \(fault.fault)")) }
        if result.isWhole {
            reply(.output("\(result.records) stored versions agree with the log"))
        } else {
            reply(.unsound)
        }
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
        case .alreadyOpen, .stillRunning: "the emergency still runs"
        case .lastAdministrator: "nobody else could manage people then; give somebody else the role first"
        case .reasonNeeded: "a reason or note is needed, and not a long one"
        case .sessionEnded: "there is no such session"
        case .unknownPerson: "nobody active has this login name"
        case .unknownRequest: "there is no such thing, or it is decided already"
        default: "the client's key was not accepted"
        }
    }
}
