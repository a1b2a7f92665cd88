import WardCore
import WardStorage

/// What a follower says first.
struct StandbyHello: Hashable, Sendable {
    var store: String
    var epoch: Int64
    /// Whether this is a follower that was promoted, which tells its old primary so.
    var isPromoted = false
    /// Which process of the primary the copy was fed by last, and how far.
    var instance: UInt64 = 0
    var sequence: Int64 = 0
    var logSize: Int64 = 0
    var lastRecord: Int64 = 0
    /// Segments of the log's own search that are there.
    var segments: Int64 = 0
}

/// What goes over the wire between primary and follower, one message at a time.
enum StandbyFrame: Hashable, Sendable {
    // From the follower
    case hello(StandbyHello)
    /// A numbered message is on the follower's disk.
    case taken(Int64)
    case grant(Int64)
    // From the primary
    case welcome(instance: UInt64, isContinued: Bool)
    /// A part of what the copy lacks; the last one says where the stream goes on.
    case rows(number: Int64, [StoreChange], sequence: Int64?)
    /// One transaction.
    case commit(number: Int64, sequence: Int64, [StoreChange])
    case ask(Int64)
    /// The follower cannot be served; the code says why.
    case refused(String)
    /// The old primary has written down that it is one no more.
    case fenced

    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .hello(let hello):
            writer.byte(1)
            writer.byte(Self.format)
            writer.text(hello.store)
            writer.number(hello.epoch)
            writer.byte(hello.isPromoted ? 1 : 0)
            writer.number(Int64(bitPattern: hello.instance))
            for value in [hello.sequence, hello.logSize, hello.lastRecord, hello.segments] { writer.number(value) }
        case .taken(let number):
            writer.byte(2)
            writer.number(number)
        case .grant(let number):
            writer.byte(3)
            writer.number(number)
        case .welcome(let instance, let isContinued):
            writer.byte(4)
            writer.number(Int64(bitPattern: instance))
            writer.byte(isContinued ? 1 : 0)
        case .rows(let number, let changes, let sequence):
            writer.byte(sequence == nil ? 5 : 6)
            writer.number(number)
            writer.number(sequence ?? 0)
            Self.write(changes, &writer)
        case .commit(let number, let sequence, let changes):
            writer.byte(7)
            writer.number(number)
            writer.number(sequence)
            Self.write(changes, &writer)
        case .ask(let number):
            writer.byte(8)
            writer.number(number)
        case .refused(let code):
            writer.byte(9)
            writer.text(code)
        case .fenced: writer.byte(10)
        }
        return writer.bytes
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        do throws(ByteReader.Malformed) {
            self = try Self.read(&reader)
        } catch {
            return nil
        }
        guard reader.isAtEnd else { return nil }
    }

    private static func read(_ reader: inout ByteReader) throws(ByteReader.Malformed) -> StandbyFrame {
        switch try reader.byte() {
        case 1:
            guard try reader.byte() == format else { throw ByteReader.Malformed() }
            var hello = StandbyHello(store: try reader.text(), epoch: try reader.number())
            hello.isPromoted = try reader.byte() == 1
            hello.instance = UInt64(bitPattern: try reader.number())
            hello.sequence = try reader.number()
            hello.logSize = try reader.number()
            hello.lastRecord = try reader.number()
            hello.segments = try reader.number()
            return .hello(hello)
        case 2: return .taken(try reader.number())
        case 3: return .grant(try reader.number())
        case 4:
            let instance = UInt64(bitPattern: try reader.number())
            return .welcome(instance: instance, isContinued: try reader.byte() == 1)
        case 5:
            let number = try reader.number()
            _ = try reader.number()
            return .rows(number: number, try changes(&reader), sequence: nil)
        case 6:
            let number = try reader.number()
            let sequence = try reader.number()
            return .rows(number: number, try changes(&reader), sequence: sequence)
        case 7:
            let number = try reader.number()
            let sequence = try reader.number()
            return .commit(number: number, sequence: sequence, try changes(&reader))
        case 8: return .ask(try reader.number())
        case 9: return .refused(try reader.text())
        case 10: return .fenced
        default: throw ByteReader.Malformed()
        }
    }

    private static func write(_ changes: [StoreChange], _ writer: inout ByteWriter) {
        let changes = changes.filter { !$0.isDerived }
        writer.reserve(changes.reduce(64) { $0 + $1.size })
        writer.number(Int64(changes.count))
        for change in changes { change.write(to: &writer) }
    }

    private static func changes(_ reader: inout ByteReader) throws(ByteReader.Malformed) -> [StoreChange] {
        let count = try reader.count(of: 1)
        var changes: [StoreChange] = []
        changes.reserveCapacity(count)
        for _ in 0..<count { changes.append(try StoreChange(from: &reader)) }
        return changes
    }
}
