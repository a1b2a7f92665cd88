import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardFHIR
import WardKeys
import WardPolicy
import WardSQLite
import WardServer
import WardStorage

/// How the server was started, as the log tells of changes of it (45 CFR 164.312(b)): names and values, never a secret.
struct EffectiveConfiguration: Hashable {
    /// By name; ascending.
    let values: [(name: String, value: String)]

    static func == (left: Self, right: Self) -> Bool {
        left.values.elementsEqual(right.values) { $0.name == $1.name && $0.value == $1.value }
    }

    func hash(into hasher: inout Hasher) {
        for (name, value) in values {
            hasher.combine(name)
            hasher.combine(value)
        }
    }

    init(_ values: [String: String]) {
        self.values = values.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    }

    /// What is in force in a server that starts now.
    init(_ house: House, _ settings: ServerSettings, _ listen: ListenOptions, isMemoryLocked: Bool, backup: String?)
        throws
    {
        let witnesses = house.log.witnessPolicy
        let keyring = try house.keys.ring()
        self.init([
            "admin-listen": settings.office.map { "\($0.host):\($0.port)" } ?? "none",
            "access-log": settings.logsAllRequests ? "on" : "off",
            "backup": backup ?? "none",
            "certificate": listen.tlsCertificate.map { "own: \($0)" } ?? "of the local authority",
            "events-kept": "\(try house.log.retentionYears()) years",
            "hosts": settings.names.joined(separator: " "),
            "http2": settings.offersHTTP2 ? "on" : "off",
            "keys": keyring.provider.rawValue,
            "kind": settings.isDemo ? "demo" : "real",
            "listen": "\(settings.host):\(settings.port)",
            "maximum-body": "\(settings.largestBody >> 20) MiB",
            "memory-locked": isMemoryLocked ? "yes" : "no",
            "metrics-listen": settings.metrics.map { "\($0.host):\($0.port)" } ?? "none",
            "module-grace": "\(listen.moduleGrace) s",
            "policy": house.adopted.policy.identification,
            "proxies": settings.proxies.isEmpty ? "none" : settings.proxies.sorted().joined(separator: " "),
            "standby": house.standby?.words ?? "none",
            "software": Clinic.softwareVersion,
            "witnesses": witnesses.witnesses.isEmpty
                ? "none"
                : "\(witnesses.quorum) of \(witnesses.witnesses.map(\.name).joined(separator: " "))",
        ])
    }

    /// What is different from `earlier`, one line each; of a first configuration every value.
    func changes(since earlier: EffectiveConfiguration?) -> [String] {
        let old = Dictionary((earlier?.values ?? []).map { ($0.name, $0.value) }) { $1 }
        let new = Dictionary(values.map { ($0.name, $0.value) }) { $1 }
        return Set(old.keys).union(new.keys).sorted().compactMap { name in
            switch (old[name], new[name]) {
            case (let before?, let after?):
                before == after ? nil : "\(name): \(Self.shown(before)) -> \(Self.shown(after))"
            case (nil, let after?):
                earlier == nil ? "\(name): \(Self.shown(after))" : "\(name): unknown -> \(Self.shown(after))"
            case (let before?, nil): "\(name): \(Self.shown(before)) -> no such setting"
            case (nil, nil): nil
            }
        }
    }

    /// A list of names can be long; what is cut says so, and two that differ only behind the cut are told by a hash.
    private static func shown(_ value: String) -> String {
        let text = visibleText(value)
        guard text.utf8.count > 400 else { return text }
        return "\(text.prefix(200))… (sha256 \(hex(Array(sha256(Array(value.utf8)).bytes.prefix(8)))))"
    }

    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value) in values { writer.member(name, value) }
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard let root = (try? JSONTape(parsing: bytes))?.root else { return nil }
        self.init(Dictionary(root.members.map { ($0.key, $0.value.string ?? "") }) { $1 })
    }
}

/// The configuration of the last start, sealed; an event tells how it changed, in one transaction with it.
struct SealedConfiguration: Sendable {
    let store: any SealedStore
    let key: SealingKey
    private static let context = Array("ward/configuration/1".utf8)
    private static let place = Locator(high: 0, low: 3)

    /// Puts what is in force into the log, where it is not what it was at the last start.
    func note(_ configuration: EffectiveConfiguration, _ log: AuditLog) async throws {
        var earlier: EffectiveConfiguration?
        if let entry = try store.entry(Self.place, kind: .serverConfiguration) {
            earlier = EffectiveConfiguration(decoding: try key.open(entry.sealed, boundTo: Self.context))
        }
        guard configuration != earlier else { return }
        let changes = configuration.changes(since: earlier)
        let sealed = try key.seal(configuration.encoded(), boundTo: Self.context)
        let event = AuditEvent.system(
            .configurationChanged,
            decision: (earlier == nil ? "first: " : "") + changes.joined(separator: "; "))
        _ = try await log.commit(
            event, entries: [.put(StoredEntry(id: Self.place, sealed: sealed), .serverConfiguration)])
    }
}
