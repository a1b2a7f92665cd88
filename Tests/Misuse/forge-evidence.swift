// Refusals, events read back and verifications say what happened; nobody else makes them.
import WardAudit
import WardGate
import WardVault

func forge(_ event: AuditEvent, _ checkpoint: Checkpoint, _ receipt: AuditReceipt) {
    _ = LoggedEvent(index: 1, event: event)  // expected-error {{'LoggedEvent' initializer is inaccessible due to 'internal' protection level}}
    _ = AuditVerification(checkpoint: checkpoint, leaves: 1, faults: [])  // expected-error {{'AuditVerification' initializer is inaccessible due to 'internal' protection level}}
    _ = Committed(receipt: receipt, records: [])  // expected-error {{'Committed' initializer is inaccessible due to 'internal' protection level}}
    _ = Refusal(receipt: receipt, reason: "")  // expected-error {{'Refusal' initializer is inaccessible due to 'internal' protection level}}
}
