import WardAudit
import WardCore
import WardCrypto
import WardStorage

/// Seals what identity keeps in the store: people, credentials, sessions, one-time links.
///
/// Locators are keyed, so that the rows tell nothing about names; each row opens at its own place only.
struct EntryVault: Sendable {
    private let sealing: SealingKey
    private let locators: MacKey
    private let store: any SealedStore

    init(store: any SealedStore, material: KeyMaterial) {
        sealing = SealingKey(material.derived("ward/people/1"))
        locators = MacKey(material.derived("ward/people-id/1"))
        self.store = store
    }

    func locator(_ kind: EntryKind, _ key: [UInt8]) -> Locator {
        locators.tag(Array("entry/\(kind.rawValue)".utf8), key).locator
    }

    /// Opens every entry of a kind.
    func all(_ kind: EntryKind) throws(IdentityFailure) -> [[UInt8]] {
        let entries: [StoredEntry]
        do throws(StorageFailure) { entries = try store.entries(kind) } catch { throw .storage }
        var opened: [[UInt8]] = []
        for entry in entries {
            guard let bytes = try? sealing.open(entry.sealed, boundTo: context(kind, entry.id)) else { throw .storage }
            opened.append(bytes)
        }
        return opened
    }

    func put(_ content: [UInt8], _ kind: EntryKind, key: [UInt8]) throws(IdentityFailure) -> EntryWrite {
        let id = locator(kind, key)
        guard let sealed = try? sealing.seal(content, boundTo: context(kind, id)) else { throw .storage }
        return .put(StoredEntry(id: id, sealed: sealed), kind)
    }

    /// Makes changes and their event durable in one transaction.
    func commit(_ event: AuditEvent, to log: AuditLog, _ writes: [EntryWrite]) async throws(IdentityFailure) {
        do throws(SubmissionFailure) {
            _ = try await log.commit(event, entries: writes)
        } catch {
            throw .auditUnavailable
        }
    }

    private func context(_ kind: EntryKind, _ id: Locator) -> [UInt8] {
        Array("ward/entry/\(kind.rawValue)/".utf8) + id.bytes
    }
}
