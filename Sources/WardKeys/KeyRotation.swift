import WardCrypto

/// A keyring whose keys are at hand, to exchange one of them.
///
/// Re-wrapping touches the keyring alone: no record is sealed anew, and nothing that runs has to stop. It ends what an
/// old key file, passphrase, module key or recovery code opens, unless somebody kept a copy of the old keyring, too.
public struct OpenKeyring: Sendable {
    public let ring: Keyring
    private let storeID: String
    private let tenant: KeyMaterial
    private let material: KeyMaterial

    /// Opens a keyring by any way in.
    public init(_ ring: Keyring, storeID: String, unlock: Keyring.Unlock) throws(KeyFailure) {
        self.ring = ring
        self.storeID = storeID
        tenant = try ring.tenantKey(storeID, unlock)
        material = try ring.opened(tenant, storeID)
    }

    /// Another root key, reached by `way`: the same kind of way in, or another.
    public func withNewRoot(_ way: Keyring.Unlock, today: Int64) throws(KeyFailure) -> Keyring {
        var changed = ring
        try changed.enter(by: way, with: tenant, storeID)
        changed.made.root = today
        return sealed(changed)
    }

    /// Another tenant key, and with it another root key.
    ///
    /// - Parameter way: how the root key is reached from now on.
    public func withNewTenant(_ way: Keyring.Unlock, today: Int64) throws(KeyFailure) -> Keyring {
        try ring.withFreshTenant(over: material, by: way, storeID: storeID, today: today)
    }

    /// Another recovery code; the printed one ends.
    public func withNewRecovery(_ code: RecoveryCode, today: Int64) throws(KeyFailure) -> Keyring {
        var changed = ring
        try changed.lay(by: code, tenant, storeID)
        changed.made.recovery = today
        return sealed(changed)
    }

    private func sealed(_ ring: Keyring) -> Keyring {
        var ring = ring
        ring.tag = ring.computedTag(material, storeID)
        return ring
    }
}
