// A policy that nobody signed answers questions and opens nothing.
import WardAudit
import WardGate
import WardPolicy

func hold(_ draft: PolicyDraft, _ document: [UInt8], _ log: AuditLog) {
    _ = Gate(policy: draft, log: log)  // expected-error {{cannot convert value of type 'PolicyDraft' to expected argument type 'Policy'}}
    _ = draft.policy  // expected-error {{'policy' is inaccessible due to 'internal' protection level}}
    _ = try? Policy(trusting: document)  // expected-error {{argument passed to call that takes no arguments}}
}
