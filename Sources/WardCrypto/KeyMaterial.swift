internal import Crypto
public import WardCore

/// A 256-bit symmetric key that others derive from.
///
/// Copies share one zeroizing buffer; it never prints.
public struct KeyMaterial: Sendable {
    let key: SymmetricKey

    init(key: SymmetricKey) {
        self.key = key
    }

    /// A fresh key from the system's randomness.
    public static func random() -> KeyMaterial { KeyMaterial(key: SymmetricKey(size: .bits256)) }

    /// Takes 32 bytes; nil for any other length.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        key = SymmetricKey(data: bytes)
    }

    /// Takes 32 secret bytes; nil for any other length.
    public init?(_ secret: borrowing SecretBytes) {
        guard secret.count == 32 else { return nil }
        // Reserved, so that growth leaves no unwiped copies behind.
        var copy: [UInt8] = []
        copy.reserveCapacity(32)
        secret.withBytes { span in
            for index in 0..<span.byteCount {
                unsafe copy.append(span.unsafeLoad(fromByteOffset: index, as: UInt8.self))
            }
        }
        defer { wipe(&copy) }
        key = SymmetricKey(data: copy)
    }

    /// HKDF-Expand with SHA-256 (RFC 5869 §2.3); the parent is uniform, so no extract step is needed.
    ///
    /// - Parameters:
    ///   - label: what the key is for; one label, one use.
    ///   - context: further input, framed by its length.
    public func derived(_ label: StaticString, context: [[UInt8]] = []) -> KeyMaterial {
        var info = Array("\(label)".utf8)
        for part in context { frame(part, into: &info) }
        return KeyMaterial(key: HKDF<SHA256>.expand(pseudoRandomKey: key, info: info, outputByteCount: 32))
    }

    /// The bare bytes, for wrapping under another key.
    package func withBytes<Result>(_ body: (inout [UInt8]) -> Result) -> Result {
        var bytes = unsafe key.withUnsafeBytes { unsafe Array($0) }
        defer { wipe(&bytes) }
        return body(&bytes)
    }
}

/// What holds a key says so and nothing else: the state of a MAC or a signing key is as good as the key.
public protocol SilentKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {}

extension SilentKey {
    public var description: String { "<key>" }
    public var debugDescription: String { "<key>" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension KeyMaterial: SilentKey {}
extension MacKey: SilentKey {}
extension SealingKey: SilentKey {}
extension SigningKey: SilentKey {}

/// Appends a 4-byte big-endian length and the bytes: no separator that a value could contain.
func frame(_ part: [UInt8], into output: inout [UInt8]) {
    let count = UInt32(part.count)
    output += [UInt8(count >> 24), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)]
    output += part
}
