import Synchronization
public import WardAudit
public import WardCore
public import WardCrypto
public import WardStorage

/// Vendors, their agreements and destinations: sealed, each change in one transaction with an event of the log.
///
/// What may leave is decided here and nowhere else (45 CFR 164.308(b), 164.502(e)).
public final class EgressRegister: Sendable {
    fileprivate struct State {
        var vendors: [String: Vendor] = [:]
        var destinations: [String: Destination] = [:]
        var isChanging = false
        var observers: [@Sendable () -> Void] = []
    }

    public static let mostVendors = 500
    public static let mostAgreements = 50
    public static let mostDestinations = 500

    private let state: Mutex<State>
    private let vault: EgressVault
    private let log: AuditLog

    /// - Parameter material: derived from the tenant key for the register alone.
    public init(store: any SealedStore, material: KeyMaterial, log: AuditLog) throws(RegisterFault) {
        self.log = log
        vault = EgressVault(store: store, material: material)
        var state = State()
        for bytes in try vault.all(.vendor) {
            guard let vendor = Vendor(decoding: bytes) else { throw .storage }
            state.vendors[vendor.name] = vendor
        }
        for bytes in try vault.all(.destination) {
            guard let destination = Destination(decoding: bytes) else { throw .storage }
            state.destinations[destination.name] = destination
        }
        self.state = Mutex(state)
    }

    // MARK: Looking

    public var vendors: [Vendor] { state.withLock { Array($0.vendors.values) }.sorted { $0.name < $1.name } }

    public var destinations: [Destination] {
        state.withLock { Array($0.destinations.values) }.sorted { $0.name < $1.name }
    }

    public func destination(_ name: String) -> Destination? { state.withLock { $0.destinations[name] } }

    // MARK: Deciding

    /// The proof that something may go to a destination now.
    ///
    /// - Parameter kind: what wants to leave.
    public func proof(
        for name: String, kind: Destination.Kind, at now: Instant
    ) throws(EgressRefusal) -> BAAProof {
        guard let destination = destination(name) else { throw .unknownDestination }
        guard destination.kind == kind else { throw .wrongKind }
        switch destination.ground {
        case .lawful(let category, _, let ends):
            guard now < ends else { throw .lawfulGroundEnded }
            return BAAProof(
                destination: destination, ground: .lawful(category), ends: ends, agreed: destination.recorded,
                register: self)
        case .agreement(let vendor, let service):
            let agreements = state.withLock { $0.vendors[vendor]?.agreements ?? [] }
            var newest: EgressRefusal?
            var found: Agreement?
            for agreement in agreements.reversed() {
                if let refusal = agreement.refusal(service: service, region: destination.region, at: now) {
                    newest = newest ?? refusal
                } else if found.map({ $0.ends < agreement.ends }) ?? true {
                    found = agreement
                }
            }
            guard let found else { throw newest ?? .noAgreement }
            return BAAProof(
                destination: destination,
                ground: .agreement(vendor: vendor, service: service, digest: found.digest), ends: found.ends,
                agreed: found.recorded, register: self)
        }
    }

    /// Why a proof no longer holds: its destination is gone or another, its agreement revoked or over.
    func refusal(of proof: BAAProof, at now: Instant) -> EgressRefusal? {
        let (destination, vendor) = state.withLock { state in
            (state.destinations[proof.destination.name], proof.vendor.flatMap { state.vendors[$0] })
        }
        guard let destination, destination == proof.destination else { return .unknownDestination }
        switch proof.ground {
        case .lawful: return now < proof.ends ? nil : .lawfulGroundEnded
        case .agreement(_, let service, let digest):
            guard
                let agreement = vendor?.agreements.first(where: { $0.digest == digest && $0.recorded == proof.agreed })
            else { return .noAgreement }
            return agreement.refusal(service: service, region: destination.region, at: now)
        }
    }

    /// Runs `body` after each change: what is open looks again whether it may be.
    public func onChange(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.observers.append(body) } }

    // MARK: Changing

    public func addVendor(
        _ name: String, kind: Vendor.Kind, by actor: AuditActor, source: RequestSource
    ) async throws(RegisterFault) {
        guard isRegisterName(name) else { throw .bad(.name) }
        try await changing { () throws(RegisterFault) in
            let count = try known { state throws(RegisterFault) in
                guard state.vendors[name] == nil else { throw .taken(.name) }
                return state.vendors.count
            }
            guard count < Self.mostVendors else { throw .tooMany }
            let vendor = Vendor(name: name, kind: kind, added: .now())
            try await keep(vendor, .vendorAdded, "vendor=\(name) kind=\(kind.rawValue)", actor, source)
        }
    }

    /// Puts a signed agreement into the register; one that leaves a clause out is kept, and covers nothing.
    public func sign(
        _ agreement: Agreement, vendor name: String, by actor: AuditActor, source: RequestSource
    ) async throws(RegisterFault) {
        let now = Instant.now()
        try agreement.check(at: now)
        var agreement = agreement
        (agreement.recorded, agreement.revoked) = (now, nil)
        let signed = agreement
        try await changing { () throws(RegisterFault) in
            var vendor = try known { state throws(RegisterFault) in try state.vendor(name) }
            guard vendor.agreements.count < Self.mostAgreements else { throw .tooMany }
            vendor.agreements.append(signed)
            let missing = signed.missingClauses.map(\.rawValue).joined(separator: ",")
            try await keep(
                vendor, .agreementSigned,
                "vendor=\(name) sha256=\(hex(signed.digest.bytes)) ends=\(signed.ends.text) "
                    + (missing.isEmpty ? "complete" : "missing=\(missing)"), actor, source)
        }
    }

    /// Ends every agreement of a vendor; what is open to it closes.
    ///
    /// - Returns: how many had not been revoked.
    public func revoke(
        _ name: String, by actor: AuditActor, source: RequestSource
    ) async throws(RegisterFault) -> Int {
        try await changing { () throws(RegisterFault) in
            var vendor = try known { state throws(RegisterFault) in try state.vendor(name) }
            let now = Instant.now()
            var count = 0
            for place in vendor.agreements.indices where vendor.agreements[place].revoked == nil {
                vendor.agreements[place].revoked = now
                count += 1
            }
            try await keep(vendor, .agreementRevoked, "vendor=\(name) agreements=\(count)", actor, source)
            return count
        }
    }

    /// - Returns: as it was kept, with the secret of a webhook.
    @discardableResult
    public func add(
        _ destination: Destination, by actor: AuditActor, source: RequestSource
    ) async throws(RegisterFault) -> Destination {
        let now = Instant.now()
        try destination.check(at: now)
        var added = destination
        (added.recordedBy, added.recorded) = (actor.id, now)
        added.secret = destination.kind == .webhook ? randomBytes(32) : []
        let kept = added
        try await changing { () throws(RegisterFault) in
            let count = try known { state throws(RegisterFault) in
                guard state.destinations[kept.name] == nil else { throw .taken(.name) }
                if let vendor = kept.ground.vendor { _ = try state.vendor(vendor) }
                return state.destinations.count
            }
            guard count < Self.mostDestinations else { throw .tooMany }
            let write = try vault.put(kept.encoded(), .destination, key: kept.name)
            try await commit(.destinationAdded, kept.decision, actor, source, [write])
            state.withLock { $0.destinations[kept.name] = kept }
        }
        return kept
    }

    public func removeDestination(
        _ name: String, by actor: AuditActor, source: RequestSource
    ) async throws(RegisterFault) {
        try await changing { () throws(RegisterFault) in
            try known { state throws(RegisterFault) in
                guard state.destinations[name] != nil else { throw .unknownDestination }
            }
            let write = vault.remove(.destination, key: name)
            try await commit(.destinationRemoved, "destination=\(name)", actor, source, [write])
            state.withLock { _ = $0.destinations.removeValue(forKey: name) }
        }
    }

    // MARK: One change at a time

    private func known<Result: Sendable>(
        _ body: (borrowing State) throws(RegisterFault) -> Result
    ) throws(RegisterFault) -> Result {
        try state.withLock { state throws(RegisterFault) in try body(state) }
    }

    private func changing<Result: Sendable>(
        _ change: () async throws(RegisterFault) -> Result
    ) async throws(RegisterFault) -> Result {
        let isFree = state.withLock { state in
            defer { state.isChanging = true }
            return !state.isChanging
        }
        guard isFree else { throw .busy }
        defer {
            let observers = state.withLock { state in
                state.isChanging = false
                return state.observers
            }
            for observer in observers { observer() }
        }
        return try await change()
    }

    private func keep(
        _ vendor: Vendor, _ kind: AuditEventKind, _ decision: String, _ actor: AuditActor, _ source: RequestSource
    ) async throws(RegisterFault) {
        let write = try vault.put(vendor.encoded(), .vendor, key: vendor.name)
        try await commit(kind, decision, actor, source, [write])
        state.withLock { $0.vendors[vendor.name] = vendor }
    }

    private func commit(
        _ kind: AuditEventKind, _ decision: String, _ actor: AuditActor, _ source: RequestSource, _ writes: [EntryWrite]
    ) async throws(RegisterFault) {
        let event = AuditEvent(
            kind: kind, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration, source: source,
            decision: decision)
        do throws(SubmissionFailure) { _ = try await log.commit(event, entries: writes) } catch {
            throw .auditUnavailable
        }
    }
}

extension EgressRegister.State {
    fileprivate func vendor(_ name: String) throws(RegisterFault) -> Vendor {
        guard let vendor = vendors[name] else { throw .unknownVendor }
        return vendor
    }
}
