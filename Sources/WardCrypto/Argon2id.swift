import CArgon2
public import WardCore

/// argon2id, version 1.3 (RFC 9106), of the reference library.
public enum Argon2id {
    /// Cost of one hash; stored beside every salt, so that it can grow.
    public struct Parameters: Hashable, Sendable {
        public let memoryKiB: UInt32
        public let passes: UInt32
        public let lanes: UInt32

        public init(memoryKiB: UInt32, passes: UInt32, lanes: UInt32) {
            self.memoryKiB = memoryKiB
            self.passes = passes
            self.lanes = lanes
        }

        /// 64 MiB and 3 passes, as RFC 9106 §4 recommends second, in one lane: about 0.2 s on a small machine.
        public static let standard = Parameters(memoryKiB: 65_536, passes: 3, lanes: 1)
    }

    /// Hashes a secret to 32 bytes.
    ///
    /// It keeps its thread busy and holds `memoryKiB` meanwhile: whoever serves strangers bounds how many run at once.
    ///
    /// - Throws: ``Argon2Failure`` if there is not enough memory, or for a salt or cost that RFC 9106 §3.1 excludes.
    public static func hash(
        _ secret: borrowing SecretBytes, salt: [UInt8], parameters: Parameters
    ) throws(Argon2Failure) -> SecretBytes {
        var output = [UInt8](repeating: 0, count: 32)
        defer { wipe(&output) }
        let code = secret.withBytes { span in
            unsafe span.withUnsafeBytes { bytes in
                unsafe argon2id_hash_raw(
                    parameters.passes, parameters.memoryKiB, parameters.lanes, bytes.baseAddress, bytes.count, salt,
                    salt.count, &output, output.count)
            }
        }
        guard code == 0 else { throw Argon2Failure(code: code) }
        return SecretBytes(copying: output)
    }
}

/// Why a hash was not made, as libargon2 numbers it.
public struct Argon2Failure: Error, Hashable, Sendable {
    public let code: Int32
}
