import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardGate
import WardPolicy
import WardVault

/// What became of one file or one group of lines.
public struct ImportOutcome: Sendable {
    /// Resources stored.
    public var stored = 0
    /// Resources that were stored by an earlier run.
    public var skipped = 0
    /// What was refused, with its place and why; no values.
    public var rejected: [ImportRejection] = []

    public init() {}

    public mutating func add(_ other: ImportOutcome) {
        stored += other.stored
        skipped += other.skipped
        rejected += other.rejected
    }
}

/// A refused resource.
public struct ImportRejection: Sendable {
    /// Line or entry number, from 1; 0 for the file as a whole.
    public let place: Int
    public let expression: String
    public let reason: String
}

extension Clinic {
    /// Asks whether a principal may import at all; the answer stands in the log either way.
    public func startImport(_ request: ClinicRequest) async -> ClinicAnswer? {
        do {
            let grant = try await gate.authorize(
                Import.self, on: .store, principal: request.principal, source: request.source)
            try await vault.beginImport(with: grant)
            return nil
        } catch let failure as GateFailure {
            return ClinicAnswer(failure)
        } catch {
            return .auditUnavailable
        }
    }

    /// Imports one JSON file: a transaction or collection Bundle by its entries, anything else as one resource.
    ///
    /// - Throws: ``TransferFailure/sessionEnded`` before anything of the file is stored.
    public func importFile(
        _ bytes: [UInt8], _ request: ClinicRequest
    ) async throws(TransferFailure) -> ImportOutcome {
        try await checkSession(of: request, during: .import)
        let tape: JSONTape
        do throws(JSONFailure) {
            tape = try JSONTape(parsing: bytes, limits: JSONLimits(size: 1 << 30, depth: 64))
        } catch {
            return .rejected(0, "byte \(error.offset)", error.reason.rawValue)
        }
        guard tape.root["resourceType"]?.string == "Bundle" else {
            return try await importResources([bytes], request)
        }
        switch tape.root["type"]?.string {
        case "transaction", "batch": return await importTransaction(tape, request)
        case "collection":
            let resources = (tape.root["entry"]?.elements ?? []).compactMap { entry in
                entry["resource"].map { Array(tape.slice(tape.range($0.index))) }
            }
            return try await importResources(resources, request)
        default: return try await importResources([bytes], request)
        }
    }

    private func importTransaction(_ tape: JSONTape, _ request: ClinicRequest) async -> ImportOutcome {
        let mark = vault.mark(ofPart: tape.bytes)
        do {
            let entries = try entries(of: tape)
            if try vault.isDone(mark) {
                var outcome = ImportOutcome()
                outcome.skipped = entries.count
                return outcome
            }
            guard entries.contains(where: { $0.method != .get }) else {
                return .rejected(0, "Bundle.entry", "holds requests to read and no resource")
            }
            let (_, results) = try await transact(entries, tape, request, mark: mark)
            var outcome = ImportOutcome()
            outcome.stored = results.count
            return outcome
        } catch let rejection as Rejection {
            return rejection.answer.asImport(place: 0)
        } catch let failure as VaultFailure {
            return ClinicAnswer(failure).asImport(place: 0)
        } catch let failure as GateFailure {
            return ClinicAnswer(failure).asImport(place: 0)
        } catch let failure as SearchQueryFailure {
            return ClinicAnswer(failure).asImport(place: 0)
        } catch {
            return .rejected(0, "Bundle", "the bundle could not be imported")
        }
    }

    /// Imports resources, each under its own id or a new one; valid ones are stored together, others reported.
    ///
    /// - Parameter firstPlace: line number of the first.
    /// - Throws: ``TransferFailure/sessionEnded`` before any of them is stored.
    public func importResources(
        _ resources: [[UInt8]], _ request: ClinicRequest, firstPlace: Int = 1
    ) async throws(TransferFailure) -> ImportOutcome {
        try await checkSession(of: request, during: .import)
        var outcome = ImportOutcome()
        var changes: [(place: Int, change: RecordChange)] = []
        var joined: [UInt8] = []
        for (offset, bytes) in resources.enumerated() {
            let place = firstPlace + offset
            joined += bytes
            joined.append(0x0A)
            do {
                let tape = try JSONTape(parsing: bytes)
                let resource = try ResourceValidator.validated(tape)
                let id = resource.id ?? randomUUID()
                let operation =
                    resource.id == nil
                    ? RecordChange.Operation.create(unlessExists: nil) : .update(ifMatch: nil)
                changes.append((place, try makeChange(operation, resource.type, id: id, resource)))
            } catch let failure as JSONFailure {
                outcome.add(.rejected(place, "byte \(failure.offset)", failure.reason.rawValue))
            } catch let failure as ValidationFailure {
                for issue in failure.issues {
                    outcome.rejected.append(
                        ImportRejection(place: place, expression: issue.expression, reason: issue.rule.rawValue))
                }
            } catch let failure as SearchQueryFailure {
                outcome.add(ClinicAnswer(failure).asImport(place: place))
            } catch {
                outcome.add(.rejected(place, "", "the resource could not be imported"))
            }
        }
        await store(changes, mark: vault.mark(ofPart: joined), request, into: &outcome)
        return outcome
    }

    /// Stores a group at once; if that fails for the sake of one, each by itself.
    private func store(
        _ changes: [(place: Int, change: RecordChange)], mark: ImportMark, _ request: ClinicRequest,
        into outcome: inout ImportOutcome
    ) async {
        guard !changes.isEmpty else { return }
        do {
            if try vault.isDone(mark) {
                outcome.skipped += changes.count
                return
            }
            // The same resource twice in one group: the later one wins, as if stored one after the other.
            var places: [String: Int] = [:]
            for (position, entry) in changes.enumerated() {
                places["\(entry.change.type.name)/\(entry.change.id)"] = position
            }
            let kept = places.values.sorted().map { changes[$0] }
            let grant = try await gate.authorize(
                Transaction.self, on: GrantSubject(steps: kept.flatMap(\.change.needs)),
                principal: request.principal, source: request.source)
            _ = try await vault.transact(kept.map(\.change), mark: mark, with: grant)
            outcome.stored += changes.count
        } catch {
            guard changes.count > 1 else {
                let place = changes.first?.place ?? 0
                switch error {
                case let failure as VaultFailure: outcome.add(ClinicAnswer(failure).asImport(place: place))
                case let failure as GateFailure: outcome.add(ClinicAnswer(failure).asImport(place: place))
                default: outcome.add(.rejected(place, "", "the resource could not be imported"))
                }
                return
            }
            for change in changes {
                let own = vault.mark(
                    ofPart: Array("\(change.change.type.name)/\(change.change.id)".utf8) + changeBytes(change.change))
                await store([change], mark: own, request, into: &outcome)
            }
        }
    }

    private func changeBytes(_ change: RecordChange) -> [UInt8] {
        change.resource.map { Array($0.tape.slice($0.tape.range($0.index))) } ?? []
    }
}

extension ImportOutcome {
    fileprivate static func rejected(_ place: Int, _ expression: String, _ reason: String) -> ImportOutcome {
        var outcome = ImportOutcome()
        outcome.rejected = [ImportRejection(place: place, expression: expression, reason: reason)]
        return outcome
    }
}

extension ClinicAnswer {
    /// The issues of an OperationOutcome as import rejections.
    fileprivate func asImport(place: Int) -> ImportOutcome {
        guard case .plain(let bytes) = body, let root = (try? JSONTape(parsing: bytes))?.root else {
            return .rejected(place, "", "refused with status \(status)")
        }
        var outcome = ImportOutcome()
        for issue in root["issue"]?.elements ?? [] {
            outcome.rejected.append(
                ImportRejection(
                    place: place, expression: issue["expression"]?.elements.first?.string ?? "",
                    reason: issue["diagnostics"]?.string ?? ""))
        }
        return outcome
    }

    /// The first issue's sentence, for a terminal.
    public var sentence: String {
        guard case .plain(let bytes) = body, let root = (try? JSONTape(parsing: bytes))?.root,
            let issue = root["issue"]?.elements.first, let text = issue["diagnostics"]?.string
        else { return "refused with status \(status)" }
        return issue["expression"]?.elements.first?.string.map { "\(text) (\($0))" } ?? text
    }
}
