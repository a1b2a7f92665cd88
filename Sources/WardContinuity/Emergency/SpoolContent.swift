import WardAudit
import WardCore
public import WardCrypto
import WardStorage

/// A spool as it was read.
public struct SpoolContent: Sendable {
    public let header: SpoolHeader
    let records: [SpoolRecord]
    /// Bytes after the last whole record: of a write that no answer waited for, or of a cut.
    public let loose: Int

    /// Reads and opens every record.
    ///
    /// - Throws: ``SpoolFailure/altered(_:)`` for the first record that is not what was written in its place: altered, moved,
    ///   of another spool, or after one that is missing.
    public init(_ bytes: [UInt8], key: SpoolKey) throws(SpoolFailure) {
        var (records, loose): ([SpoolRecord], Int) = ([], 0)
        header = try Self.each(bytes) { kind, sealed, before, chain, end throws(SpoolFailure) in
            let number = records.count + 1
            guard let content = try? key.sealing.open(sealed, boundTo: SpoolKey.context(kind, number, before)) else {
                throw .altered(number)
            }
            records.append(SpoolRecord(kind: kind, content: content, chain: chain, end: end))
        } loose: {
            loose = $0
        }
        self.records = records
        self.loose = loose
    }

    /// Whether each process that wrote it ended in order, so that nothing is missing after the last record of any.
    public var isClosed: Bool { loose == 0 && !records.isEmpty && unclosedRuns == 0 }

    /// How many processes that wrote it did not end in order: what they wrote last may be missing.
    public var unclosedRuns: Int {
        var runs = SpoolRuns()
        for record in records { runs.take(record.kind) }
        return runs.unclosed
    }

    /// Bytes that were loose at the end, now and at each start since.
    public var looseBytes: Int {
        records.filter { $0.kind == .opened }.reduce(loose) { sum, record in
            var reader = ByteReader(record.content)
            guard (try? reader.number()) != nil, let cut = try? reader.number(), cut > 0 else { return sum }
            return sum + Int(cut)
        }
    }

    /// The chain over everything.
    public var end: Digest { records.last?.chain ?? header.start }

    /// Where the last whole record ends in the file.
    var wholeLength: Int { records.last?.end ?? header.encoded.count }

    /// Sealed events in their order, each with the number of its record, from 1.
    var leaves: [(record: Int, leaf: StoredLeaf)] {
        var leaves: [(record: Int, leaf: StoredLeaf)] = []
        for (number, record) in records.enumerated() {
            for case .leaf(let leaf) in record.changes() ?? [] { leaves.append((number + 1, leaf)) }
        }
        return leaves
    }

    /// Sessions that were ended at that time, or went on under another token, and were not begun in it.
    var endedSessions: Set<Locator> {
        var ended: Set<Locator> = []
        for record in records {
            for change in record.changes() ?? [] {
                switch change {
                case .entryRemoved(let id, .session): ended.insert(id)
                case .entry(let entry, .session): ended.remove(entry.id)
                default: break
                }
            }
        }
        return ended
    }

    /// Walks the records. A last one that is not all there is loose, and so are zeros that a file system left.
    fileprivate static func each(
        _ bytes: [UInt8],
        _ body: (SpoolRecordKind, [UInt8], Digest, Digest, Int) throws(SpoolFailure) -> Void,
        loose: (Int) -> Void
    ) throws(SpoolFailure) -> SpoolHeader {
        var reader = ByteReader(bytes)
        let header = try SpoolHeader(&reader)
        var (chain, number) = (header.start, 0)
        while !reader.isAtEnd {
            number += 1
            let start = reader.place
            var whole: (UInt8, [UInt8])?
            do throws(ByteReader.Malformed) { whole = (try reader.byte(), try reader.blob()) } catch {}
            guard let (byte, sealed) = whole else {
                loose(bytes.count - start)
                break
            }
            guard let kind = SpoolRecordKind(rawValue: byte) else {
                guard bytes[start...].allSatisfy({ $0 == 0 }) else { throw .altered(number) }
                loose(bytes.count - start)
                break
            }
            let next = SpoolRecord.chained(chain, kind, sealed)
            try body(kind, sealed, chain, next, reader.place)
            chain = next
        }
        return header
    }
}

/// Counts the processes that wrote a spool and did not end in order, from the kinds of its records.
private struct SpoolRuns {
    private var last: SpoolRecordKind?
    private var cut = 0

    mutating func take(_ kind: SpoolRecordKind) {
        if kind == .opened, let last, last != .closed { cut += 1 }
        last = kind
    }

    var unclosed: Int { last == nil || last == .closed ? cut : cut + 1 }
}

/// What can be said of a spool without its key.
public struct SpoolOutline: Sendable {
    public let header: SpoolHeader
    /// Records that hold something to be taken into the log.
    public let commits: Int
    public let isClosed: Bool
    public let end: Digest

    public init(_ bytes: [UInt8]) throws(SpoolFailure) {
        var (commits, runs, chain, rest) = (0, SpoolRuns(), Digest?.none, 0)
        header = try SpoolContent.each(bytes) { kind, _, _, next, _ throws(SpoolFailure) in
            if case .commit = kind { commits += 1 }
            runs.take(kind)
            chain = next
        } loose: {
            rest = $0
        }
        self.commits = commits
        isClosed = chain != nil && runs.unclosed == 0 && rest == 0
        end = chain ?? header.start
    }
}

extension SpoolFailure {
    public var text: String {
        switch self {
        case .noSpool: "this is no spool of the read-only emergency mode, or its beginning was altered"
        case .altered(let number):
            "record \(number) of the spool is not what was written there: altered, moved, foreign, or one before it is gone"
        case .foreign: "the spool is of another store"
        case .unknownCheckpoint: "the spool belongs to a copy whose checkpoint is not in this log"
        case .rewound: "a part of the spool that is in the log already is not in this file, or is another one"
        case .file(.readableByOthers): "the spool can be read by others; chmod 600 it"
        case .file(.missing): "the spool is not there"
        case .file: "the spool cannot be read"
        case .unwritable: "the spool cannot be written"
        case .store: "the store could not be read"
        }
    }
}
