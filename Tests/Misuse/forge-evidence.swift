// Refusals and verifications say what happened; nobody else makes them.
import WardAudit
import WardGate
import WardVault

func forge(_ checkpoint: Checkpoint, _ receipt: AuditReceipt) {
    _ = AuditVerification(checkpoint: checkpoint, leaves: 1, pruned: 0, faults: [])  // expected-error {{'AuditVerification' initializer is inaccessible due to 'internal' protection level}}
    _ = Committed(receipt: receipt, records: [])  // expected-error {{'Committed' initializer is inaccessible due to 'internal' protection level}}
    _ = Refusal(receipt: receipt, reason: "")  // expected-error {{'Refusal' initializer is inaccessible due to 'internal' protection level}}
}
