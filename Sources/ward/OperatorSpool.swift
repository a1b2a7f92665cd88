import Foundation
import Glibc
import Synchronization
import WardAudit
import WardContinuity
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy
import WardStorage

/// What was looked at in a read-only emergency, where the store is written.
extension OperatorService {
    func reconcileSpool(_ request: OperatorRequest, _ reply: @escaping Reply) async throws {
        guard let path = request.options["spool"] else { throw CommandFailure("a spool is needed") }
        guard imports.enter() else { throw CommandFailure("another spool or import is being taken in") }
        defer { imports.leave() }
        let bytes: [UInt8]
        do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: true, limit: 1 << 32) } catch {
            throw CommandFailure(SpoolFailure.file(error).text)
        }
        let actor = try await acting(.administer, request)
        let report: SpoolReport
        do throws(SpoolFailure) {
            report = try await house.reconciliation.take(bytes, by: actor, source: Self.source) { done, total in
                reply(.progress(done: done, total: total, what: "events"))
            }
        } catch {
            // Somebody brought a spool that is none, or not any more: that is told, whatever the reason.
            _ = try? await house.log.append(
                AuditEvent(
                    kind: .spoolReconciled, time: .now(), outcome: .failed, actor: actor,
                    purpose: .systemAdministration,
                    source: Self.source, decision: error.text))
            throw CommandFailure(error.text)
        }
        house.people.forgetSessions(report.endedSessions)
        if request.options["json"] != nil {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("spool", report.spool)
            writer.member("events", Int64(report.events))
            writer.member("taken", Int64(report.taken))
            writer.key("endSeen")
            writer.bool(report.isEndSeen)
            writer.member("unclosedRuns", Int64(report.unclosedRuns))
            writer.member("endedSessions", Int64(report.endedSessions.count))
            writer.member("looseBytes", Int64(report.looseBytes))
            writer.endObject()
            reply(.output(String(decoding: writer.bytes, as: UTF8.self)))
        } else {
            reply(.output("spool   \(report.spool)"))
            reply(.output("events  \(report.events), of which \(report.taken) were taken into the log now"))
            if !report.endedSessions.isEmpty {
                reply(.output("ended   \(report.endedSessions.count) sessions that ended at that time"))
            }
            if let first = report.first, let last = report.last {
                reply(.output("from    \(first.text) to \(last.text)"))
            }
            reply(
                .output(
                    report.isEndSeen
                        ? "end     seen: nothing is missing after the last event of any run"
                        : "END     NOT SEEN of \(report.unclosedRuns) runs, \(report.looseBytes) loose bytes: what was "
                            + "looked at last in each may be missing"))
        }
        if !report.isEndSeen { reply(.unsound) }
    }
}

/// Spools that lie beside a data folder.
struct KnownSpools: Sendable {
    struct Spool: Sendable {
        let path: String
        /// Nil for one that cannot be read.
        let outline: SpoolOutline?
        let isTaken: Bool
    }

    let spools: [Spool]

    /// Looks for them, and whether the store's log has them.
    init(_ folder: DataFolder, _ store: (any SealedStore)?) {
        let path = DataFolder.canonical(folder.path)
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let (parent, name) = (String(path[..<slash]), String(path[path.index(after: slash)...]))
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parent.isEmpty ? "/" : parent)) ?? []
        spools = names.filter { $0.hasPrefix("\(name).emergency-") && $0.hasSuffix(".spool") }.sorted().map { file in
            let place = "\(parent)/\(file)"
            let outline = Self.outline(place)
            let isTaken = outline.map { outline in
                store.map { (try? SpoolReconciliation.isTaken(outline, in: $0)) ?? false } ?? false
            }
            return Spool(path: place, outline: outline, isTaken: isTaken ?? false)
        }
    }

    /// What a file was when it was read, as the file system says it.
    private struct Stamp: Equatable {
        let inode: UInt
        let size: Int
        let seconds: Int
        let nanoseconds: Int

        init?(_ path: String) {
            var status = stat()
            guard unsafe lstat(path, &status) == 0 else { return nil }
            (inode, size) = (UInt(status.st_ino), Int(status.st_size))
            (seconds, nanoseconds) = (Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec))
        }
    }

    /// A spool may be large, and is asked for every hour.
    private static let read = Mutex<[String: (stamp: Stamp, outline: SpoolOutline?)]>([:])

    private static func outline(_ path: String) -> SpoolOutline? {
        guard let stamp = Stamp(path) else { return nil }
        if let known = read.withLock({ $0[path] }), known.stamp == stamp { return known.outline }
        let outline = (try? PrivateFile.read(path, secret: false, limit: 1 << 32)).flatMap { try? SpoolOutline($0) }
        read.withLock { $0[path] = (stamp: stamp, outline: outline) }
        return outline
    }

    /// Those whose events are not in the log, as far as this machine knows.
    var waiting: [Spool] { spools.filter { !$0.isTaken } }

    var lines: [String] {
        waiting.map { spool in
            let what = spool.outline.map { "\($0.commits) records\($0.isClosed ? "" : ", end not seen")" }
            return "spool     NOT IN THE LOG YET: \(spool.path) (\(what ?? "cannot be read")); ward standby reconcile"
        }
    }

    func write(to writer: inout JSONWriter) {
        writer.key("spools")
        writer.beginArray()
        for spool in waiting {
            writer.beginObject()
            writer.member("file", spool.path)
            if let outline = spool.outline {
                writer.member("spool", outline.header.name)
                writer.member("records", Int64(outline.commits))
                writer.key("closed")
                writer.bool(outline.isClosed)
            }
            writer.endObject()
        }
        writer.endArray()
    }
}
