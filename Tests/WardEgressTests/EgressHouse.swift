import Synchronization
import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardStorage
import WardTestKit

/// A register and a broker over a real log, with a network that is a table and a clock that tests move.
struct EgressHouse: Sendable {
    let store: MemoryStore
    let keys: AuditKeys
    let material: KeyMaterial
    let log: AuditLog
    let register: EgressRegister
    let network: PlannedNetwork
    let clock: MovedClock
    let broker: EgressBroker

    static let actor = AuditActor(id: "person/officer", name: "officer", role: "administrator")
    static let source = RequestSource(address: "192.0.2.1", request: "r")
    static let day: Int64 = 86_400

    init(
        store: MemoryStore = MemoryStore(), keys: AuditKeys? = nil, material: KeyMaterial = .random(),
        network: PlannedNetwork = PlannedNetwork()
    ) throws {
        self.store = store
        self.material = material
        self.network = network
        self.keys = keys ?? AuditKeys(.random(), signing: SigningKey(), tenant: .single)
        log = try AuditLog(store: store, keys: self.keys, origin: "ward/egress")
        register = try EgressRegister(store: store, material: material, log: log)
        let clock = MovedClock()
        self.clock = clock
        broker = EgressBroker(register: register, transport: network, log: log, clock: { clock.now })
    }

    func reopened() throws -> EgressHouse { try EgressHouse(store: store, keys: keys, material: material) }

    static func agreement(
        clauses: Set<AgreementClause> = Set(AgreementClause.allCases), services: [String] = ["mail"],
        regions: [String] = ["us-east-1"], from: Int64 = -1, days: Int64 = 30
    ) -> Agreement {
        Agreement(
            digest: sha256(Array("signed".utf8)), fileName: "agreement.pdf", clauses: clauses, services: services,
            regions: regions, effective: Instant.now().adding(seconds: from * day),
            ends: Instant.now().adding(seconds: days * day), clinicSigner: "A. Officer", vendorSigner: "B. Vendor")
    }

    static func destination(
        _ name: String = "out", kind: Destination.Kind = .mail, host: String = "mail.example.com", port: Int = 465,
        region: String = "us-east-1", security: Destination.Security = .tls,
        ground: Destination.Ground = .agreement(vendor: "posthaste", service: "mail"), address: IPAddress? = nil,
        authority: String? = nil, path: String = "/"
    ) -> Destination {
        Destination(
            name: name, kind: kind, host: host, port: port, region: region, security: security, ground: ground,
            address: address, authority: authority, path: path)
    }

    func addVendor(_ name: String = "posthaste") async throws {
        try await register.addVendor(name, kind: .mail, by: Self.actor, source: Self.source)
    }

    func sign(_ agreement: Agreement = agreement(), vendor: String = "posthaste") async throws {
        try await register.sign(agreement, vendor: vendor, by: Self.actor, source: Self.source)
    }

    @discardableResult
    func add(_ destination: Destination = destination()) async throws -> Destination {
        try await register.add(destination, by: Self.actor, source: Self.source)
    }

    /// Vendor, agreement and destination, all as they should be.
    func ready(_ destination: Destination = destination()) async throws {
        try await addVendor()
        try await sign()
        try await add(destination)
    }

    /// Why nothing may go to a destination; nil if it may.
    func refusal(_ name: String = "out", kind: Destination.Kind = .mail) -> EgressRefusal? {
        do throws(EgressRefusal) {
            _ = try register.proof(for: name, kind: kind, at: clock.now)
            return nil
        } catch {
            return error
        }
    }

    /// How an attempt to connect fails; nil if it does not.
    func failure(_ name: String = "out", kind: Destination.Kind = .mail) async -> EgressFailure? {
        do throws(EgressFailure) {
            await (try broker.open(name, kind)).close()
            return nil
        } catch {
            return error
        }
    }

    func events(_ kind: AuditEventKind) throws -> [AuditEvent] {
        try log.events(with: [.kind(kind)], limit: .max).reversed().map(\.event)
    }
}

final class MovedClock: Sendable {
    private let offset = Mutex<Int64>(0)
    /// Stands still but for what the test moves: a busy machine takes minutes for what a connection may take a minute for.
    private let start = Instant.now()
    var now: Instant { start.adding(seconds: offset.withLock { $0 }) }
    func move(seconds: Int64) { offset.withLock { $0 += seconds } }
}

/// A network that notes what it is asked, and answers what was planned.
final class PlannedNetwork: EgressTransport {
    struct State {
        var names: [String: [IPAddress]] = ["mail.example.com": [.v4(0x0808_0808)]]
        var resolved: [String] = []
        var connected: [(address: IPAddress, port: Int, peer: EgressPeer, startsPlain: Bool)] = []
        var failure: EgressFailure?
        var streams: [PlannedStream] = []
        var script: [String] = []
    }

    let state = Mutex(State())

    /// - Parameter script: what the peer says: at first, and after each write.
    init(script: [String] = []) { state.withLock { $0.script = script } }

    func addresses(of host: String) async throws(EgressFailure) -> [IPAddress] {
        state.withLock { state in
            state.resolved.append(host)
            return state.names[host] ?? []
        }
    }

    func connect(
        to address: IPAddress, port: Int, peer: EgressPeer, startsPlain: Bool
    ) async throws(EgressFailure) -> any EgressStream {
        let failure: EgressFailure? = state.withLock { state in
            state.connected.append((address, port, peer, startsPlain))
            return state.failure
        }
        if let failure { throw failure }
        let stream = PlannedStream(script: state.withLock { $0.script }, isPlain: startsPlain)
        state.withLock { $0.streams.append(stream) }
        return stream
    }

    var attempts: Int { state.withLock { $0.connected.count } }
    var lookups: Int { state.withLock { $0.resolved.count } }
    var streams: [PlannedStream] { state.withLock { $0.streams } }
}

final class PlannedStream: EgressStream {
    private struct State {
        var script: [[UInt8]]
        var written: [UInt8] = []
        var plain: [UInt8] = []
        var isPlain: Bool
        var isCut = false
        var ready: Int
    }

    private let state: Mutex<State>

    init(script: [String], isPlain: Bool) {
        state = Mutex(
            State(script: script.map { Array($0.utf8) }, isPlain: isPlain, ready: isPlain || !script.isEmpty ? 1 : 0))
    }

    func startTLS() async throws(EgressFailure) { state.withLock { $0.isPlain = false } }

    func read() async throws(EgressFailure) -> [UInt8] {
        let (bytes, isCut): ([UInt8], Bool) = state.withLock { state in
            if state.isCut || state.script.isEmpty { return ([], state.isCut) }
            return (state.script.removeFirst(), false)
        }
        if isCut { throw .peerClosed }
        return bytes
    }

    func write(_ bytes: [UInt8]) async throws(EgressFailure) {
        let isCut = state.withLock { state in
            if state.isPlain { state.plain += bytes }
            state.written += bytes
            return state.isCut
        }
        if isCut { throw .peerClosed }
    }

    func cut() { state.withLock { $0.isCut = true } }

    var isCut: Bool { state.withLock { $0.isCut } }
    var written: String { String(decoding: state.withLock { $0.written }, as: UTF8.self) }
    /// What went before TLS.
    var plain: String { String(decoding: state.withLock { $0.plain }, as: UTF8.self) }
}
