// Record bytes leave only as a disclosure, and a disclosure only with the receipt of its event.
import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardVault

func disclose(_ records: [DisclosedRecord], _ receipt: AuditReceipt) {
    _ = Disclosure(records: records, receipt: receipt)  // expected-error {{'Disclosure' initializer is inaccessible due to 'internal' protection level}}
}

func release(_ bytes: [UInt8], _ receipt: AuditReceipt) {
    _ = ReleasedBytes(content: bytes, receipt: receipt, isPart2: false)  // expected-error {{'ReleasedBytes' initializer is inaccessible due to 'internal' protection level}}
}

func receipt(_ hash: Digest) {
    _ = AuditReceipt(index: 1, leafHash: hash)  // expected-error {{'AuditReceipt' initializer is inaccessible due to 'internal' protection level}}
}

func answer(_ bytes: [UInt8]) {
    _ = ClinicAnswer.Body.released(bytes)  // expected-error {{cannot convert value of type '[UInt8]' to expected argument type 'ReleasedBytes'}}
}

func peek(_ record: DisclosedRecord, _ vault: Vault) {
    _ = record.json  // expected-error {{'json' is inaccessible due to 'internal' protection level}}
    _ = vault.keys  // expected-error {{'keys' is inaccessible due to 'internal' protection level}}
    _ = vault.store  // expected-error {{'store' is inaccessible due to 'internal' protection level}}
}

func swap(_ disclosure: inout Disclosure, _ receipt: AuditReceipt) {
    disclosure.receipt = receipt  // expected-error {{cannot assign to property: 'receipt' is a 'let' constant}}
}
