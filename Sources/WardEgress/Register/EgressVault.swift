import WardAudit
import WardCore
import WardCrypto
import WardStorage

/// Seals what the doors keep in the store: each row opens at its own place only, and its place tells nothing.
struct EgressVault: Sendable {
    private let sealing: SealingKey
    private let locators: MacKey
    private let store: any SealedStore

    init(store: any SealedStore, material: KeyMaterial) {
        sealing = SealingKey(material.derived("ward/egress/1"))
        locators = MacKey(material.derived("ward/egress-id/1"))
        self.store = store
    }

    func all(_ kind: EntryKind) throws(RegisterFault) -> [[UInt8]] {
        let entries: [StoredEntry]
        do throws(StorageFailure) { entries = try store.entries(kind) } catch { throw .storage }
        var opened: [[UInt8]] = []
        for entry in entries {
            guard let bytes = try? sealing.open(entry.sealed, boundTo: context(kind, entry.id)) else { throw .storage }
            opened.append(bytes)
        }
        return opened
    }

    func put(_ content: [UInt8], _ kind: EntryKind, key: String) throws(RegisterFault) -> EntryWrite {
        let id = locator(kind, key)
        guard let sealed = try? sealing.seal(content, boundTo: context(kind, id)) else { throw .storage }
        return .put(StoredEntry(id: id, sealed: sealed), kind)
    }

    func remove(_ kind: EntryKind, key: String) -> EntryWrite { .remove(locator(kind, key), kind) }

    private func locator(_ kind: EntryKind, _ key: String) -> Locator {
        locators.tag(Array("entry/\(kind.rawValue)".utf8), Array(key.utf8)).locator
    }

    private func context(_ kind: EntryKind, _ id: Locator) -> [UInt8] {
        Array("ward/egress-entry/\(kind.rawValue)/".utf8) + id.bytes
    }
}
