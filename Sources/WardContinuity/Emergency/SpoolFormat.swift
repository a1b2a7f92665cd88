public import WardAudit
public import WardCore
public import WardCrypto
import WardStorage

/// What a spool of the read-only emergency mode says of itself, and what everything in it is bound to.
public struct SpoolHeader: Hashable, Sendable {
    /// Random, 16 bytes.
    public let id: Locator
    /// The copy as it was found: name, size and root of its log.
    public let checkpoint: Checkpoint

    static let magic = Array("ward emergency spool 1\n".utf8)

    public init(checkpoint: Checkpoint) {
        let bytes = randomBytes(16)
        id = Locator(bytes: bytes) ?? .none
        self.checkpoint = checkpoint
    }

    /// For people and events.
    public var name: String { hex(id.bytes) }

    /// How the log of that time names itself, so that no checkpoint of it can be taken for one of the store's log.
    public var origin: String { "\(checkpoint.origin)/emergency/\(name)" }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.raw(Self.magic)
        writer.locator(id)
        writer.number(checkpoint.size)
        writer.digest(checkpoint.root)
        writer.text(checkpoint.origin)
        return writer.bytes
    }

    /// What the first record is chained to.
    var start: Digest { sha256(encoded) }

    init(_ reader: inout ByteReader) throws(SpoolFailure) {
        do throws(ByteReader.Malformed) {
            guard try reader.raw(Self.magic.count) == Self.magic else { throw ByteReader.Malformed() }
            id = try reader.locator()
            let size = try reader.number()
            let root = try reader.digest()
            let origin = try reader.text()
            guard size >= 0, origin.utf8.count <= 256 else { throw ByteReader.Malformed() }
            checkpoint = Checkpoint(origin: origin, size: size, root: root)
        } catch {
            throw .noSpool
        }
    }
}

/// What a record of a spool is; stands before its sealed content, which is bound to it.
enum SpoolRecordKind: UInt8 {
    /// A process began to write, or went on.
    case opened = 1
    /// What one commit wrote.
    case commit = 2
    /// The process ended in order: everything it wrote stands before.
    case closed = 3
}

/// Why a spool cannot be read, written or taken over. Codes and positions only.
public enum SpoolFailure: Error, Hashable, Sendable {
    /// No spool at all, or its first bytes are not what they were.
    case noSpool
    /// The record of this number, from 1, is not what was written there.
    case altered(Int)
    /// Of another store.
    case foreign
    /// The log never was as the copy was that the spool belongs to.
    case unknownCheckpoint
    /// A part that was taken into the log already is not there any more, or another one.
    case rewound
    case file(FileFailure)
    /// The disk did not take it.
    case unwritable
    case store
}

/// The key and the words that seal the records of a spool.
public struct SpoolKey: Sendable {
    let sealing: SealingKey

    /// - Parameter material: what the store's keys derive from; it stays the same when tenant and root keys are exchanged.
    public init(_ material: KeyMaterial) {
        sealing = SealingKey(material.derived("ward/spool/1"))
    }

    /// Each record is bound to its number and, through the chain, to everything before it and to the header.
    static func context(_ kind: SpoolRecordKind, _ number: Int, _ chain: Digest) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(Array("ward/spool/1".utf8))
        writer.byte(kind.rawValue)
        writer.number(Int64(number))
        writer.digest(chain)
        return writer.bytes
    }
}

/// One record with its place in the chain.
struct SpoolRecord: Sendable {
    let kind: SpoolRecordKind
    let content: [UInt8]
    /// Of everything up to it.
    let chain: Digest
    /// Where it ends in the file.
    let end: Int

    static func chained(_ chain: Digest, _ kind: SpoolRecordKind, _ sealed: [UInt8]) -> Digest {
        sha256(chain.bytes, [kind.rawValue], sealed)
    }

    /// What a commit wrote; nil for something else.
    func changes() -> [StoreChange]? {
        guard case .commit = kind else { return nil }
        var reader = ByteReader(content)
        var changes: [StoreChange] = []
        do throws(ByteReader.Malformed) {
            while !reader.isAtEnd { changes.append(try StoreChange(from: &reader)) }
        } catch {
            return nil
        }
        return changes
    }

    static func content(_ changes: [StoreChange]) -> [UInt8] {
        var writer = ByteWriter()
        for change in changes { change.write(to: &writer) }
        return writer.bytes
    }
}
