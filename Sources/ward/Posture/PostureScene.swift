import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardServer

/// A server that runs on the store that is looked at.
struct RunningServer: Sendable {
    let settings: ServerSettings
    /// Whether the certificate is of the store's own authority.
    let hasLocalAuthority: Bool
    /// Where the key file lies that this server was started with, if it was one.
    let keyFile: String?
    let isMemoryLocked: Bool
}

/// What probes look at: the opened store, and the server that runs on it, if one does.
struct PostureScene: Sendable {
    let house: House
    let running: RunningServer?
    let keyFile: String?
    /// How many events there were when the look began.
    private(set) var eventsBefore: Int64
    /// Where requests of this look come from, on this machine: failures count by address, and those of one look do not add
    /// up with those of others.
    let source: String
    /// The word that was sent with requests of this look; nil if none could be.
    private(set) var canary: String?
    /// One of the looks that a server makes by itself: without what would put a refusal into the log each hour.
    let isRoutine: Bool

    init(_ house: House, _ running: RunningServer?, keyFile: String?, isRoutine: Bool) {
        self.house = house
        self.running = running
        self.keyFile = running?.keyFile ?? keyFile
        self.isRoutine = isRoutine
        eventsBefore = house.log.checkpoint.size
        let random = randomBytes(3)
        source = "127.\(1 + random[0] % 250).\(random[1]).\(1 + random[2] % 250)"
    }

    /// Looks at everything, one after the other.
    func look() async -> PostureReport {
        var scene = self
        // What strangers were refused before is written now, and cannot be taken for what the look itself makes.
        await house.authenticator.flushFailures()
        scene.eventsBefore = house.log.checkpoint.size
        scene.canary = try? await sendCanary()
        var rows: [PostureRow] = []
        for group in Self.groups {
            for probe in group.probes {
                guard !Task.isCancelled else { return PostureReport(rows: rows) }
                let finding: PostureFinding
                do {
                    finding = try await probe.look(scene)
                } catch let failure as ProbeFailure {
                    finding = .notChecked(failure.text)
                } catch {
                    finding = .notChecked("it could not be read")
                }
                rows.append(PostureRow(group: group.name, probe: probe, finding: finding, time: .now()))
            }
        }
        return PostureReport(rows: rows)
    }

    static let groups = [
        transport, signIn, access, disk, process, keys, log, people, vendors, backups,
    ]

    /// The server that runs.
    func server() throws(ProbeFailure) -> RunningServer {
        guard let running else { throw .noServer }
        return running
    }

    /// `3 hours`: how long ago it was; negative times of a clock that was set back count as none.
    func age(of time: Instant) -> Int64 { max(0, (Instant.now().microseconds - time.microseconds) / 1_000_000) }
}

/// Why a probe could not look.
enum ProbeFailure: Error {
    case noServer
    case notReached

    var text: String {
        switch self {
        case .noServer: "no server runs on this store"
        case .notReached: "the running server's own address was not reached"
        }
    }
}

/// `90 s`, `3 h`, `12 days`.
func ageText(_ seconds: Int64) -> String {
    switch seconds {
    case ..<120: "\(seconds) s"
    case ..<7200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3600) h"
    default: "\(seconds / 86_400) days"
    }
}
