import WardCrypto
import WardFHIR

/// What a page hands to the browser, as JSON (WebAuthn Level 3 §5.1.9, §5.1.10).
public enum PasskeyOptions {
    /// For `navigator.credentials.create`.
    ///
    /// - Parameters:
    ///   - person: the user handle; says nothing about the person (WebAuthn §14.6.1).
    ///   - clinic: as the browser shows it.
    ///   - existing: the person's passkeys, so that a device does not make a second one.
    public static func creation(
        challenge: [UInt8], party: RelyingParty, clinic: String, person: String, loginName: String,
        displayName: String, existing: [Passkey]
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("rp")
        writer.beginObject()
        writer.member("id", party.id)
        writer.member("name", clinic)
        writer.endObject()
        writer.key("user")
        writer.beginObject()
        writer.member("id", base64URL(Array(person.utf8)))
        writer.member("name", loginName)
        writer.member("displayName", displayName)
        writer.endObject()
        writer.member("challenge", base64URL(challenge))
        writer.key("pubKeyCredParams")
        writer.beginArray()
        for algorithm in PasskeyAlgorithm.allCases {
            writer.beginObject()
            writer.member("type", "public-key")
            writer.member("alg", algorithm.rawValue)
            writer.endObject()
        }
        writer.endArray()
        write(&writer, "excludeCredentials", existing)
        writer.key("authenticatorSelection")
        writer.beginObject()
        writer.member("residentKey", "required")
        writer.key("requireResidentKey")
        writer.bool(true)
        writer.member("userVerification", "required")
        writer.endObject()
        writer.member("attestation", "none")
        writer.member("timeout", PasskeyChallenges.lifetime * 1000)
        writer.endObject()
        return writer.bytes
    }

    /// For `navigator.credentials.get`.
    ///
    /// - Parameter allowed: the person's passkeys; empty when the passkey shall tell who signs in.
    public static func request(challenge: [UInt8], party: RelyingParty, allowed: [Passkey]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("challenge", base64URL(challenge))
        writer.member("rpId", party.id)
        write(&writer, "allowCredentials", allowed)
        writer.member("userVerification", "required")
        writer.member("timeout", PasskeyChallenges.lifetime * 1000)
        writer.endObject()
        return writer.bytes
    }

    private static func write(_ writer: inout JSONWriter, _ name: String, _ passkeys: [Passkey]) {
        writer.key(name)
        writer.beginArray()
        for passkey in passkeys {
            writer.beginObject()
            writer.member("type", "public-key")
            writer.member("id", base64URL(passkey.id))
            writer.key("transports")
            writer.beginArray()
            for transport in passkey.transports { writer.string(transport) }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
    }
}
