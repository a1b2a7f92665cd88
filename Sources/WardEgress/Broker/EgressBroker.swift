import Synchronization
public import WardAudit
public import WardCore

/// The only door out.
///
/// A connection is made only under a current ``BAAProof``, after the event that tells of it is durable, to an address
/// that was resolved once and is allowed. Open connections are held against the register each second and after each
/// change of it, and cut when their proof has ended.
public final class EgressBroker: Sendable {
    private struct State {
        var open: [UInt64: EgressConnection] = [:]
        var next: UInt64 = 0
        var watcher: Task<Void, Never>?
        /// Ended, and not told of in the log yet.
        var ending: [UInt64: Task<Void, Never>] = [:]
        var noted: Int64 = 0
    }

    public let register: EgressRegister
    private let transport: any EgressTransport
    private let log: AuditLog
    private let report: @Sendable (EgressReport) -> Void
    private let clock: @Sendable () -> Instant
    private let state = Mutex(State())

    /// - Parameters:
    ///   - report: told of each exit, for the operations log; nothing in it is about a patient.
    ///   - clock: the machine's; tests have their own.
    public init(
        register: EgressRegister, transport: any EgressTransport, log: AuditLog,
        clock: @escaping @Sendable () -> Instant = { .now() },
        report: @escaping @Sendable (EgressReport) -> Void = { _ in }
    ) {
        self.register = register
        self.transport = transport
        self.log = log
        self.clock = clock
        self.report = report
        register.onChange { [weak self] in self?.sweep() }
    }

    /// Connects to a destination.
    ///
    /// - Parameter kind: what wants to leave.
    /// - Throws: ``EgressFailure/refused(_:)`` without any packet if nothing covers it.
    public func open(_ name: String, _ kind: Destination.Kind) async throws(EgressFailure) -> EgressConnection {
        let proof: BAAProof
        do throws(EgressRefusal) {
            proof = try register.proof(for: name, kind: kind, at: clock())
        } catch {
            report(EgressReport(kind: kind, failure: .refused(error)))
            try await note(.egressRefused, .denied, "\(kind.rawValue) \(name.prefix(64)) \(error.code)", nil)
            throw .refused(error)
        }
        try await note(.egressOpened, .success, proof.decision, proof)
        let connection: EgressConnection
        do throws(EgressFailure) {
            connection = try await connected(under: proof)
        } catch {
            report(EgressReport(kind: kind, failure: error))
            // What was opened is told to have ended; if the log cannot take it, the failure is told all the same.
            try? await note(.egressClosed, .failed, "\(proof.decision) \(error.code)", proof)
            throw error
        }
        watch(connection)
        return connection
    }

    /// Accounts for records that are about to leave: durable before their bytes go (45 CFR 164.528).
    ///
    /// The purpose is that of the proof: what goes for treatment or to a business associate for operations needs no
    /// accounting, all else is accounted for.
    public func disclose(
        _ records: [AuditedRecord], of patients: [String], through connection: EgressConnection, by actor: AuditActor?,
        source: RequestSource
    ) async throws(EgressFailure) -> AuditReceipt {
        try connection.check()
        let proof = connection.proof
        var event = AuditEvent(
            kind: .egressDisclosed, time: clock(), outcome: .success, actor: actor, purpose: proof.purpose,
            source: source, decision: proof.decision, records: records, patients: patients)
        event.recipient = proof.recipient
        do throws(AuditFailure) { return try await log.append(event) } catch { throw .auditUnavailable }
    }

    /// How many connections are open.
    public var openCount: Int { state.withLock { $0.open.count } }

    /// How many events the broker itself has written; a backup does not make a new round for them alone.
    public var notedEvents: Int64 { state.withLock { $0.noted } }

    /// Cuts everything; returns when the log knows of all that has ended.
    public func close() async {
        let (all, watcher) = state.withLock { state in
            defer { state.watcher = nil }
            return (Array(state.open.values), state.watcher)
        }
        watcher?.cancel()
        for connection in all { await connection.close() }
        for task in state.withLock({ Array($0.ending.values) }) { await task.value }
    }

    // MARK: Connecting

    private func connected(under proof: BAAProof) async throws(EgressFailure) -> EgressConnection {
        let destination = proof.destination
        let addresses = try await allowedAddresses(
            of: destination.host, exactly: destination.address, by: transport)
        let peer = EgressPeer(host: destination.host, authority: destination.authority)
        var failure = EgressFailure.unreachable
        for address in addresses.prefix(4) {
            if let refusal = proof.refusal(at: clock()) { throw .refused(refusal) }
            do throws(EgressFailure) {
                let stream = try await transport.connect(
                    to: address, port: destination.port, peer: peer, startsPlain: destination.security == .startTLS)
                return made(stream, proof)
            } catch {
                failure = error
                // Another address may be reached; another certificate of the same name is no better.
                guard error == .unreachable || error == .timedOut else { break }
            }
        }
        throw failure
    }

    private func made(_ stream: any EgressStream, _ proof: BAAProof) -> EgressConnection {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        return EgressConnection(number: number, proof: proof, stream: stream, clock: clock) { [weak self] connection in
            self?.ending(connection)
        }
    }

    /// Tells of the end, whoever brought it about; kept until it is told.
    private func ending(_ connection: EgressConnection) -> Task<Void, Never> {
        state.withLock { state in
            let task = Task.detached { [self] in
                await ended(connection)
                self.state.withLock { _ = $0.ending.removeValue(forKey: connection.number) }
            }
            state.ending[connection.number] = task
            return task
        }
    }

    private func ended(_ connection: EgressConnection) async {
        guard state.withLock({ $0.open.removeValue(forKey: connection.number) }) != nil else { return }
        let (sent, received, failure) = connection.totals
        report(
            EgressReport(kind: connection.proof.destination.kind, failure: failure, sent: sent, received: received))
        try? await note(
            .egressClosed, failure == nil ? .success : .failed,
            "\(connection.proof.decision) sent=\(sent) received=\(received) \(failure?.code ?? "done")",
            connection.proof)
    }

    // MARK: Watching

    private func watch(_ connection: EgressConnection) {
        state.withLock { state in
            state.open[connection.number] = connection
            guard state.watcher == nil else { return }
            state.watcher = Task.detached { [weak self] in
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(EgressLimits.watch))
                    guard let self else { return }
                    sweep()
                }
            }
        }
        // Its proof may have ended while it was made.
        sweep()
    }

    private func sweep() {
        let now = clock()
        for connection in state.withLock({ Array($0.open.values) }) {
            if let refusal = connection.proof.refusal(at: now) {
                connection.cut(.ended(refusal))
            } else if connection.isIdle(at: now) {
                connection.cut(nil)
            } else if connection.isTooOld(at: now) {
                // In use: whatever went through it is not whole.
                connection.cut(.timedOut)
            }
        }
    }

    private func note(
        _ kind: AuditEventKind, _ outcome: AuditOutcome, _ decision: String, _ proof: BAAProof?
    ) async throws(EgressFailure) {
        var event = AuditEvent(
            kind: kind, time: clock(), outcome: outcome, actor: nil, purpose: .systemAdministration, source: .system,
            decision: decision)
        event.recipient = proof?.recipient
        do throws(AuditFailure) { _ = try await log.append(event) } catch { throw .auditUnavailable }
        state.withLock { $0.noted += 1 }
    }
}

/// One exit, for the operations log.
public struct EgressReport: Sendable {
    public let kind: Destination.Kind
    /// Nil for one that ended as it should.
    public let failure: EgressFailure?
    public var sent = 0
    public var received = 0
}
