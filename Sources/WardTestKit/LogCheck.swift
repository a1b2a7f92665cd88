import Crypto
import WardAudit
import WardCrypto
package import WardStorage

/// Re-derives the whole tree from storage, with code of its own, and compares everything that was derived before.
///
/// Leaves without gaps, root, checkpoint note, every full tile at every level, and no tile too many.
package enum LogCheck {
    package struct Fault: Error, Hashable {
        package let what: String
    }

    /// - Parameters:
    ///   - publicKey: of the log, as it was handed out.
    ///   - size: that the log must have; nil where the test does not know.
    @discardableResult
    package static func check(
        _ store: any SealedStore, origin: String, publicKey: [UInt8], size: Int64? = nil
    ) throws -> Int64 {
        let stored = try store.leaves(from: 0, limit: .max)
        for (place, leaf) in stored.enumerated() where leaf.index != Int64(place) {
            throw Fault(what: "leaf \(place) is missing")
        }
        guard try store.leafCount() == Int64(stored.count) else {
            throw Fault(what: "the count is not that of the leaves")
        }
        if let size, size != Int64(stored.count) {
            throw Fault(what: "the log has \(stored.count) leaves instead of \(size)")
        }
        let hashes = stored.map { hash(of: [0] + $0.leaf) }
        try checkNote(store, origin: origin, publicKey: publicKey, size: stored.count, root: root(hashes[...]))
        var row = hashes
        var level = 0
        while !row.isEmpty {
            for number in 0...(row.count / 256) {
                let part = row.dropFirst(number * 256).prefix(256)
                let expected = part.count == 256 ? Array(part.joined()) : nil
                guard try store.tile(level: level, number: Int64(number)) == expected else {
                    throw Fault(what: "tile \(level)/\(number)")
                }
            }
            row = (0..<(row.count / 256)).map { root(row[($0 * 256)..<($0 * 256 + 256)]) }
            level += 1
        }
        guard try store.tile(level: level, number: 0) == nil else { throw Fault(what: "a tile above the root") }
        return Int64(stored.count)
    }

    private static func checkNote(
        _ store: any SealedStore, origin: String, publicKey: [UInt8], size: Int, root: [UInt8]
    ) throws {
        guard let note = try store.metadata(.checkpoint) else {
            if size > 0 { throw Fault(what: "there is no checkpoint") }
            return
        }
        let text = String(decoding: note, as: UTF8.self)
        guard let checkpoint = Checkpoint(note: text, publicKey: publicKey) else {
            throw Fault(what: "the checkpoint is not signed by the log")
        }
        guard checkpoint.origin == origin, checkpoint.size == Int64(size), checkpoint.root.bytes == root else {
            throw Fault(what: "the checkpoint is not that of the leaves")
        }
    }

    /// RFC 6962 §2.1, word by word.
    package static func root(_ hashes: ArraySlice<[UInt8]>) -> [UInt8] {
        if hashes.isEmpty { return hash(of: []) }
        if hashes.count == 1 { return hashes.first ?? [] }
        var split = 1
        while split * 2 < hashes.count { split *= 2 }
        let middle = hashes.startIndex + split
        return hash(of: [1] + root(hashes[..<middle]) + root(hashes[middle...]))
    }

    package static func hash(of bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: bytes)) }
}
