import WardAudit
public import WardCore
import WardCrypto

/// What a full backup consists of: signed, readable without keys, and without anything of a record in it.
///
/// Sizes, counts and times are readable; names of chunks are keyed hashes.
public struct BackupManifest: Sendable {
    /// One chunk, wherever an earlier backup may have written it.
    struct Chunk: Hashable, Sendable {
        let table: BackupTable
        let first: Int64
        /// Which key sealed it.
        let epoch: UInt64
        /// Keyed hash of what is in it.
        let id: Digest
        /// SHA-256 of the object.
        let digest: Digest
        let size: Int64

        var name: String { BackupNames.chunk(epoch, id) }
    }

    /// A backup that must be there as long as this one is the newest.
    struct Kept: Hashable, Sendable {
        let number: Int64
        let digest: Digest
        let made: Instant
        /// The last segment of the stream that it holds.
        let through: Int64
    }

    public let number: Int64
    /// The store's id.
    public let store: String
    /// When the store was as it is in here.
    public let made: Instant
    /// Size and root of the audit log.
    public let logSize: Int64
    let logRoot: Digest
    /// Versions of records.
    public let versions: Int64
    /// The last segment of the stream that is in here, and its digest.
    let through: Int64
    let throughDigest: Digest
    /// Segments after this one must be there.
    let streamAfter: Int64
    /// By which kit it opens.
    public let recipient: [UInt8]
    /// The tenant key, sealed to the kit.
    let tenant: [UInt8]
    /// Keys of chunks, sealed to the kit.
    let epochs: [UInt64: [UInt8]]
    let chunks: [Chunk]
    /// Earlier backups that are kept.
    let kept: [Kept]

    /// Bytes of all chunks.
    public var size: Int64 { chunks.reduce(0) { $0 + $1.size } }

    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(Array("ward backup\n".utf8))
        writer.byte(Self.format)
        writer.number(number)
        writer.text(store)
        writer.number(made.microseconds)
        writer.number(logSize)
        writer.digest(logRoot)
        writer.number(versions)
        writer.number(through)
        writer.digest(throughDigest)
        writer.number(streamAfter)
        writer.blob(recipient)
        writer.blob(tenant)
        writer.number(Int64(epochs.count))
        for (epoch, key) in epochs.sorted(by: { $0.key < $1.key }) {
            writer.number(Int64(bitPattern: epoch))
            writer.blob(key)
        }
        writer.number(Int64(chunks.count))
        for chunk in chunks {
            writer.byte(chunk.table.rawValue)
            writer.number(chunk.first)
            writer.number(Int64(bitPattern: chunk.epoch))
            writer.digest(chunk.id)
            writer.digest(chunk.digest)
            writer.number(chunk.size)
        }
        writer.number(Int64(kept.count))
        for other in kept {
            writer.number(other.number)
            writer.digest(other.digest)
            writer.number(other.made.microseconds)
            writer.number(other.through)
        }
        return writer.bytes
    }

    init(_ body: [UInt8], name: String) throws(BackupFailure) {
        var reader = ByteReader(body)
        var format: UInt8 = 0
        do throws(ByteReader.Malformed) {
            guard try reader.raw(12) == Array("ward backup\n".utf8) else { throw ByteReader.Malformed() }
            format = try reader.byte()
            if format == Self.format { try self.init(&reader) } else { throw ByteReader.Malformed() }
        } catch {
            guard format == Self.format || format == 0 else { throw .unknownFormat(name) }
            throw .altered(name)
        }
        guard reader.isAtEnd, BackupNames.manifest(number) == name else { throw .altered(name) }
    }

    private init(_ reader: inout ByteReader) throws(ByteReader.Malformed) {
        number = try reader.number()
        store = try reader.text()
        made = Instant(microseconds: try reader.number())
        logSize = try reader.number()
        logRoot = try reader.digest()
        versions = try reader.number()
        through = try reader.number()
        throughDigest = try reader.digest()
        streamAfter = try reader.number()
        recipient = try reader.blob()
        tenant = try reader.blob()
        var epochs: [UInt64: [UInt8]] = [:]
        for _ in 0..<(try reader.count(of: 12)) {
            let epoch = UInt64(bitPattern: try reader.number())
            epochs[epoch] = try reader.blob()
        }
        self.epochs = epochs
        var chunks: [Chunk] = []
        for _ in 0..<(try reader.count(of: 89)) {
            guard let table = BackupTable(rawValue: try reader.byte()) else { throw ByteReader.Malformed() }
            let first = try reader.number()
            let epoch = UInt64(bitPattern: try reader.number())
            let id = try reader.digest()
            let digest = try reader.digest()
            chunks.append(
                Chunk(table: table, first: first, epoch: epoch, id: id, digest: digest, size: try reader.number()))
        }
        self.chunks = chunks
        var kept: [Kept] = []
        for _ in 0..<(try reader.count(of: 56)) {
            let number = try reader.number()
            let digest = try reader.digest()
            let made = Instant(microseconds: try reader.number())
            kept.append(Kept(number: number, digest: digest, made: made, through: try reader.number()))
        }
        self.kept = kept
    }

    init(
        number: Int64, store: String, made: Instant, log: Checkpoint, versions: Int64, through: Int64,
        throughDigest: Digest, streamAfter: Int64, recipient: [UInt8], tenant: [UInt8], epochs: [UInt64: [UInt8]],
        chunks: [Chunk],
        kept: [Kept]
    ) {
        self.number = number
        self.store = store
        self.made = made
        (logSize, logRoot) = (log.size, log.root)
        self.versions = versions
        self.through = through
        self.throughDigest = throughDigest
        self.streamAfter = streamAfter
        self.recipient = recipient
        self.tenant = tenant
        self.epochs = epochs
        self.chunks = chunks
        self.kept = kept
    }
}
