public import WardAudit
public import WardCore
public import WardFHIR
import WardPolicy

/// Records that were opened under a grant, and whose opening is durable in the log.
///
/// Only ``Vault`` makes one, after the commit. Record bytes leave the process only out of one of these.
public struct Disclosure: Sendable {
    public let records: [DisclosedRecord]
    public let receipt: AuditReceipt

    // Internal on purpose, and it takes the receipt: no receipt, no disclosure.
    init(records: [DisclosedRecord], receipt: AuditReceipt) {
        self.records = records
        self.receipt = receipt
    }
}

/// One record of a disclosure.
///
/// What it is may be said; what is in it stays wrapped.
public struct DisclosedRecord: Sendable {
    public let type: ResourceType
    public let id: String
    public let version: Int64
    public let lastUpdated: Instant
    public let isDeleted: Bool
    /// How it came into a search result.
    public let mode: SearchMode
    /// Whether it is about a substance use disorder, as its labels say (42 CFR 2.11).
    let isPart2: Bool
    let json: PHI<[UInt8]>

    /// - Parameters:
    ///   - decision: the one that it is shown by.
    ///   - shown: what may be seen of the body's JSON.
    init(
        _ body: RecordBody, version: Int64, mode: SearchMode = .match, _ decision: RecordDecision, json shown: [UInt8]
    ) {
        type = body.type
        id = body.id
        self.version = version
        lastUpdated = body.lastUpdated
        isDeleted = body.isDeleted
        self.mode = mode
        isPart2 = decision.labels.contains(.part2)
        json = PHI(shown)
    }
}

extension DisclosedRecord {
    fileprivate func viewed(as view: RecordView) -> DisclosedRecord {
        json.exposed { bytes in
            guard !isDeleted, let tape = try? JSONTape(parsing: copy bytes) else { return self }
            return DisclosedRecord(self, json: view.cut(tape))
        }
    }

    private init(_ record: DisclosedRecord, json shown: [UInt8]) {
        type = record.type
        id = record.id
        version = record.version
        lastUpdated = record.lastUpdated
        isDeleted = record.isDeleted
        mode = record.mode
        isPart2 = record.isPart2
        json = PHI(shown)
    }
}

/// FHIR R4 `Bundle.entry.search.mode`.
public enum SearchMode: String, Sendable {
    case include, match, outcome
}

/// Response bytes that hold records, and the receipt they were released under.
///
/// Made only from a ``Disclosure``: a response with record bytes and no receipt cannot be built.
public struct ReleasedBytes: Sendable {
    private let content: PHI<[UInt8]>
    public let receipt: AuditReceipt
    /// What must go with the records: the notice that goes with substance use disorder records, if there are any.
    public let notice: String?

    /// The short form that 42 CFR 2.32(a)(2) words.
    public static let part2Notice = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."

    init(content: [UInt8], receipt: AuditReceipt, isPart2: Bool) {
        self.content = PHI(content)
        self.receipt = receipt
        notice = isPart2 ? Self.part2Notice : nil
    }

    public var count: Int { content.exposed { $0.count } }

    /// A text around several released parts, under the newest of their receipts; nil without parts.
    public static func joined(
        _ parts: [ReleasedBytes], _ frame: (inout JSONWriter, _ place: (inout JSONWriter, Int) -> Void) -> Void
    ) -> ReleasedBytes? {
        guard let newest = parts.map(\.receipt).max(by: { $0.index < $1.index }) else { return nil }
        var writer = JSONWriter(reservingCapacity: 512 + parts.reduce(0) { $0 + $1.count + 256 })
        frame(&writer) { writer, index in parts[index].exposed { writer.raw($0) } }
        return ReleasedBytes(
            content: writer.bytes, receipt: newest, isPart2: parts.contains { $0.notice != nil })
    }

    /// The same over several lines (`_pretty`); as it is if it cannot be read again or is large.
    public var pretty: ReleasedBytes {
        content.exposed { bytes in
            guard bytes.count < JSONTape.prettyLimit, let text = try? JSONTape(parsing: copy bytes).pretty else {
                return self
            }
            return ReleasedBytes(content: text, receipt: receipt, isPart2: notice != nil)
        }
    }

    /// The bytes, for the socket or the export file.
    package func exposed<Result>(_ body: (borrowing [UInt8]) -> Result) -> Result { content.exposed(body) }
}

extension Disclosure {
    /// The same records, each cut down to what was asked for.
    public func viewed(as view: RecordView) -> Disclosure {
        view.isWhole ? self : Disclosure(records: records.map { $0.viewed(as: view) }, receipt: receipt)
    }

    /// The single record, as it is answered to a read.
    public func resource() -> ReleasedBytes? {
        guard records.count == 1, let record = records.first, !record.isDeleted else { return nil }
        return record.json.exposed {
            ReleasedBytes(content: copy $0, receipt: receipt, isPart2: record.isPart2)
        }
    }

    /// A text around the records: `frame` writes everything but the records, and places each with the closure it gets.
    ///
    /// - Parameter others: released bytes to place as well, numbered after the records.
    public func framed(
        with others: [ReleasedBytes] = [],
        _ frame: (inout JSONWriter, _ place: (inout JSONWriter, Int) -> Void) -> Void
    ) -> ReleasedBytes {
        var writer = JSONWriter(reservingCapacity: 512 + records.reduce(0) { $0 + $1.json.exposed { $0.count + 256 } })
        frame(&writer) { writer, index in
            if index < records.count {
                records[index].json.exposed { writer.raw($0) }
            } else {
                others[index - records.count].exposed { writer.raw($0) }
            }
        }
        return ReleasedBytes(
            content: writer.bytes, receipt: receipt, isPart2: isPart2 || others.contains { $0.notice != nil })
    }

    /// One record a line (NDJSON).
    public func lines() -> ReleasedBytes {
        var content: [UInt8] = []
        for record in records where !record.isDeleted {
            record.json.exposed { content += $0 }
            content.append(0x0A)
        }
        return ReleasedBytes(content: content, receipt: receipt, isPart2: isPart2)
    }

    private var isPart2: Bool { records.contains(where: \.isPart2) }
}
