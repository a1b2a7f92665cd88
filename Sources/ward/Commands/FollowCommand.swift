import ArgumentParser
import Glibc
import Synchronization
import WardContinuity
import WardCore
import WardFHIR
import WardSQLite
import WardStorage

/// Keeps a copy of a primary's store, and grants it the lease to write.
struct FollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow", abstract: "Follow a primary: keep a copy of its store, ready to take its place.",
        discussion: """
            Runs until it is stopped, and connects again whenever it was cut off. Exits with 2 if what the primary sends is \
            no continuation of the copy, 0 when a promotion ends it.
            """)

    @Option(name: .long, help: "HOST:PORT of the primary (its --standby-listen); by default as before.")
    var primary: String?
    @Option(name: .long, help: "File with the pairing (ward standby pair); needed the first time.") var pairing: String?
    @OptionGroup var keys: StandbyKeyOptions

    func run() async throws {
        let folder = keys.folder
        let key = try StandbyKeyFile.read(try keys.path())
        try folder.make()
        let lock = try FolderLock(folder)
        defer { withExtendedLifetime(lock) {} }
        let pairing = try known(folder)
        guard !pairing.address.isEmpty else { throw CommandFailure("--primary says where the primary is: HOST:PORT") }
        let store: SQLiteStore
        do throws(StorageFailure) { store = try SQLiteStore(path: folder.database) } catch {
            throw CommandFailure(error.text)
        }
        defer { store.close() }
        unsafe unlink(folder.standbyStop)
        let follower = Run(
            folder: folder, store: store, pairing: pairing,
            ends: .init(own: key.identity, peer: pairing.primary, silence: pairing.leaseSeconds))
        try await follower.run()
    }

    /// The pairing, kept in the folder from the first time on.
    private func known(_ folder: DataFolder) throws -> StandbyPairing {
        let isKnown = PrivateFile.exists(folder.standbyPairing)
        guard let path = isKnown ? folder.standbyPairing : pairing else {
            throw CommandFailure("--pairing names the file that ward standby pair printed on the primary")
        }
        guard !isKnown || pairing == nil else {
            throw CommandFailure("this folder is paired already; another pairing needs an empty folder")
        }
        var found = try StandbyPairing.read(path)
        if !isKnown, PrivateFile.exists(folder.database) {
            throw CommandFailure("\(folder.path) holds a store already; a standby begins with an empty folder")
        }
        if let primary {
            _ = try StandbyWire.place(primary)
            found.address = primary
        }
        if !isKnown || primary != nil {
            do throws(FileFailure) { try PrivateFile.replace(folder.standbyPairing, Array(found.text.utf8)) } catch {
                throw CommandFailure("\(folder.standbyPairing) cannot be written")
            }
        }
        return found
    }

    /// One run of the follower.
    private struct Run: Sendable {
        let folder: DataFolder
        let store: SQLiteStore
        let pairing: StandbyPairing
        let ends: StandbyWire.Ends
        private let state: FollowState

        init(folder: DataFolder, store: SQLiteStore, pairing: StandbyPairing, ends: StandbyWire.Ends) {
            self.folder = folder
            self.store = store
            self.pairing = pairing
            self.ends = ends
            state = FollowState(pairing.leaseSeconds * 1_000_000_000)
        }

        func run() async throws {
            let status = Task.detached {
                while !Task.isCancelled {
                    state.write(folder)
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            defer {
                status.cancel()
                state.write(folder)
            }
            let stopping = Task.detached {
                while !PrivateFile.exists(folder.standbyStop) {
                    guard (try? await Task.sleep(for: .milliseconds(100))) != nil else { return }
                }
                // From here on no lease is granted, and what comes is not taken.
                state.stop()
                Terminal.note("stopped for a promotion")
                Glibc.exit(0)
            }
            defer { stopping.cancel() }
            while true {
                do {
                    try await follow()
                } catch StandbyFailure.notContinuous {
                    throw CommandFailure(
                        "what the primary sends is no continuation of this copy: nothing of it was taken. keep both as "
                            + "evidence; a standby can begin anew with an empty folder", isDamage: true)
                } catch StandbyFailure.store(let failure) {
                    throw CommandFailure(
                        failure == .locked ? "this folder is no standby's copy (any more)" : failure.text)
                } catch StandbyFailure.refused(let code) {
                    throw CommandFailure("the primary refuses this standby: \(code)", isDamage: true)
                } catch {
                    // Away, cut off, or not the one that was paired: tried again.
                    state.set(isConnected: false)
                }
                try await Task.sleep(for: .milliseconds(500))
            }
        }

        private func follow() async throws {
            let link = try await StandbyWire.connect(pairing.address, ends)
            state.set(isConnected: true)
            defer { state.set(isConnected: false) }
            let known = StandbyFollower.Pairing(
                store: pairing.store, epoch: pairing.epoch, origin: pairing.origin, publicKey: pairing.logKey)
            try await StandbyFollower(
                known, into: store, grants: { state.grant() }, progress: { state.set($0, events: $1) }
            ).run(over: link)
        }
    }
}

/// How a follower stands, for whoever asks.
final class FollowState: Sendable {
    private struct State {
        var giver: LeaseGiver
        var isConnected = false
        var mark: StandbyMark?
        var events: Int64 = 0
        var granted: Instant?
        var written: [UInt8] = []
    }

    private let state: Mutex<State>

    init(_ length: Int64) {
        state = Mutex(State(giver: LeaseGiver(length: length, startedAt: LeaseClock.now())))
    }

    func grant() -> Bool {
        state.withLock { state in
            guard state.giver.grant(at: LeaseClock.now()) else { return false }
            state.granted = .now()
            return true
        }
    }

    func stop() { state.withLock { $0.giver.stop() } }

    func set(isConnected: Bool) { state.withLock { $0.isConnected = isConnected } }

    func set(_ mark: StandbyMark, events: Int64) { state.withLock { ($0.mark, $0.events) = (mark, events) } }

    func write(_ folder: DataFolder) {
        state.withLock { state in
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("role", "standby")
            writer.key("connected")
            writer.bool(state.isConnected)
            if let mark = state.mark {
                writer.key("whole")
                writer.bool(mark.phase == .whole)
                writer.member("events", state.events)
                writer.member("upTo", mark.time.text)
            }
            if let granted = state.granted { writer.member("leaseGranted", granted.text) }
            writer.endObject()
            guard writer.bytes != state.written else { return }
            state.written = writer.bytes
            try? PrivateFile.replace(folder.standbyStatus, writer.bytes)
        }
    }
}

/// What a follower wrote last of how it stands.
enum FollowStatus {
    static func show(_ folder: DataFolder, json: Bool) throws {
        guard let bytes = try? PrivateFile.read(folder.standbyStatus, secret: false),
            let root = (try? JSONTape(parsing: bytes))?.root
        else { throw CommandFailure("this standby has not run yet") }
        let isReading =
            PrivateFile.exists(folder.emergencyLock)
            && (try? FolderLock(file: folder.emergencyLock, of: folder)) == nil
        // Whether a process keeps this up.
        let isRunning = !isReading && (try? FolderLock(folder)) == nil
        let store = try? SQLiteStore(reading: folder.database)
        defer { store?.close() }
        let spools = KnownSpools(folder, store)
        func isSet(_ name: StaticString) -> Bool { root[name].map { root.tape.text($0.index) == "true" } ?? false }
        let isGood = isRunning && isSet("connected") && isSet("whole") && spools.waiting.isEmpty
        if json {
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("role", "standby")
            writer.key("connected")
            writer.bool(isRunning && isSet("connected"))
            writer.key("whole")
            writer.bool(isSet("whole"))
            writer.key("running")
            writer.bool(isRunning)
            writer.member("events", root["events"]?.integer ?? 0)
            writer.member("upTo", root["upTo"]?.string ?? "")
            writer.member("leaseGranted", root["leaseGranted"]?.string ?? "")
            writer.key("emergency")
            writer.bool(isReading)
            spools.write(to: &writer)
            writer.key("good")
            writer.bool(isGood)
            writer.endObject()
            Terminal.say(String(decoding: writer.bytes, as: UTF8.self))
        } else {
            Terminal.say(
                "follower  \(isReading ? "does not run: READ-ONLY EMERGENCY MODE" : isRunning ? (isSet("connected") ? "follows" : "cannot reach the primary") : "does not run")"
            )
            Terminal.say("copy      \(isSet("whole") ? "whole" : "not whole yet: it cannot be promoted")")
            Terminal.say("events    \(root["events"]?.integer ?? 0)")
            Terminal.say("up to     \(root["upTo"]?.string ?? "nothing yet")")
            Terminal.say("lease     granted last at \(root["leaseGranted"]?.string ?? "no time")")
            for line in spools.lines { Terminal.say(line) }
        }
        if !isGood { Glibc.exit(2) }
    }
}
