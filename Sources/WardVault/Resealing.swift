public import WardCore
import WardCrypto
import WardFHIR
import WardStorage

/// How far an exchange of patients' keys is, or how the last one ended; an entry of the store, sealed.
public struct Resealing: Hashable, Sendable {
    public enum Phase: String, Sendable {
        /// Every patient gets another key beside the one there is.
        case keys
        /// What the earlier keys sealed is sealed under the new ones.
        case records
        /// The earlier keys go.
        case ending
        case done
    }

    /// Whose key alone is exchanged; nil for those of all.
    public let patient: String?
    public let started: Instant
    /// Name of who began it.
    public let by: String
    public internal(set) var phase = Phase.keys
    /// Up to which stored version it has come.
    public internal(set) var position: Int64 = 0
    /// Versions that were sealed anew.
    public internal(set) var resealed: Int64 = 0
    /// Record numbers of versions that did not open, and stay as they are; at most ``mostFaults``.
    public internal(set) var faults: [Int64] = []
    /// How many patients' keys did not open, and stay as they are.
    public internal(set) var keyFaults: Int64 = 0
    /// Whether every earlier key stays, since a version that does not open may be anybody's.
    public internal(set) var keepsAll = false
    /// What the log calls them, once it has ended.
    public internal(set) var names: [String] = []
    public internal(set) var ended: Instant?

    /// With so many faults it looks on and keeps every earlier key.
    public static let mostFaults = 1000

    public var isUnfinished: Bool { phase != .done }

    public var hasFaults: Bool { !faults.isEmpty || keyFaults > 0 }

    init(patient: String?, started: Instant, by: String) {
        self.patient = patient
        self.started = started
        self.by = by
    }

    // MARK: Entry

    static let place = Locator(high: 0, low: 64)

    func entry(_ keys: VaultKeys) -> StoredEntry? {
        var writer = JSONWriter()
        writer.beginObject()
        if let patient { writer.member("patient", patient) }
        writer.member("started", started.microseconds)
        writer.member("by", by)
        writer.member("phase", phase.rawValue)
        writer.member("position", position)
        writer.member("resealed", resealed)
        writer.key("faults")
        writer.beginArray()
        for fault in faults { writer.number(fault) }
        writer.endArray()
        writer.member("keyFaults", keyFaults)
        writer.key("keepsAll")
        writer.bool(keepsAll)
        writer.key("names")
        writer.beginArray()
        for name in names { writer.string(name) }
        writer.endArray()
        if let ended { writer.member("ended", ended.microseconds) }
        writer.endObject()
        return (try? keys.resealing.seal(writer.bytes, boundTo: Self.context(keys)))
            .map { StoredEntry(id: Self.place, sealed: $0) }
    }

    /// Nil for what is not such an entry of this store.
    init?(_ entry: StoredEntry, _ keys: VaultKeys) {
        guard
            let content = try? keys.resealing.open(entry.sealed, boundTo: Self.context(keys)),
            let root = (try? JSONTape(parsing: content))?.root, let started = root["started"]?.integer,
            let by = root["by"]?.string, let phase = root["phase"]?.string.flatMap(Phase.init(rawValue:)),
            let position = root["position"]?.integer, let resealed = root["resealed"]?.integer
        else { return nil }
        self.init(patient: root["patient"]?.string, started: Instant(microseconds: started), by: by)
        (self.phase, self.position, self.resealed) = (phase, position, resealed)
        faults = (root["faults"]?.elements ?? []).compactMap(\.integer)
        keyFaults = root["keyFaults"]?.integer ?? 0
        keepsAll = root["keepsAll"]?.kind == .true
        names = (root["names"]?.elements ?? []).compactMap(\.string)
        ended = (root["ended"]?.integer).map { Instant(microseconds: $0) }
    }

    private static func context(_ keys: VaultKeys) -> [UInt8] {
        Array("ward/resealing/1".utf8) + bigEndian(Int64(keys.tenant.number))
    }
}

/// Why patients' keys are not exchanged.
public enum ResealFailure: Error, Hashable, Sendable {
    /// The key of this patient was destroyed.
    case destroyed
    /// The log cannot be written; it goes on from where it is.
    case log
    /// Another exchange has not ended, or runs in this process.
    case unfinished
    /// The store has no key of this patient.
    case unknownPatient
    case vault(VaultFailure)
}
