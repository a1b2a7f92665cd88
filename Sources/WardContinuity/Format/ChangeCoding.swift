import WardCore
import WardStorage

/// Rows of the store as bytes, in chunks and in the stream alike.
extension StoreChange {
    /// Tiles of the log's tree are left out: they are derived from the leaves, and so proven, when they are restored.
    var isDerived: Bool {
        if case .tile = self { true } else { false }
    }

    /// About how much it takes, for limits.
    var size: Int {
        switch self {
        case .auditChunk(_, _, let sealed): 32 + sealed.count
        case .entry(let entry, _): 32 + entry.sealed.count
        case .entryRemoved, .patientKeyRemoved, .payloadPruned: 32
        case .leaf(let leaf): 32 + leaf.leaf.count + leaf.payload.count
        case .metadata(_, let value): 32 + value.count
        case .patientKey(_, let wrapped): 32 + wrapped.count
        case .resealed(_, _, let body, let card): 48 + body.count + (card?.count ?? 0)
        case .tile(_, _, let hashes): 32 + hashes.count
        case .version(let version, let card): 80 + version.body.count + (card?.count ?? 0)
        }
    }

    func write(to writer: inout ByteWriter) {
        switch self {
        case .auditChunk(let segment, let chunk, let sealed):
            writer.byte(1)
            writer.number(segment)
            writer.number(chunk)
            writer.blob(sealed)
        case .entry(let entry, let kind):
            writer.byte(2)
            writer.number(kind.rawValue)
            writer.locator(entry.id)
            writer.blob(entry.sealed)
        case .entryRemoved(let id, let kind):
            writer.byte(3)
            writer.number(kind.rawValue)
            writer.locator(id)
        case .leaf(let leaf):
            writer.byte(4)
            writer.number(leaf.index)
            writer.blob(leaf.leaf)
            writer.blob(leaf.payload)
        case .metadata(let key, let value):
            writer.byte(5)
            writer.text(key.rawValue)
            writer.blob(value)
        case .patientKey(let id, let wrapped):
            writer.byte(6)
            writer.locator(id)
            writer.blob(wrapped)
        case .patientKeyRemoved(let id):
            writer.byte(10)
            writer.locator(id)
        case .payloadPruned(let index):
            writer.byte(7)
            writer.number(index)
        case .resealed(let record, let locator, let body, let card):
            writer.byte(card == nil ? 14 : 15)
            writer.number(record.value)
            writer.locator(locator)
            writer.blob(body)
            if let card { writer.blob(card) }
        case .tile: break
        case .version(let version, let card):
            writer.byte(card == nil ? 8 : 9)
            writer.number(version.record.value)
            writer.locator(version.locator)
            writer.number(version.version)
            writer.byte(version.isDeleted ? 1 : 0)
            writer.locator(version.maskedOwner)
            writer.blob(version.body)
            if let card { writer.blob(card) }
        }
    }

    init(from reader: inout ByteReader) throws(ByteReader.Malformed) {
        switch try reader.byte() {
        case 1:
            let segment = try reader.number()
            let chunk = try reader.number()
            self = .auditChunk(segment: segment, chunk: chunk, sealed: try reader.blob())
        case 2:
            let kind = try Self.kind(&reader)
            let id = try reader.locator()
            self = .entry(StoredEntry(id: id, sealed: try reader.blob()), kind)
        case 3:
            let kind = try Self.kind(&reader)
            self = .entryRemoved(try reader.locator(), kind)
        case 4:
            let index = try reader.number()
            let leaf = try reader.blob()
            self = .leaf(StoredLeaf(index: index, leaf: leaf, payload: try reader.blob()))
        case 5:
            guard let key = MetadataKey(rawValue: try reader.text()) else { throw ByteReader.Malformed() }
            self = .metadata(key, try reader.blob())
        case 6:
            let id = try reader.locator()
            self = .patientKey(id, wrapped: try reader.blob())
        case 7: self = .payloadPruned(try reader.number())
        case 8: self = .version(try Self.version(&reader), card: nil)
        case 9:
            let version = try Self.version(&reader)
            self = .version(version, card: try reader.blob())
        case 10: self = .patientKeyRemoved(try reader.locator())
        case let tag where tag == 14 || tag == 15:
            let record = RecordNumber(try reader.number())
            let locator = try reader.locator()
            let body = try reader.blob()
            self = .resealed(record, at: locator, body: body, card: tag == 15 ? try reader.blob() : nil)
        default: throw ByteReader.Malformed()
        }
    }

    private static func kind(_ reader: inout ByteReader) throws(ByteReader.Malformed) -> EntryKind {
        guard let kind = EntryKind(rawValue: try reader.number()) else { throw ByteReader.Malformed() }
        return kind
    }

    private static func version(_ reader: inout ByteReader) throws(ByteReader.Malformed) -> StoredVersion {
        let record = RecordNumber(try reader.number())
        let locator = try reader.locator()
        let version = try reader.number()
        let isDeleted = try reader.byte() == 1
        let owner = try reader.locator()
        return StoredVersion(
            record: record, locator: locator, version: version, isDeleted: isDeleted, maskedOwner: owner,
            body: try reader.blob())
    }
}

/// The parts of a store, in the order in which they are restored.
enum BackupTable: UInt8, CaseIterable, Sendable {
    case metadata = 1
    case versions = 2
    /// Cards of current versions; restored together with ``versions``.
    case cards = 3
    case leaves = 4
    case auditChunks = 5
    case patientKeys = 6
    case entries = 7
}
