import Glibc
import WardAudit
import WardCore
import WardCrypto

/// Where a mirror takes the log from.
protocol MirrorSource: Sendable {
    /// The checkpoint to mirror up to, and the newest that a quorum has cosigned if there is one.
    func checkpoints() async throws -> (newest: String, witnessed: String?)
    func bundle(_ place: TilePlace) async throws -> [UInt8]
    /// Sealed payloads; nil where they are not taken along.
    func payloads(_ place: TilePlace) async throws -> [[UInt8]]?
}

/// Writes a log as static files (C2SP tlog-tiles), and derives the tree from the entries on the way.
///
/// What is there already is read, not fetched: an interrupted mirror goes on where it stopped, and a later one adds what
/// is new. The checkpoint is written last, when root and earlier checkpoint agree with the entries.
struct LogMirror {
    let folder: String
    let source: any MirrorSource
    let key: VerifierKey

    enum Outcome {
        case whole(size: Int64)
        case unsound(String)
    }

    func run(progress: (Int64, Int64) -> Void) async throws -> Outcome {
        let (newest, witnessed) = try await source.checkpoints()
        guard let goal = checked(newest) else { return .unsound("the checkpoint is not signed by the log's key") }
        var earlier: Checkpoint?
        if PrivateFile.exists("\(folder)/checkpoint") {
            guard let kept = checked(String(decoding: try read("checkpoint", 65_536), as: UTF8.self)) else {
                return .unsound("the mirror's own checkpoint is not signed by the log's key")
            }
            earlier = kept
        }
        if let earlier, earlier.size > goal.size { return .unsound("the log is shorter than the mirror of it") }
        var frontier = MerkleFrontier()
        var tiles = TileBuilder()
        // Bundles that no checkpoint of this mirror vouches for.
        var unproven: [TilePlace] = []
        if let fault = fork(earlier, frontier) { return fault }
        while frontier.size < goal.size {
            let first = frontier.size
            let width = Int(min(goal.size - first, Int64(TilePlace.full)))
            guard let place = TilePlace(level: nil, number: first / Int64(TilePlace.full), width: width) else {
                throw CommandFailure("the log is too large")
            }
            let bytes = try await bundle(place)
            if first + Int64(width) > earlier?.size ?? 0 { unproven.append(place) }
            guard let entries = EntryBundle.entries(bytes, width: width) else {
                discard(unproven)
                return .unsound("the entries from \(first) on are not a bundle")
            }
            for entry in entries {
                let hash = MerkleHash.leaf(entry)
                frontier.append(hash)
                for tile in tiles.append(hash) {
                    try keep(tile.hashes, at: TilePlace(level: tile.level, number: tile.number, width: TilePlace.full))
                }
                if let fault = fork(earlier, frontier) { return fault }
            }
            progress(frontier.size, goal.size)
        }
        guard frontier.root == goal.root else {
            discard(unproven)
            return .unsound("the entries do not add up to the checkpoint's root")
        }
        for edge in tiles.edges where !edge.hashes.isEmpty {
            try keep(
                edge.hashes,
                at: TilePlace(level: edge.level, number: edge.number, width: edge.hashes.count / 32))
        }
        if let witnessed, checked(witnessed) != nil { try write("checkpoint.witnessed", Array(witnessed.utf8)) }
        try write("checkpoint", Array(newest.utf8))
        return .whole(size: goal.size)
    }

    private func checked(_ note: String) -> Checkpoint? {
        guard let note = SignedNote(note), case .valid = note.standing(of: key),
            let checkpoint = Checkpoint(text: note.text), checkpoint.origin == key.name
        else { return nil }
        return checkpoint
    }

    private func fork(_ earlier: Checkpoint?, _ frontier: MerkleFrontier) -> Outcome? {
        guard let earlier, earlier.size == frontier.size, earlier.root != frontier.root else { return nil }
        return .unsound("the log is not a continuation of the mirror of it")
    }

    /// A bundle from the mirror if it is there, else from the source, with its payloads.
    private func bundle(_ place: TilePlace) async throws -> [UInt8] {
        let path = "tile/\(place.path)"
        if !PrivateFile.exists("\(folder)/payload/\(place.payloadPath)"),
            let payloads = try await source.payloads(place)
        {
            var bytes: [UInt8] = []
            for payload in payloads {
                bytes += (0..<4).map { UInt8(truncatingIfNeeded: payload.count >> (24 - 8 * $0)) } + payload
            }
            try write("payload/\(place.payloadPath)", bytes)
        }
        if PrivateFile.exists("\(folder)/\(path)") { return try read(path, TilePlace.full * 65_538) }
        let bytes = try await source.bundle(place)
        try write(path, bytes)
        return bytes
    }

    /// Takes bundles away again, so that the next run fetches them anew instead of finding a bad one for ever.
    private func discard(_ places: [TilePlace]) {
        for place in places {
            unsafe unlink("\(folder)/tile/\(place.path)")
            unsafe unlink("\(folder)/payload/\(place.payloadPath)")
        }
    }

    private func keep(_ hashes: [UInt8], at place: TilePlace?) throws {
        guard let place else { throw CommandFailure("the log is too large") }
        try write("tile/\(place.path)", hashes)
    }

    // MARK: Files

    private func read(_ path: String, _ limit: Int) throws -> [UInt8] {
        do throws(FileFailure) {
            return try PrivateFile.read("\(folder)/\(path)", secret: false, limit: limit)
        } catch {
            throw CommandFailure("the mirror's \(path) cannot be read")
        }
    }

    private func write(_ path: String, _ bytes: [UInt8]) throws {
        let whole = "\(folder)/\(path)"
        do throws(FileFailure) {
            if PrivateFile.exists(whole), try PrivateFile.read(whole, secret: false, limit: bytes.count + 1) == bytes {
                return
            }
        } catch {
            // Longer than it should be, or not readable: written again.
        }
        do throws(FileFailure) {
            if let slash = whole.lastIndex(of: "/") { try PrivateFile.makeFolder(String(whole[..<slash])) }
            try PrivateFile.replace(whole, bytes)
        } catch {
            throw CommandFailure("the mirror's \(path) cannot be written")
        }
    }
}

extension TilePlace {
    /// Of the payloads of a bundle, beside the tiles.
    fileprivate var payloadPath: String { String(path.dropFirst("entries/".utf8.count)) }
}

/// The log of the store at hand.
struct LocalLog: MirrorSource {
    let log: AuditLog
    let takesPayloads: Bool

    func checkpoints() async throws -> (newest: String, witnessed: String?) {
        guard let newest = log.signedCheckpoint() else { throw CommandFailure("the checkpoint could not be signed") }
        return (newest: newest, witnessed: log.witnessedCheckpoint)
    }

    func bundle(_ place: TilePlace) async throws -> [UInt8] {
        guard let bytes = try log.bundle(place) else { throw CommandFailure("the log could not be read") }
        return bytes
    }

    func payloads(_ place: TilePlace) async throws -> [[UInt8]]? { takesPayloads ? try log.payloads(place) : nil }
}

/// The log of a server, as a stranger sees it.
struct RemoteLog: MirrorSource {
    let client: LogClient

    func checkpoints() async throws -> (newest: String, witnessed: String?) {
        let newest = try await client.get("checkpoint", limit: SignedNote.largestSize)
        guard newest.status == 200 else { throw CommandFailure("the log hands out no checkpoint") }
        let witnessed = try await client.get("checkpoint/witnessed", limit: SignedNote.largestSize)
        return (
            newest: String(decoding: newest.body, as: UTF8.self),
            witnessed: witnessed.status == 200 ? String(decoding: witnessed.body, as: UTF8.self) : nil
        )
    }

    func bundle(_ place: TilePlace) async throws -> [UInt8] { try await fetch(place, limit: TilePlace.full * 65_538) }

    func payloads(_ place: TilePlace) async throws -> [[UInt8]]? { nil }

    /// Waits where the log asks for patience.
    func fetch(_ place: TilePlace, limit: Int) async throws -> [UInt8] {
        for _ in 0..<10 {
            let answer = try await client.get("tile/\(place.path)", limit: limit)
            if answer.status == 200 { return answer.body }
            guard answer.status == 429 else { break }
            try await Task.sleep(for: .seconds(5))
        }
        throw CommandFailure("the log does not hand out a part of its tree")
    }
}
