import FoundationEssentials
public import WardCore
public import WardCrypto

/// How a store's root key is reached, and the tenant key under it.
///
/// Everything in it is wrapped; it may lie in the store.
///
/// A random root key is wrapped once for each way in: key file or passphrase, and the recovery code.
public struct Keyring: Codable, Sendable {
    /// The everyday way in.
    public enum Provider: String, Codable, Sendable {
        case keyFile = "key-file"
        case passphrase
    }

    public let format: Int
    public private(set) var provider: Provider
    private var salt: [UInt8]
    private var memoryKiB: UInt32
    private var passes: UInt32
    private var lanes: UInt32
    private var root: [UInt8]
    private let recoveryRoot: [UInt8]
    private let tenant: [UInt8]

    /// Where the wrapping key comes from when the store is opened.
    public enum Unlock: ~Copyable {
        case keyFile(KeyMaterial)
        case passphrase(SecretBytes)
        case recovery(RecoveryCode)
    }

    /// Makes root and tenant keys for a new store.
    ///
    /// - Parameter tenant: that of a store which was restored from a backup; by default a new one.
    public static func create(
        storeID: String, unlock: consuming Unlock, recovery: RecoveryCode, tenant: KeyMaterial = .random()
    ) throws(KeyFailure) -> (keyring: Keyring, tenant: KeyMaterial) {
        let root = KeyMaterial.random()
        let parameters = Passphrase.Parameters.standard
        let salt = randomBytes(16)
        let provider: Provider
        let wrapping: KeyMaterial
        switch consume unlock {
        case .keyFile(let key): (provider, wrapping) = (.keyFile, key)
        case .passphrase(let phrase):
            guard Passphrase.isLongEnough(phrase) else { throw .tooShortPassphrase }
            (provider, wrapping) = (.passphrase, try Passphrase.key(phrase, salt: salt, parameters: parameters))
        case .recovery: throw .notConfigured
        }
        do {
            let keyring = Keyring(
                format: 1, provider: provider, salt: salt, memoryKiB: parameters.memoryKiB, passes: parameters.passes,
                lanes: parameters.lanes, root: try SealingKey(wrapping).wrap(root, boundTo: context("root", storeID)),
                recoveryRoot: try SealingKey(recovery.key).wrap(root, boundTo: context("recovery", storeID)),
                tenant: try SealingKey(root).wrap(tenant, boundTo: context("tenant", storeID)))
            return (keyring, tenant)
        } catch {
            throw .malformedKeyring
        }
    }

    /// Reaches the tenant key.
    public func open(storeID: String, unlock: consuming Unlock) throws(KeyFailure) -> KeyMaterial {
        let root = try rootKey(storeID: storeID, unlock: unlock)
        guard let tenant = try? SealingKey(root).unwrap(tenant, boundTo: Self.context("tenant", storeID)) else {
            throw .refused
        }
        return tenant
    }

    /// The same keyring with another key file, opened by the recovery code.
    public func rewrapped(
        storeID: String, recovery: RecoveryCode, keyFile: KeyMaterial
    ) throws(KeyFailure) -> Keyring {
        let root = try rootKey(storeID: storeID, unlock: .recovery(recovery))
        var changed = self
        guard let wrapped = try? SealingKey(keyFile).wrap(root, boundTo: Self.context("root", storeID)) else {
            throw .malformedKeyring
        }
        changed.provider = .keyFile
        changed.root = wrapped
        return changed
    }

    private func rootKey(storeID: String, unlock: consuming Unlock) throws(KeyFailure) -> KeyMaterial {
        let wrapping: KeyMaterial
        var (wrapped, use) = (root, "root")
        switch consume unlock {
        case .keyFile(let key):
            guard provider == .keyFile else { throw .notConfigured }
            wrapping = key
        case .passphrase(let phrase):
            guard provider == .passphrase else { throw .notConfigured }
            let parameters = Passphrase.Parameters(memoryKiB: memoryKiB, passes: passes, lanes: lanes)
            wrapping = try Passphrase.key(phrase, salt: salt, parameters: parameters)
        case .recovery(let code):
            (wrapped, use) = (recoveryRoot, "recovery")
            wrapping = code.key
        }
        guard let root = try? SealingKey(wrapping).unwrap(wrapped, boundTo: Self.context(use, storeID)) else {
            throw .refused
        }
        return root
    }

    private static func context(_ use: String, _ storeID: String) -> [UInt8] {
        Array("ward/keyring/1 \(use) \(storeID)".utf8)
    }

    /// JSON for the store.
    public func encoded() throws(KeyFailure) -> [UInt8] {
        guard let data = try? JSONEncoder().encode(self) else { throw .malformedKeyring }
        return Array(data)
    }

    public init(decoding bytes: [UInt8]) throws(KeyFailure) {
        guard let keyring = try? JSONDecoder().decode(Keyring.self, from: Data(bytes)), keyring.format == 1 else {
            throw .malformedKeyring
        }
        self = keyring
    }

    private init(
        format: Int, provider: Provider, salt: [UInt8], memoryKiB: UInt32, passes: UInt32, lanes: UInt32, root: [UInt8],
        recoveryRoot: [UInt8], tenant: [UInt8]
    ) {
        self.format = format
        self.provider = provider
        self.salt = salt
        self.memoryKiB = memoryKiB
        self.passes = passes
        self.lanes = lanes
        self.root = root
        self.recoveryRoot = recoveryRoot
        self.tenant = tenant
    }
}
