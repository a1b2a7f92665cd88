import FoundationEssentials
import WardCore
public import WardCrypto

/// A keyring of format 1, as versions before ``Keyring`` of format 2 kept it: key file or passphrase wraps a root key,
/// and that wraps what all keys of the store are derived from.
///
/// It is read, so that a store of that time can be brought to format 2, and never made.
public struct EarlierKeyring: Codable, Sendable {
    public let format: Int
    public let provider: Keyring.Provider
    private let salt: [UInt8]
    private let memoryKiB: UInt32
    private let passes: UInt32
    private let lanes: UInt32
    private let root: [UInt8]
    private let tenant: [UInt8]

    /// - Throws: ``KeyFailure/malformedKeyring`` for anything but a keyring of format 1.
    public init(decoding bytes: [UInt8]) throws(KeyFailure) {
        guard let ring = try? JSONDecoder().decode(EarlierKeyring.self, from: Data(bytes)), ring.format == 1,
            ring.provider != .securityModule
        else { throw .malformedKeyring }
        self = ring
    }

    /// Reaches the material that the store's keys are derived from.
    ///
    /// - Throws: ``KeyFailure/refused`` for a wrong key, ``KeyFailure/notConfigured`` for another way in.
    public func open(storeID: String, unlock: Keyring.Unlock) throws(KeyFailure) -> KeyMaterial {
        let wrapping: KeyMaterial
        switch (unlock, provider) {
        case (.keyFile(let key), .keyFile): wrapping = key
        case (.phrase(let phrase), .passphrase):
            let parameters = Passphrase.Parameters(memoryKiB: memoryKiB, passes: passes, lanes: lanes)
            wrapping = try Passphrase.key(phrase.secret, salt: salt, parameters: parameters)
        default: throw .notConfigured
        }
        guard let root = try? SealingKey(wrapping).unwrap(root, boundTo: Self.context("root", storeID)),
            let material = try? SealingKey(root).unwrap(tenant, boundTo: Self.context("tenant", storeID))
        else { throw .refused }
        return material
    }

    private static func context(_ use: String, _ storeID: String) -> [UInt8] {
        Array("ward/keyring/1 \(use) \(storeID)".utf8)
    }
}
