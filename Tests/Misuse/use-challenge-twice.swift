// A passkey challenge is issued by the relying party and checked once; only a ceremony makes a passkey.
import WardCore
import WardIdentity

func twice(
    _ assertion: PasskeyAssertion, _ passkey: Passkey, _ challenge: consuming PasskeyChallenge, _ party: RelyingParty
) throws {  // expected-error@-1 {{'challenge' consumed more than once}}
    _ = try Passkeys.verify(assertion, passkey: passkey, challenge: challenge, party: party, now: .now())  // expected-note {{consumed here}}
    _ = try Passkeys.verify(assertion, passkey: passkey, challenge: challenge, party: party, now: .now())  // expected-note {{consumed again here}}
}
