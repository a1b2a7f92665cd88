internal import Crypto
internal import FoundationEssentials

/// AES-256-GCM over one envelope format; whoever opens must name what the box is bound to.
///
/// Envelope: format (1 byte, 1), algorithm (1 byte, 1 = AES-256-GCM, random 96-bit nonce), nonce (12), ciphertext,
/// tag (16). Random nonces are sound up to 2^32 seals a key (NIST SP 800-38D §8.3); a patient's key never sees that.
public struct SealingKey: Sendable {
    private let key: SymmetricKey

    public init(_ material: KeyMaterial) {
        key = material.key
    }

    /// Bytes an envelope is longer than its content.
    public static let overhead = 30

    /// Seals `plaintext`; it opens only with the same key and the same `context`.
    public func seal(_ plaintext: [UInt8], boundTo context: [UInt8]) throws(SealFailure) -> [UInt8] {
        guard
            let nonce = try? AES.GCM.Nonce(data: randomBytes(12)),
            let box = try? AES.GCM.seal(plaintext, using: key, nonce: nonce, authenticating: Self.header + context)
        else { throw .sealing }
        var envelope: [UInt8] = []
        envelope.reserveCapacity(plaintext.count + Self.overhead)
        envelope += Self.header
        envelope.append(contentsOf: box.nonce)
        envelope.append(contentsOf: box.ciphertext)
        envelope.append(contentsOf: box.tag)
        return envelope
    }

    /// Opens an envelope made by ``seal(_:boundTo:)``.
    ///
    /// - Throws: ``SealFailure/unknownFormat`` for a format or algorithm this build does not know,
    ///   ``SealFailure/notAuthentic`` for anything altered, swapped or under another key.
    public func open(_ envelope: [UInt8], boundTo context: [UInt8]) throws(SealFailure) -> [UInt8] {
        guard envelope.count >= Self.overhead else { throw .notAuthentic }
        guard envelope[0] == Self.header[0], envelope[1] == Self.header[1] else { throw .unknownFormat }
        guard
            let nonce = try? AES.GCM.Nonce(data: envelope[2..<14]),
            let box = try? AES.GCM.SealedBox(
                nonce: nonce, ciphertext: envelope[14..<(envelope.count - 16)], tag: envelope[(envelope.count - 16)...]),
            let plaintext = try? AES.GCM.open(box, using: key, authenticating: Self.header + context)
        else { throw .notAuthentic }
        return Array(plaintext)
    }

    private static let header: [UInt8] = [1, 1]
}

/// Why an envelope could not be made or opened.
public enum SealFailure: Error, Hashable, Sendable {
    case notAuthentic, sealing, unknownFormat
}

extension SealingKey {
    /// Wraps a key for storage.
    public func wrap(_ material: KeyMaterial, boundTo context: [UInt8]) throws(SealFailure) -> [UInt8] {
        let key = self
        let result: Result<[UInt8], SealFailure> = material.withBytes { bytes in
            do throws(SealFailure) { return .success(try key.seal(bytes, boundTo: context)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Unwraps a key that ``wrap(_:boundTo:)`` wrapped.
    public func unwrap(_ envelope: [UInt8], boundTo context: [UInt8]) throws(SealFailure) -> KeyMaterial {
        guard let material = KeyMaterial(try open(envelope, boundTo: context)) else { throw .notAuthentic }
        return material
    }
}
