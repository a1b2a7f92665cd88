import WardAudit
import WardCore
import WardCrypto
import WardPolicy
import WardSQLite
import WardStorage

/// The policy that holds: the built-in one until a clinic adopts its own, which is signed with the store's key, sealed, and
/// named in the log.
///
/// The log says which policy was adopted last, so that an older one put back, or the loss of it, stops the start.
struct PolicyInForce: Sendable {
    let policy: Policy
    private let sealing: SealingKey
    private let signing: SigningKey

    private static let place = Locator(high: 0, low: 1)
    private static let context = Array("ward/policy/1".utf8)

    init(_ store: any SealedStore, _ log: AuditLog, _ tenant: KeyMaterial, _ signing: SigningKey) throws(AuditFailure) {
        sealing = SealingKey(tenant.derived("ward/policy/1"))
        self.signing = signing
        let entry: StoredEntry?
        do throws(StorageFailure) { entry = try store.entry(Self.place, kind: .policy) } catch { throw .storage }
        let adopted = try log.events(with: [.kind(.policyAdopted)], limit: 1).first?.event.decision
        guard let entry else {
            guard adopted == nil else { throw .damaged }
            policy = Policy()
            return
        }
        guard let content = try? sealing.open(entry.sealed, boundTo: Self.context), content.count > 64,
            let policy = try? Policy(
                document: Array(content.dropFirst(64)), signature: Array(content.prefix(64)),
                publicKey: signing.publicKey),
            policy.identification == adopted
        else { throw .damaged }
        self.policy = policy
    }

    /// Puts a document in force from the next start on; the entry and its event are one transaction.
    ///
    /// - Throws: ``PolicyFailure/invalid(_:)`` with every mistake in it.
    func adopt(
        _ document: [UInt8], log: AuditLog, by actor: AuditActor, source: RequestSource
    ) async throws -> String {
        guard let signature = Policy.signature(of: document, with: signing) else {
            throw PolicyFailure.invalid(Policy.check(document))
        }
        let policy = try Policy(document: document, signature: signature, publicKey: signing.publicKey)
        let sealed = try sealing.seal(signature + document, boundTo: Self.context)
        let event = AuditEvent(
            kind: .policyAdopted, time: .now(), outcome: .success, actor: actor, purpose: .systemAdministration,
            source: source, decision: policy.identification)
        _ = try await log.commit(event, entries: [.put(StoredEntry(id: Self.place, sealed: sealed), .policy)])
        return policy.identification
    }
}
