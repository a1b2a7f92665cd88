import Synchronization
import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardKeys
import WardSQLite
import WardStorage

/// The keyring of an opened store, and whether the security module or key service that holds its root key
/// still answers.
///
/// The keyring is an entry of the store, so that the log accounts for every change of it, and an older one put back
/// stops the start.
final class StoreKeys: Sendable {
    private let store: any SealedStore
    let storeID: String
    let module: LockedModule
    private let broker: EgressBroker
    private let asked: Mutex<Asked>
    let changes = Turnstile()

    static let place = Locator(high: 0, low: 3)

    /// How a key service is asked; its connection is kept from one time to the next.
    private struct Asked {
        var credentials: String?
        var service: (boot: Digest, service: KeyManagementService)?
    }

    init(store: any SealedStore, storeID: String, way: Keyring.Unlock?, broker: EgressBroker) {
        self.store = store
        self.storeID = storeID
        self.broker = broker
        module = LockedModule()
        module.hold(way)
        asked = Mutex(Asked(credentials: way?.credentials))
    }

    /// The keyring of a store, which needs no key to be read.
    static func ring(of store: any SealedStore) throws -> Keyring {
        guard let entry = try store.entry(place, kind: .keyring) else {
            if try earlierRing(of: store) != nil {
                throw CommandFailure("an earlier version of ward wrote this store; bring it to this one: ward upgrade")
            }
            throw CommandFailure(
                "the store has no keyring: its making was interrupted, or somebody took it away; restore it from a backup"
            )
        }
        do throws(KeyFailure) { return try Keyring(decoding: entry.sealed) } catch { throw CommandFailure(error.text) }
    }

    /// The keyring of an earlier version; nil where there is none, or it was brought to this one.
    static func earlierRing(of store: any SealedStore) throws -> [UInt8]? {
        try store.metadata(.keyring).flatMap { $0.isEmpty ? nil : $0 }
    }

    func ring() throws -> Keyring { try Self.ring(of: store) }

    /// How a keyring is kept.
    static func entry(_ ring: Keyring) throws(KeyFailure) -> EntryWrite {
        .put(StoredEntry(id: place, sealed: try ring.encoded()), .keyring)
    }

    /// Puts another keyring in force, with the event that tells of it.
    func adopt(_ ring: Keyring, way: Keyring.Unlock, _ event: AuditEvent, _ log: AuditLog) async throws {
        _ = try await log.commit(event, entries: [try Self.entry(ring)])
        module.hold(way)
        asked.withLock { $0 = Asked(credentials: way.credentials) }
    }

    /// Whether a keyring is in force, or could be: a commit whose outcome nobody told may stand on the disk.
    func mayBeInForce(_ ring: Keyring) -> Bool {
        guard let now = try? self.ring().encoded(), let asked = try? ring.encoded() else { return true }
        return now == asked
    }

    /// Whether the way to the root key stands: always, where no module holds it.
    var areHeld: Bool { module.isHeld }

    /// Whether that changed since this was asked last.
    func isNews() -> Bool { module.isNews() }

    /// Whether a key service holds the way to the root key.
    var areAtService: Bool { module.isService }

    /// File with what the key service is asked with.
    var credentials: String? { asked.withLock { $0.credentials } }

    func service(_ boot: BootFile) -> KeyManagementService {
        asked.withLock { asked in
            if let known = asked.service, known.boot == boot.digest { return known.service }
            let service = KeyManagementService(
                broker: broker, destination: boot.destination, key: boot.key,
                credentials: KeyServiceAccess.source(asked.credentials))
            asked.service = (boot.digest, service)
            return service
        }
    }

    /// Asks the module for the tenant key, if there is a module; this may take as long as the module likes.
    func look() {
        guard let (held, turn) = module.asked else { return }
        do {
            try ring().prove(held, storeID: storeID)
            module.note(true, of: turn)
        } catch {
            let failure = error as? KeyFailure
            // A PIN that was changed at the module: every further try brings it nearer to locking the token.
            module.note(false, of: turn, isFinal: failure == .wrongPIN || failure == .lockedPIN)
        }
    }
}

extension Keyring.Unlock {
    fileprivate var credentials: String? {
        if case .keyService(let key) = self { return key.credentials }
        return nil
    }
}
