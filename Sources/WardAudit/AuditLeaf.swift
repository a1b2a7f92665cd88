internal import Synchronization
public import WardCore
public import WardCrypto
public import WardFHIR

/// The keys of the log; a ring of its own, split off the tenant's at start.
public struct AuditKeys: Sendable {
    let payload: SealingKey
    let segment: SealingKey
    let token: MacKey
    /// Holds and settings of the log itself.
    let entry: SealingKey
    let signing: SigningKey
    let witnesses: SealingKey
    let tenant: TenantID
    private let recent = RecentTokens()

    /// - Parameters:
    ///   - material: derived from the tenant key for the log alone.
    ///   - signing: signs checkpoints.
    public init(_ material: KeyMaterial, signing: SigningKey, tenant: TenantID) {
        payload = SealingKey(material.derived("ward/audit-payload/1"))
        segment = SealingKey(material.derived("ward/audit-segment/1"))
        token = MacKey(material.derived("ward/audit-token/1"))
        witnesses = SealingKey(material.derived("ward/witnesses/1"))
        entry = SealingKey(material.derived("ward/audit-entry/1"))
        self.signing = signing
        self.tenant = tenant
    }

    /// The public half that verifies checkpoints.
    public var publicKey: [UInt8] { signing.publicKey }

    var context: [UInt8] { Array("ward/leaf/1".utf8) + withBytes(of: tenant.number) }

    /// The search token of one facet of an event.
    func token(_ facet: AuditFacet) -> Int64 {
        recent.token(facet) { token.tag(Array(facet.name.utf8), Array(facet.value.utf8)).token }
    }
}

/// Tokens of the facets that were asked for lately: a few of them stand in nearly every event.
private final class RecentTokens: Sendable {
    private static let shelfSize = 2048
    private let shelves = Mutex<(newer: [AuditFacet: Int64], older: [AuditFacet: Int64])>(([:], [:]))

    func token(_ facet: AuditFacet, derive: () -> Int64) -> Int64 {
        if let token = shelves.withLock({ $0.newer[facet] ?? $0.older[facet] }) { return token }
        let token = derive()
        shelves.withLock { shelves in
            shelves.newer[facet] = token
            if shelves.newer.count > Self.shelfSize { shelves = ([:], shelves.newer) }
        }
        return token
    }
}

/// What the log can be asked by.
///
/// Each facet of an event is a token of 12 bytes on disk. What nearly every event shares (role, purpose, type, success)
/// would cost that much and narrow nothing, and a device is in few sessions: those are looked at after opening
/// (``AuditFilter``).
public enum AuditFacet: Hashable, Sendable {
    case actor(String)
    /// From where: the peer's address as it stands in the event.
    case address(String)
    /// Label of the app that acted.
    case app(String)
    case day(CalendarDay)
    /// Id of an emergency: its own events and everything done in it.
    case emergency(String)
    case kind(AuditEventKind)
    /// Denied or failed; success has no token.
    case outcome(AuditOutcome)
    case patient(String)
    case record(type: ResourceType, id: String)
    /// Number of a session.
    case session(String)
    /// Taken from a spool: such an event stands where it was taken, with its own, earlier time.
    case spooled
    /// Whom it was done to, named as an actor is: `person/ID`.
    case subject(String)

    var name: String {
        switch self {
        case .actor: "actor"
        case .address: "address"
        case .app: "app"
        case .day: "day"
        case .emergency: "emergency"
        case .kind: "kind"
        case .outcome: "outcome"
        case .patient: "patient"
        case .record: "record"
        case .session: "session"
        case .spooled: "spooled"
        case .subject: "subject"
        }
    }

    var value: String {
        switch self {
        case .actor(let id), .address(let id), .app(let id), .emergency(let id), .patient(let id), .session(let id),
            .subject(let id):
            id
        case .day(let day): day.text
        case .kind(let kind): kind.rawValue
        case .outcome(let outcome): outcome.rawValue
        case .record(let type, let id): "\(type.name)/\(id)"
        case .spooled: ""
        }
    }
}

/// A sealed event, ready to take its place in the log.
struct SealedLeaf: Sendable {
    /// Version, commitment to the event, hash of the payload: what the tree commits to.
    ///
    /// Outlives the payload.
    let leaf: [UInt8]
    let hash: Digest
    /// AES-256-GCM over salt and event.
    let payload: [UInt8]
    let tokens: [Int64]
    /// What was sealed.
    let event: AuditEvent
}

/// A leaf that has its place, for the indexes and observers in memory.
struct PlacedLeaf: Sendable {
    let index: Int64
    let tokens: [Int64]
    let event: AuditEvent
}

extension AuditKeys {
    /// Seals an event into one or more leaves.
    func seal(_ event: AuditEvent) throws(AuditFailure) -> [SealedLeaf] {
        var leaves: [SealedLeaf] = []
        for part in event.parts() {
            let salted = randomBytes(16) + part.encoded()
            guard let payload = try? payload.seal(salted, boundTo: context) else { throw .sealing }
            var leaf: [UInt8] = [1]
            commitment(salted).append(to: &leaf)
            sha256(payload).append(to: &leaf)
            leaves.append(
                SealedLeaf(
                    leaf: leaf, hash: MerkleHash.leaf(leaf), payload: payload, tokens: tokens(of: part), event: part))
        }
        return leaves
    }

    /// Opens a leaf's payload after checking it against the leaf.
    func open(leaf: [UInt8], payload: [UInt8]) throws(AuditFailure) -> AuditEvent {
        guard leaf.count == 65, leaf[0] == 1, Array(leaf[33...]) == sha256(payload).bytes else { throw .damaged }
        guard let salted = try? self.payload.open(payload, boundTo: context), salted.count > 16 else { throw .damaged }
        // The commitment makes the box key-committing: one ciphertext, one event, whatever key is tried.
        guard Array(leaf[1..<33]) == commitment(salted).bytes, let event = AuditEvent(decoding: Array(salted[16...]))
        else { throw .damaged }
        return event
    }

    /// Tokens of the facets that every event was findable by since the first version.
    func basicTokens(of event: AuditEvent) -> Set<Int64> {
        var tokens: Set = [token(.kind(event.kind)), token(.day(event.day))]
        if let actor = event.actor { tokens.insert(token(.actor(actor.id))) }
        for patient in event.patients { tokens.insert(token(.patient(patient))) }
        for record in event.records { tokens.insert(token(.record(type: record.type, id: record.id))) }
        return tokens
    }

    func tokens(of event: AuditEvent) -> [Int64] {
        var tokens = [token(.kind(event.kind)), token(.day(event.day))]
        if let actor = event.actor {
            tokens.append(token(.actor(actor.id)))
            if let app = actor.app { tokens.append(token(.app(app))) }
        }
        if event.source != .system { tokens.append(token(.address(event.source.address))) }
        if let session = event.session { tokens.append(token(.session(session))) }
        if event.outcome != .success { tokens.append(token(.outcome(event.outcome))) }
        if let subject = event.subject { tokens.append(token(.subject(subject))) }
        if let emergency = event.emergency { tokens.append(token(.emergency(emergency))) }
        if event.spooled != nil { tokens.append(token(.spooled)) }
        for patient in event.patients { tokens.append(token(.patient(patient))) }
        for record in event.records { tokens.append(token(.record(type: record.type, id: record.id))) }
        // A token stands once in a leaf's list, though a transaction may touch a record twice.
        return event.records.count > 1 || event.patients.count > 1 ? Array(Set(tokens)) : tokens
    }

    private func commitment(_ salted: [UInt8]) -> Digest { sha256(Array("ward/event/1".utf8), salted) }
}

extension AuditEvent {
    /// Whether it has a facet; a token only suspects it.
    public func has(_ facet: AuditFacet) -> Bool {
        switch facet {
        case .actor(let id): actor?.id == id
        case .address(let address): source.address == address
        case .app(let app): actor?.app == app
        case .day(let day): self.day == day
        case .emergency(let id): emergency == id
        case .kind(let kind): self.kind == kind
        case .outcome(let outcome): self.outcome == outcome
        case .patient(let id): patients.contains(id)
        case .record(let type, let id): records.contains { $0.type == type && $0.id == id }
        case .session(let number): session == number
        case .spooled: spooled != nil
        case .subject(let id): subject == id
        }
    }

    /// The UTC day, as a facet.
    var day: CalendarDay { CalendarDay(daysSinceEpoch: time.microseconds.floorDivided(by: 86_400_000_000)) }
}

/// Big-endian bytes of an integer.
func withBytes(of value: UInt32) -> [UInt8] {
    [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
}

/// Why the log could not take, find or confirm an event.
public enum AuditFailure: Error, Hashable, Sendable {
    case closed
    /// A stored leaf, tile or checkpoint is not what was written.
    case damaged
    case sealing
    case storage
}
