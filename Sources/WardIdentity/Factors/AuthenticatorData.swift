import WardCrypto

/// What an authenticator signs beside the client's data (WebAuthn §6.1).
struct AuthenticatorData {
    struct Flags: OptionSet {
        let rawValue: UInt8
        static let userPresent = Flags(rawValue: 1)
        static let userVerified = Flags(rawValue: 1 << 2)
        static let backupEligible = Flags(rawValue: 1 << 3)
        static let backedUp = Flags(rawValue: 1 << 4)
        static let attestedCredential = Flags(rawValue: 1 << 6)
        static let extensions = Flags(rawValue: 1 << 7)
    }

    /// WebAuthn §6.5.1.
    struct AttestedCredential {
        let model: [UInt8]
        let id: [UInt8]
        let key: PasskeyKey
    }

    let relyingPartyHash: [UInt8]
    let flags: Flags
    let signCount: UInt32
    let credential: AttestedCredential?

    /// Reads the data to its last byte.
    init(_ bytes: [UInt8]) throws(PasskeyFailure) {
        guard bytes.count >= 37 else { throw .malformedAuthenticatorData }
        relyingPartyHash = Array(bytes[..<32])
        flags = Flags(rawValue: bytes[32])
        signCount = bytes[33..<37].reduce(0) { $0 << 8 | UInt32($1) }
        var at = 37
        if flags.contains(.attestedCredential) {
            (credential, at) = try Self.attestedCredential(bytes)
        } else {
            credential = nil
        }
        if flags.contains(.extensions) {
            // Read for their form and length; none is asked for, so none is looked at (§7.1 step 17, §7.2 step 18).
            let (extensions, end) = try Self.item(bytes[at...])
            guard case .map = extensions else { throw .malformedAuthenticatorData }
            at = end
        }
        guard at == bytes.count else { throw .malformedAuthenticatorData }
    }

    private static func attestedCredential(
        _ bytes: [UInt8]
    ) throws(PasskeyFailure) -> (credential: AttestedCredential, end: Int) {
        guard bytes.count >= 55 else { throw .malformedAuthenticatorData }
        let length = Int(bytes[53]) << 8 | Int(bytes[54])
        // At most 1023 bytes (§5.8.3, Level 3 §7.1).
        guard (1...1023).contains(length), bytes.count > 55 + length else { throw .malformedAuthenticatorData }
        let end = try item(bytes[(55 + length)...]).end
        let credential = AttestedCredential(
            model: Array(bytes[37..<53]), id: Array(bytes[55..<55 + length]),
            key: try PasskeyKey(Array(bytes[(55 + length)..<end])))
        return (credential, end)
    }

    private static func item(_ bytes: ArraySlice<UInt8>) throws(PasskeyFailure) -> (item: CBOR, end: Int) {
        do throws(CBORFailure) { return try CBOR.prefix(of: bytes) } catch { throw .cbor(error) }
    }

    /// The checks that both ceremonies share: §7.1 steps 13 to 15, §7.2 steps 15 to 17, and Level 3 on the backup flags.
    func check(_ party: RelyingParty) throws(PasskeyFailure) {
        guard constantTimeEquals(relyingPartyHash, sha256(Array(party.id.utf8)).bytes) else {
            throw .wrongRelyingParty
        }
        guard flags.contains(.userPresent) else { throw .userNotPresent }
        guard flags.contains(.userVerified) else { throw .userNotVerified }
        guard flags.contains(.backupEligible) || !flags.contains(.backedUp) else { throw .badBackupFlags }
    }
}
