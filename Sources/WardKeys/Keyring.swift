import FoundationEssentials
public import WardCore
public import WardCrypto

/// How a store's keys are reached; everything in it is wrapped, so that it may lie in the store.
///
/// The way in (key file, passphrase, security module) opens the root key, or holds it; the root key wraps the tenant
/// key, the tenant key wraps the material that all keys of the store are derived from. The tenant key is also sealed to
/// the public half of the recovery code, so that root and tenant keys can be exchanged without the code at hand.
public struct Keyring: Codable, Sendable {
    /// The everyday way in.
    public enum Provider: String, Codable, Sendable {
        case keyFile = "key-file"
        case keyService = "aws-kms"
        case passphrase
        case securityModule = "security-module"
    }

    public let format: Int
    public internal(set) var provider: Provider
    /// Where the root key lies, if a module holds it.
    public internal(set) var place: TokenPlace?
    /// What a key service wrapped, if one opens the root key.
    public internal(set) var service: ServicePlace?
    var stretching: Stretching?
    /// The root key under the way in; empty where a module holds it.
    var root: [UInt8]
    /// The tenant key under the root key.
    var tenant: [UInt8]
    /// What all keys are derived from, under the tenant key.
    var material: [UInt8]
    /// The public half of the recovery code.
    var recipient: [UInt8]
    /// The tenant key, sealed to it.
    var recovery: [UInt8]
    /// When the root key, the tenant key and the recovery code were made.
    public internal(set) var made: Ages
    /// A MAC over all of the above with a key under the material: nobody without the keys can swap a part.
    var tag: [UInt8]

    /// Salt and costs of a passphrase.
    struct Stretching: Codable, Sendable {
        let salt: [UInt8]
        let memoryKiB, passes, lanes: UInt32
    }

    /// Days since 1970-01-01 UTC.
    public struct Ages: Codable, Hashable, Sendable {
        public internal(set) var root, tenant, recovery: Int64
    }

    /// Where the key comes from that opens or holds the root key.
    public enum Unlock: Sendable {
        case keyFile(KeyMaterial)
        case keyService(ServiceKey)
        case phrase(HeldSecret)
        case securityModule(SecurityModule)
        case recovery(RecoveryCode)

        public static func passphrase(_ phrase: consuming SecretBytes) -> Unlock { .phrase(HeldSecret(phrase)) }
    }

    /// Makes the keys of a new store.
    ///
    /// - Parameter material: that of a store which was restored from a backup; by default a new one.
    /// - Returns: the keyring, and the material that its keys are derived from.
    public static func create(
        storeID: String, unlock: Unlock, recovery: RecoveryCode, today: Int64,
        material: KeyMaterial = .random()
    ) throws(KeyFailure) -> (keyring: Keyring, material: KeyMaterial) {
        let tenant = KeyMaterial.random()
        var ring = Keyring(
            format: current, provider: .keyFile, root: [], tenant: [], material: [], recipient: [], recovery: [],
            made: Ages(root: today, tenant: today, recovery: today), tag: [])
        try ring.enter(by: unlock, with: tenant, storeID)
        try ring.wrap(material, under: tenant, storeID)
        try ring.lay(by: recovery, tenant, storeID)
        ring.tag = ring.computedTag(material, storeID)
        return (ring, material)
    }

    /// Reaches the material that the store's keys are derived from.
    ///
    /// - Throws: ``KeyFailure/refused`` for a wrong key, ``KeyFailure/malformedKeyring`` for a ring of several.
    public func open(storeID: String, unlock: Unlock) throws(KeyFailure) -> KeyMaterial {
        let tenant = try tenantKey(storeID, unlock)
        return try opened(tenant, storeID)
    }

    func opened(_ tenant: KeyMaterial, _ storeID: String) throws(KeyFailure) -> KeyMaterial {
        let material: KeyMaterial
        do throws(SealFailure) {
            material = try SealingKey(tenant).unwrap(self.material, boundTo: Self.context("material", storeID))
        } catch {
            throw .refused
        }
        guard constantTimeEquals(tag, computedTag(material, storeID)) else { throw .malformedKeyring }
        return material
    }

    /// Whether the security module still holds the root key: opens the tenant key, and forgets it.
    public func prove(_ module: SecurityModule, storeID: String) throws(KeyFailure) {
        _ = try module.unwrap(tenant, boundTo: Self.context("tenant", storeID))
    }

    func tenantKey(_ storeID: String, _ unlock: Unlock) throws(KeyFailure) -> KeyMaterial {
        if case .recovery(let code) = unlock {
            let context = Self.context("recovery", storeID)
            guard let key = try? code.pair?.unwrap(recovery, boundTo: context) else { throw .refused }
            return key
        }
        let context = Self.context("tenant", storeID)
        if case .securityModule(let module) = unlock {
            guard provider == .securityModule else { throw .notConfigured }
            return try module.unwrap(tenant, boundTo: context)
        }
        let root = try rootKey(storeID, unlock)
        guard let key = try? SealingKey(root).unwrap(tenant, boundTo: context) else { throw .refused }
        return key
    }

    private func rootKey(_ storeID: String, _ unlock: Unlock) throws(KeyFailure) -> KeyMaterial {
        let wrapping: KeyMaterial
        switch unlock {
        case .keyFile(let key):
            guard provider == .keyFile else { throw .notConfigured }
            wrapping = key
        case .keyService(let key):
            guard provider == .keyService, service == key.place else { throw .notConfigured }
            wrapping = key.material
        case .phrase(let phrase):
            guard provider == .passphrase, let stretching else { throw .notConfigured }
            let parameters = Passphrase.Parameters(
                memoryKiB: stretching.memoryKiB, passes: stretching.passes, lanes: stretching.lanes)
            wrapping = try Passphrase.key(phrase.secret, salt: stretching.salt, parameters: parameters)
        case .recovery, .securityModule: throw .notConfigured
        }
        guard let key = try? SealingKey(wrapping).unwrap(root, boundTo: Self.context("root", storeID)) else {
            throw .refused
        }
        return key
    }

    // MARK: Wrapping

    /// Wraps the tenant key under a fresh root key, and that under the way in.
    mutating func enter(
        by way: Unlock, with tenant: KeyMaterial, _ storeID: String
    ) throws(KeyFailure) {
        let context = Self.context("tenant", storeID)
        (place, service, stretching, root) = (nil, nil, nil, [])
        let wrapping: KeyMaterial
        switch way {
        case .securityModule(let module):
            (provider, place) = (.securityModule, module.place)
            self.tenant = try module.wrap(tenant, boundTo: context)
            return
        case .keyFile(let key): (provider, wrapping) = (.keyFile, key)
        case .keyService(let key): (provider, service, wrapping) = (.keyService, key.place, key.material)
        case .phrase(let phrase):
            guard Passphrase.isLongEnough(phrase.secret) else { throw .tooShortPassphrase }
            let (costs, salt) = (Passphrase.Parameters.standard, randomBytes(16))
            stretching = Stretching(salt: salt, memoryKiB: costs.memoryKiB, passes: costs.passes, lanes: costs.lanes)
            (provider, wrapping) = (.passphrase, try Passphrase.key(phrase.secret, salt: salt, parameters: costs))
        case .recovery: throw .notConfigured
        }
        let fresh = KeyMaterial.random()
        do throws(SealFailure) {
            root = try SealingKey(wrapping).wrap(fresh, boundTo: Self.context("root", storeID))
            self.tenant = try SealingKey(fresh).wrap(tenant, boundTo: context)
        } catch {
            throw .malformedKeyring
        }
    }

    mutating func wrap(_ material: KeyMaterial, under tenant: KeyMaterial, _ storeID: String) throws(KeyFailure) {
        do throws(SealFailure) {
            self.material = try SealingKey(tenant).wrap(material, boundTo: Self.context("material", storeID))
        } catch {
            throw .malformedKeyring
        }
    }

    /// Seals the tenant key to a recovery code.
    mutating func lay(by code: RecoveryCode, _ tenant: KeyMaterial, _ storeID: String) throws(KeyFailure) {
        guard let pair = code.pair else { throw .malformedKeyring }
        recipient = pair.recipient.bytes
        try lay(tenant, storeID)
    }

    /// Seals the tenant key to the recovery code that there is.
    mutating func lay(_ tenant: KeyMaterial, _ storeID: String) throws(KeyFailure) {
        guard let recipient = RecoveryRecipient(bytes: recipient) else { throw .malformedKeyring }
        do throws(SealFailure) {
            recovery = try recipient.wrap(tenant, boundTo: Self.context("recovery", storeID))
        } catch {
            throw .malformedKeyring
        }
    }

    func computedTag(_ material: KeyMaterial, _ storeID: String) -> [UInt8] {
        let ages = "\(format) \(made.root) \(made.tenant) \(made.recovery) \(storeID)"
        let place = place.map { "\($0.library)\u{0}\($0.token)\u{0}\($0.key)" } ?? ""
        let costs = stretching.map { "\($0.memoryKiB) \($0.passes) \($0.lanes)" } ?? ""
        // Absent where there is none, so that keyrings of before stay what they are.
        let service = service.map { [$0.boot, $0.local, $0.sealed] } ?? []
        let parts =
            [
                Array(ages.utf8), Array(provider.rawValue.utf8), Array(place.utf8), stretching?.salt ?? [],
                Array(costs.utf8), root, tenant, self.material, recipient, recovery,
            ] + service
        let key = MacKey(material.derived("ward/keyring-tag/1"))
        return key.tag(ofWhole: parts.flatMap { part in bigEndian(part.count) + part }).bytes
    }

    private func bigEndian(_ count: Int) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) }
    }

    static func context(_ use: String, _ storeID: String) -> [UInt8] {
        Array("ward/keyring/2 \(use) \(storeID)".utf8)
    }

}

extension Keyring {
    /// JSON for the store.
    public func encoded() throws(KeyFailure) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(self) else { throw .malformedKeyring }
        return Array(data)
    }

    public init(decoding bytes: [UInt8]) throws(KeyFailure) {
        if let format = Self.format(of: bytes), format > Self.current { throw .newerKeyring }
        guard let keyring = try? JSONDecoder().decode(Keyring.self, from: Data(bytes)), keyring.format == Self.current
        else { throw .malformedKeyring }
        self = keyring
    }

    /// Format that this version makes.
    public static let current = 2

    /// The format that stored bytes say they have; nil for none.
    public static func format(of bytes: [UInt8]) -> Int? {
        (try? JSONDecoder().decode(Start.self, from: Data(bytes)))?.format
    }

    // Not inside the function: inlined into another module, a release build would not find it.
    private struct Start: Codable {
        let format: Int
    }
}
