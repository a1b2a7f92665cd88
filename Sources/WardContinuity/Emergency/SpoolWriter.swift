import Glibc
import WardCore
import WardCrypto
import WardStorage

/// Appends to a spool; what was appended is on disk.
struct SpoolWriter: ~Copyable {
    private let descriptor: Int32
    private let key: SpoolKey
    private var chain: Digest
    private var count: Int
    /// Where the next record begins.
    private var length: Int
    /// Of the file; beyond it no commit is taken, so that it can be read as a whole later.
    private let limit: Int
    /// After a failed sync nothing is known of what the disk holds; the next start reads it.
    private var isLost = false

    /// Makes a spool of mode 600.
    ///
    /// - Throws: ``SpoolFailure/file(_:)`` also for one that is there.
    static func make(_ path: String, _ header: SpoolHeader) throws(SpoolFailure) {
        do throws(FileFailure) { try PrivateFile.create(path, header.encoded) } catch { throw .file(error) }
    }

    /// Goes on with a spool that was read; what is loose at its end is cut off.
    init(_ path: String, _ content: SpoolContent, _ key: SpoolKey, limit: Int) throws(SpoolFailure) {
        descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        self.key = key
        self.limit = limit
        (chain, count, length) = (content.end, content.records.count, content.wholeLength)
        guard descriptor >= 0 else { throw .file(.system(Int(errno))) }
        guard ftruncate(descriptor, length) == 0, fsync(descriptor) == 0 else { throw .unwritable }
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Returns when the record is on disk; a failure leaves none of it.
    mutating func append(_ kind: SpoolRecordKind, _ content: [UInt8]) throws(SpoolFailure) {
        guard !isLost, let sealed = try? key.sealing.seal(content, boundTo: SpoolKey.context(kind, count + 1, chain))
        else { throw .unwritable }
        var writer = ByteWriter()
        writer.reserve(sealed.count + 5)
        writer.byte(kind.rawValue)
        writer.blob(sealed)
        // How a process began and ended always fits.
        guard kind != .commit || length + writer.bytes.count <= limit else { throw .unwritable }
        guard write(writer.bytes) else {
            // What cannot be cut off would stand between this record and the next: a start cuts it off then.
            isLost = ftruncate(descriptor, length) != 0
            throw .unwritable
        }
        guard fdatasync(descriptor) == 0 else {
            isLost = true
            throw .unwritable
        }
        chain = SpoolRecord.chained(chain, kind, sealed)
        count += 1
        length += writer.bytes.count
    }

    private func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe pwrite(
                    descriptor, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done, length + done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }
}
