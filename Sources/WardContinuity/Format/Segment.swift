import WardAudit
import WardCore
import WardCrypto
import WardStorage

/// A few seconds of the store's commits: signed, chained to the segment before, and sealed.
struct StreamSegment: Sendable {
    let number: Int64
    let store: String
    /// Digest of the segment before; zero where the stream begins anew.
    let previous: Digest
    /// Whether the stream begins anew here: what came before is in the full backup `base` or lost.
    let isNew: Bool
    /// The full backup with which the stream began.
    let base: Int64
    let epoch: UInt64
    /// The epoch's key, sealed to the kit.
    let key: [UInt8]
    /// When its first and its last transaction were committed.
    let began: Instant
    let ended: Instant
    /// The log at its end.
    let logSize: Int64
    let logRoot: Digest
    let sealed: [UInt8]

    /// One transaction.
    struct Commit: Sendable {
        let time: Instant
        let changes: [StoreChange]
    }

    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.reserve(sealed.count + 4096)
        writer.raw(Array("ward stream\n".utf8))
        writer.byte(Self.format)
        writer.number(number)
        writer.text(store)
        writer.digest(previous)
        writer.byte(isNew ? 1 : 0)
        writer.number(base)
        writer.number(Int64(bitPattern: epoch))
        writer.blob(key)
        writer.number(began.microseconds)
        writer.number(ended.microseconds)
        writer.number(logSize)
        writer.digest(logRoot)
        writer.blob(sealed)
        return writer.bytes
    }

    init(_ body: [UInt8], name: String) throws(BackupFailure) {
        var reader = ByteReader(body)
        var format: UInt8 = 0
        do throws(ByteReader.Malformed) {
            guard try reader.raw(12) == Array("ward stream\n".utf8) else { throw ByteReader.Malformed() }
            format = try reader.byte()
            guard format == Self.format else { throw ByteReader.Malformed() }
            number = try reader.number()
            store = try reader.text()
            previous = try reader.digest()
            isNew = try reader.byte() == 1
            base = try reader.number()
            epoch = UInt64(bitPattern: try reader.number())
            key = try reader.blob()
            began = Instant(microseconds: try reader.number())
            ended = Instant(microseconds: try reader.number())
            logSize = try reader.number()
            logRoot = try reader.digest()
            sealed = try reader.blob()
        } catch {
            guard format == Self.format || format == 0 else { throw .unknownFormat(name) }
            throw .altered(name)
        }
        guard reader.isAtEnd, BackupNames.segment(number) == name else { throw .altered(name) }
    }

    init(
        after place: BackupStream.Place, commits: [Commit], log: LogPosition
    ) throws(BackupFailure) {
        let epoch = place.epoch
        number = place.number + 1
        store = place.keys.store
        previous = place.isNew ? .zero : place.digest
        isNew = place.isNew
        base = place.base
        self.epoch = epoch.id
        key = epoch.sealed
        began = commits.first?.time ?? Instant(microseconds: 0)
        ended = commits.last?.time ?? Instant(microseconds: 0)
        (logSize, logRoot) = (log.size, log.root)
        var writer = ByteWriter()
        writer.reserve(commits.reduce(0) { $0 + $1.changes.reduce(64) { $0 + $1.size } })
        for commit in commits {
            writer.number(commit.time.microseconds)
            let changes = commit.changes.filter { !$0.isDerived }
            writer.number(Int64(changes.count))
            for change in changes { change.write(to: &writer) }
        }
        sealed = try epoch.seal(writer.bytes, name: BackupNames.segment(number))
    }

    /// The transactions in it.
    func commits(with key: SealingKey) throws(BackupFailure) -> [Commit] {
        let name = BackupNames.segment(number)
        guard let content = try? key.open(sealed, boundTo: Array(name.utf8)) else { throw .altered(name) }
        var reader = ByteReader(content)
        var commits: [Commit] = []
        do throws(ByteReader.Malformed) {
            while !reader.isAtEnd {
                let time = Instant(microseconds: try reader.number())
                let count = try reader.count(of: 1)
                var changes: [StoreChange] = []
                changes.reserveCapacity(count)
                for _ in 0..<count { changes.append(try StoreChange(from: &reader)) }
                commits.append(Commit(time: time, changes: changes))
            }
        } catch {
            throw .altered(name)
        }
        return commits
    }
}

extension Digest {
    static let zero = Digest(bytes: [UInt8](repeating: 0, count: 32)) ?? sha256([])
}

extension StreamSegment {
    /// Whether it goes on directly from a full backup, or from the segment with this digest.
    func follows(_ manifest: BackupManifest) -> Bool {
        guard number == manifest.through + 1 else { return false }
        // The stream that began with an earlier backup may not have written anything before this one.
        return isNew ? base <= manifest.number : previous == manifest.throughDigest
    }
}
