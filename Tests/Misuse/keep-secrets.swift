// Keys are neither printed nor read out; secret bytes are neither copied nor kept past the loan.
import WardCore
import WardCrypto

func show(_ secret: borrowing SecretBytes) -> String {
    "\(secret)"  // expected-error {{no exact matches in call to instance method 'appendInterpolation'}}
}

func copy(_ secret: borrowing SecretBytes) -> SecretBytes {
    copy secret  // expected-error {{'copy' cannot be applied to noncopyable types}}
}

func keep(_ secret: borrowing SecretBytes) -> Int {
    secret.withBytes { $0 }.byteCount  // expected-error {{instance method 'withBytes' requires that 'RawSpan' conform to 'Escapable'}}
}

func read(_ material: KeyMaterial) {
    _ = material.key  // expected-error {{'key' is inaccessible due to 'internal' protection level}}
}

func encode(_ material: KeyMaterial) -> any Encodable {
    material  // expected-error {{return expression of type 'KeyMaterial' does not conform to 'Encodable'}}
}
