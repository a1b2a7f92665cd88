import WardCore
public import WardCrypto

extension Keyring {
    /// A keyring for whoever has the material at hand and no other way in: a standby that is promoted.
    ///
    /// Root and tenant key are new, so that no way in of the machine of before opens it; the recovery code stays.
    public func taken(
        over material: KeyMaterial, by way: Unlock, storeID: String, today: Int64
    ) throws(KeyFailure) -> Keyring {
        guard constantTimeEquals(tag, computedTag(material, storeID)) else { throw .refused }
        return try withFreshTenant(over: material, by: way, storeID: storeID, today: today)
    }

    /// Another root and another tenant key over the same material, sealed.
    func withFreshTenant(
        over material: KeyMaterial, by way: Unlock, storeID: String, today: Int64
    ) throws(KeyFailure) -> Keyring {
        let fresh = KeyMaterial.random()
        var changed = self
        try changed.enter(by: way, with: fresh, storeID)
        try changed.wrap(material, under: fresh, storeID)
        try changed.lay(fresh, storeID)
        (changed.made.root, changed.made.tenant) = (today, today)
        changed.tag = changed.computedTag(material, storeID)
        return changed
    }
}
