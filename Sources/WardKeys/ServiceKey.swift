public import WardCrypto

/// What a keyring holds of a root key that a key service in a cloud has wrapped.
///
/// The service wraps an envelope whose key lies in the keyring: whoever has only the service's side has nothing, and
/// neither has whoever has only the keyring.
public struct ServicePlace: Codable, Hashable, Sendable {
    /// SHA-256 of the boot file, which says where the service is.
    public let boot: [UInt8]
    let local: [UInt8]
    /// What the service gave.
    public let sealed: [UInt8]
}

/// The key that opens the root key, as long as it is needed.
public struct ServiceKey: Sendable {
    public let place: ServicePlace
    /// File with what the service is asked with; nil for the service manager's credential.
    public let credentials: String?
    let material: KeyMaterial

    /// A new one, which the service has to wrap.
    public struct Draft: Sendable {
        /// What goes to the service: wrapped already.
        public let wrapped: [UInt8]
        private let local: [UInt8]

        public init(storeID: String) throws(KeyFailure) {
            local = randomBytes(32)
            guard let key = KeyMaterial(local) else { throw .refused }
            do throws(SealFailure) {
                wrapped = try SealingKey(key).wrap(.random(), boundTo: Keyring.context("service", storeID))
            } catch {
                throw .refused
            }
        }

        /// - Parameters:
        ///   - sealed: what the service made of ``wrapped``.
        ///   - boot: SHA-256 of the boot file.
        public func place(sealed: [UInt8], boot: Digest) -> ServicePlace {
            ServicePlace(boot: boot.bytes, local: local, sealed: sealed)
        }
    }

    /// - Parameter wrapped: what the service gave back.
    /// - Throws: ``KeyFailure/refused`` if that is not what belongs to the place.
    public init(
        _ place: ServicePlace, wrapped: [UInt8], storeID: String, credentials: String?
    ) throws(KeyFailure) {
        guard let local = KeyMaterial(place.local) else { throw .malformedKeyring }
        do throws(SealFailure) {
            material = try SealingKey(local).unwrap(wrapped, boundTo: Keyring.context("service", storeID))
        } catch {
            throw .refused
        }
        (self.place, self.credentials) = (place, credentials)
    }
}

extension ServicePlace: SilentKey {}
extension ServiceKey: SilentKey {}
extension ServiceKey.Draft: SilentKey {}

extension Keyring {
    /// Whether the service still opens what it has wrapped.
    public func prove(_ key: ServiceKey, storeID: String) throws(KeyFailure) {
        _ = try tenantKey(storeID, .keyService(key))
    }
}
