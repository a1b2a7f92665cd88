import ArgumentParser
import WardAudit
import WardCore
import WardIdentity
import WardKeys
import WardPolicy
import WardSQLite
import WardStorage

/// Who confirms a command that touches keys or rights.
struct ConfirmOptions: ParsableArguments {
    @Option(
        name: .customLong("as"),
        help: "Login name of whoever confirms this, with a code of their authenticator app or a recovery code.")
    var person: String?

    @Option(name: .customLong("code-file"), help: "File that holds the code; - reads a line of standard input.")
    var codeFile: String?

    /// The code comes from the terminal, unseen, or from a file; never from the arguments, which others can see.
    func options() throws -> [String: String] {
        guard let person else {
            guard codeFile == nil else { throw CommandFailure("--code-file goes with --as") }
            return [:]
        }
        return ["as": person, "code": try Self.code(codeFile, prompt: "code of \(person): ")]
    }

    static func code(_ file: String?, prompt: String) throws -> String {
        switch file {
        case "-": return readLine() ?? ""
        case let file?:
            do throws(FileFailure) {
                let bytes = try PrivateFile.read(file, secret: true, limit: 1024)
                return String(decoding: bytes.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
            } catch {
                throw CommandFailure(
                    error == .readableByOthers
                        ? "\(file) can be read by others; chmod 600 it" : "\(file) cannot be read")
            }
        case nil:
            guard let typed = Terminal.secret(prompt) else {
                throw CommandFailure("the code is asked for on a terminal; without one, use --code-file")
            }
            return typed.text
        }
    }
}

extension OperatorService {
    /// Whoever holds the machine, while nobody is there who could confirm; the log tells this from anything confirmed.
    static let alone = AuditActor(
        id: "operator", name: "operator at the machine, nobody there to confirm", role: "operator")

    /// Who does this: the person who confirms it; the operator alone only before there is anybody who could.
    func acting(_ action: Action, _ request: OperatorRequest) async throws -> AuditActor {
        guard let login = request.options["as"] else {
            guard house.people.hasConfirmer(of: action) else { return Self.alone }
            try await refuse(action)
            throw CommandFailure(
                "somebody whose roles include this confirms it: --as LOGIN, with a code of their authenticator app")
        }
        do throws(IdentityFailure) {
            let person = try await house.people.confirm(
                action, login: login, code: ConfirmationCode(typed: request.options["code"] ?? ""),
                command: request.command.rawValue, source: Self.source)
            return person.actor
        } catch {
            // One event for each: whoever guesses here is at the machine.
            await house.people.flushFailures()
            switch error {
            case .notRecognised:
                throw CommandFailure("name and code were not recognised; a code of the app is good once")
            case .notPermitted: throw CommandFailure("the roles of \(login) do not include this")
            case .throttled(let seconds): throw CommandFailure("too many attempts; try again in \(seconds) seconds")
            default: throw error
            }
        }
    }

    private func refuse(_ action: Action) async throws {
        let event = AuditEvent(
            kind: .requestRefused, time: .now(), outcome: .denied, actor: Self.actor, purpose: .systemAdministration,
            source: Self.source, decision: "\(action.rawValue)/not-confirmed")
        _ = try await house.log.append(event)
    }

    /// Who makes new factors for somebody: as ``acting(_:_:)``, or whoever has the store's recovery kit, for a clinic
    /// whose last officer lost theirs.
    func recovering(_ request: OperatorRequest) async throws -> AuditActor {
        guard let typed = request.options["kit"] else { return try await acting(.managePeople, request) }
        do throws(KeyFailure) {
            guard let ring = try? house.keys.ring() else { throw .malformedKeyring }
            _ = try ring.open(
                storeID: house.header.id, unlock: .recovery(RecoveryCode(typed: typed)))
        } catch {
            try await refuse(.managePeople)
            throw CommandFailure(error.text)
        }
        return AuditActor(id: "operator", name: "operator at the machine, with the recovery kit", role: "operator")
    }
}
