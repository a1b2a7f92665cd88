internal import Crypto

/// Hashes of RFC 6962 §2.1, without an array for each: a verification of a long log computes millions.
public enum TreeHash {
    /// SHA-256 over 0x01, left and right.
    public static func node(_ left: Digest, _ right: Digest) -> Digest {
        unsafe withUnsafeTemporaryAllocation(byteCount: 65, alignment: 8) { buffer in
            unsafe buffer.storeBytes(of: 1, as: UInt8.self)
            unsafe left.store(to: buffer, at: 1)
            unsafe right.store(to: buffer, at: 33)
            var hash = SHA256()
            unsafe hash.update(bufferPointer: UnsafeRawBufferPointer(buffer))
            return Digest(hash.finalize())
        }
    }

    /// SHA-256 over 0x00 and the leaf.
    public static func leaf(_ data: [UInt8]) -> Digest {
        unsafe withUnsafeTemporaryAllocation(byteCount: data.count + 1, alignment: 8) { buffer in
            unsafe buffer.storeBytes(of: 0, as: UInt8.self)
            unsafe data.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[1...]).copyMemory(from: source)
            }
            var hash = SHA256()
            unsafe hash.update(bufferPointer: UnsafeRawBufferPointer(buffer))
            return Digest(hash.finalize())
        }
    }
}

extension Digest {
    fileprivate init(_ hash: SHA256.Digest) {
        self = unsafe hash.withUnsafeBytes { bytes in
            func word(_ index: Int) -> UInt64 {
                UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            return Digest(word(0), word(1), word(2), word(3))
        }
    }

    fileprivate func store(to buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
        unsafe buffer.storeBytes(of: word0.bigEndian, toByteOffset: offset, as: UInt64.self)
        unsafe buffer.storeBytes(of: word1.bigEndian, toByteOffset: offset + 8, as: UInt64.self)
        unsafe buffer.storeBytes(of: word2.bigEndian, toByteOffset: offset + 16, as: UInt64.self)
        unsafe buffer.storeBytes(of: word3.bigEndian, toByteOffset: offset + 24, as: UInt64.self)
    }

    /// Whether the bytes at an offset are this digest.
    public func isEqual(to bytes: [UInt8], at offset: Int) -> Bool {
        guard offset >= 0, offset + 32 <= bytes.count else { return false }
        return unsafe bytes.withUnsafeBytes { bytes in
            func word(_ index: Int) -> UInt64 {
                UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset + index * 8, as: UInt64.self))
            }
            return word0 == word(0) && word1 == word(1) && word2 == word(2) && word3 == word(3)
        }
    }
}
