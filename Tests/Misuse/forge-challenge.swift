// A challenge that was never sent out proves nothing, and no passkey is made up.
import WardCore
import WardIdentity

func forge() -> PasskeyChallenge {
    PasskeyChallenge(bytes: [], ceremony: .authentication, person: nil, expires: .now())  // expected-error {{'PasskeyChallenge' initializer is inaccessible due to 'internal' protection level}}
}

func rewind(_ passkey: Passkey) -> Passkey {
    passkey.used(signCount: 0, isBackedUp: false, at: .now())  // expected-error {{'used' is inaccessible due to 'internal' protection level}}
}

func read(_ password: Password) {
    password.withText { _ in }  // expected-error {{'withText' is inaccessible due to 'internal' protection level}}
}
