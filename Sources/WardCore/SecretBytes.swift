import CWardSystem
import Glibc

/// Key material that owns its memory, keeps it out of swap and core dumps where the system allows, and wipes it.
///
/// Bytes are lent as a span, never returned. It prints as `<secret>`.
@safe
public struct SecretBytes: ~Copyable, @unchecked Sendable {
    // Sendable by hand: the memory is written once in `init` and only read until `deinit`.
    private let storage: UnsafeMutableRawBufferPointer

    /// Size in bytes.
    public let count: Int

    /// Copies `bytes`; the caller's copy is the caller's to wipe.
    public init(copying bytes: [UInt8]) {
        count = bytes.count
        // Never an empty allocation: it has no address to lock and wipe.
        unsafe storage = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
        unsafe storage.copyBytes(from: bytes)
        // Best effort: without the privilege to lock memory the key still works, and `ward keys status` says so.
        _ = unsafe ward_lock_memory(storage.baseAddress, storage.count)
    }

    /// `count` bytes of the system's randomness.
    public init(randomCount count: Int) {
        var generator = SystemRandomNumberGenerator()
        var bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        self.init(copying: bytes)
        wipe(&bytes)
    }

    /// Lends the bytes for the time of `body`.
    public func withBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: storage[..<count])))
    }

    deinit {
        if let base = unsafe storage.baseAddress { unsafe explicit_bzero(base, storage.count) }
        unsafe storage.deallocate()
    }
}

/// Overwrites an array that held key material, by a call that no optimizer leaves out.
public func wipe(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { buffer in
        if let base = buffer.baseAddress { unsafe explicit_bzero(base, buffer.count) }
    }
}
