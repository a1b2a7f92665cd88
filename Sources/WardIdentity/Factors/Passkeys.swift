public import WardCore
import WardCrypto

/// The two ceremonies of a relying party (W3C Web Authentication; steps as Level 2 §7.1 and §7.2 number them).
///
/// User verification is always required: a passkey is two factors, or it is not taken. Whatever fails, nothing has changed
/// and the challenge is used up.
public enum Passkeys {
    /// Checks a new passkey (§7.1).
    ///
    /// Attestation is not asked for. One that comes is read and not trusted: the model stays hearsay (steps 18 to 21, as for
    /// attestation type None).
    ///
    /// - Parameters:
    ///   - name: as the person calls it.
    ///   - isTaken: whether a credential id belongs to anybody already.
    public static func register(
        _ response: PasskeyRegistration, challenge: consuming PasskeyChallenge, party: RelyingParty, name: String,
        now: Instant, isTaken: ([UInt8]) -> Bool
    ) throws(PasskeyFailure) -> Passkey {
        guard challenge.ceremony == .registration, let person = challenge.person else { throw .wrongCeremony }
        // Steps 5 to 11.
        _ = try ClientData(response.clientData, challenge: challenge, party: party, now: now)
        // Step 12.
        let data = try authenticatorData(response.attestationObject)
        // Steps 13 to 15.
        try data.check(party)
        // Step 16: only algorithms that were asked for can be read. Step 17: no extension was asked for.
        guard let credential = data.credential else { throw .malformedAuthenticatorData }
        guard credential.id == response.id else { throw .wrongCredential }
        // Step 22.
        guard !isTaken(credential.id) else { throw .credentialTaken }
        // Step 23.
        return Passkey(
            id: credential.id, key: credential.key, person: person, name: String(name.prefix(Passkey.longestName)),
            signCount: data.signCount, transports: response.transports, model: credential.model,
            isBackupEligible: data.flags.contains(.backupEligible), isBackedUp: data.flags.contains(.backedUp),
            added: now, lastUsed: nil)
    }

    /// Checks a signature by a passkey (§7.2), and returns the passkey as it has to be kept before anybody is let in.
    public static func verify(
        _ assertion: PasskeyAssertion, passkey: Passkey, challenge: consuming PasskeyChallenge, party: RelyingParty,
        now: Instant
    ) throws(PasskeyFailure) -> Passkey {
        guard challenge.ceremony == .authentication else { throw .wrongCeremony }
        // Steps 5 to 7.
        guard assertion.id == passkey.id else { throw .wrongCredential }
        try checkPerson(assertion, passkey, challenge.person)
        // Steps 9 to 14.
        let client = try ClientData(assertion.clientData, challenge: challenge, party: party, now: now)
        let data = try AuthenticatorData(assertion.authenticatorData)
        // §6.1: an assertion carries no key.
        guard data.credential == nil else { throw .malformedAuthenticatorData }
        // Steps 15 to 17.
        try data.check(party)
        // Level 3 §7.2: a passkey does not change between bound and copied.
        guard data.flags.contains(.backupEligible) == passkey.isBackupEligible else { throw .badBackupFlags }
        // Steps 19 and 20.
        guard passkey.key.isValid(assertion.signature, of: assertion.authenticatorData + client.hash) else {
            throw .badSignature
        }
        // Step 21: a counter that does not grow is a sign of a copied authenticator.
        guard data.signCount > passkey.signCount || data.signCount == 0 && passkey.signCount == 0 else {
            throw .counterNotGrown
        }
        return passkey.used(signCount: data.signCount, isBackedUp: data.flags.contains(.backedUp), at: now)
    }

    /// Step 6: the passkey is the person's, by what the session and by what the authenticator says.
    private static func checkPerson(
        _ assertion: PasskeyAssertion, _ passkey: Passkey, _ person: String?
    ) throws(PasskeyFailure) {
        if let person {
            guard passkey.person == person else { throw .wrongPerson }
        } else {
            guard assertion.userHandle != nil else { throw .wrongPerson }
        }
        if let handle = assertion.userHandle {
            guard handle == passkey.person else { throw .wrongPerson }
        }
    }

    /// §6.5.4: a map of `fmt`, `attStmt` and `authData`, and nothing else.
    private static func authenticatorData(_ object: [UInt8]) throws(PasskeyFailure) -> AuthenticatorData {
        let item: CBOR
        do throws(CBORFailure) { item = try CBOR(object) } catch { throw .cbor(error) }
        guard
            case .map(let members) = item, members.count == 3, case .text(let format)? = item[.text("fmt")],
            case .map(let statement)? = item[.text("attStmt")], case .bytes(let data)? = item[.text("authData")]
        else { throw .malformedAttestation }
        // §8.7: without a format there is no statement.
        guard format != "none" || statement.isEmpty else { throw .malformedAttestation }
        return try AuthenticatorData(data)
    }
}

/// Why a passkey was not taken.
public enum PasskeyFailure: Error, Hashable, Sendable {
    /// Backed up without being able to, or another answer than before.
    case badBackupFlags
    case badSignature
    case cbor(CBORFailure)
    case challengeExpired
    /// A sign of a copied authenticator: to be logged as such.
    case counterNotGrown
    case credentialTaken
    case crossOrigin
    case malformedAttestation
    case malformedAuthenticatorData
    case malformedClientData
    case malformedKey
    case malformedResponse
    case unsupportedAlgorithm
    case userNotPresent
    case userNotVerified
    case wrongCeremony
    case wrongChallenge
    case wrongCredential
    case wrongOrigin
    case wrongPerson
    case wrongRelyingParty
    case wrongType
}
