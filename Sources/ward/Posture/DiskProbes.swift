import WardAudit
import WardSQLite
import Dispatch
import Foundation
import Glibc
import WardCore
import WardCrypto
import WardStorage
import WardTelemetry

/// What lies on the disk, and what was written to the operational log.
extension PostureScene {
    static let disk = PostureGroup(
        name: "on the disk",
        probes: [
            PostureProbe(
                id: "no-plaintext",
                checks:
                    "a word that nobody else knows is sent by path, query, header and body, and searched for in the "
                    + "data folder, with words that every record has in plaintext",
                covers: [.recordsInLogs, .noEncryption, .encryptionAtRest], clause: "164.312(a)(2)(iv)",
                limits:
                    "swap, other folders, copies that somebody made; of more than 256 MB the newest part is searched",
                look: { try await $0.plaintext() }),
            PostureProbe(
                id: "nothing-in-log", checks: "the same word is searched for in the lines of the operational log",
                covers: [.recordsInLogs], clause: "164.312(a)(1)",
                limits: "logs of a proxy before the server; lines of before the last 500",
                look: { try await $0.operationalLog() }),
            PostureProbe(
                id: "sealed-looks-random", checks: "entropy of the newest sealed rows",
                covers: [.noEncryption, .encryptionAtRest],
                clause: "164.312(a)(2)(iv)",
                limits: "who has the keys; that random-looking bytes are well sealed: the program's tests do",
                look: { try $0.entropy() }),
            PostureProbe(
                id: "file-modes", checks: "owner and mode of the data folder, all that is in it, and the key file",
                covers: [.noEncryption, .secretsInCode], clause: "164.312(a)(1)",
                limits: "access lists beyond modes, and whoever is root", look: { $0.modes() }),
            PostureProbe(
                id: "build", checks: "the program is a release build", covers: [.tooSmall], clause: "164.306(a)",
                limits: "that the program is the one that was published", look: { _ in buildFinding() }),
        ])

    /// Sends the word everywhere a request has room for text; nothing of it is let in.
    func sendCanary() async throws -> String {
        let canary = "probe\(hex(randomBytes(12)))"
        _ = try await request("GET", "/sign-in?back=/\(canary)")
        _ = try await request("GET", "/\(canary)", [("X-Request-Id", canary), ("User-Agent", canary)])
        _ = try await request(
            "POST", "/fhir/Patient", [("Content-Type", "application/fhir+json")],
            body: #"{"resourceType":"Patient","name":[{"family":"\#(canary)"}]}"#)
        return canary
    }

    /// On a queue of its own, and in the background at a quarter of the time: the threads that answer requests are few.
    private func plaintext() async throws -> PostureFinding {
        let (folder, canary, isRoutine) = (house.folder.path, canary, isRoutine)
        let result: Result<PostureFinding, any Error> = await withCheckedContinuation { continuation in
            DispatchQueue(label: "ward.posture", qos: isRoutine ? .background : .utility).async {
                continuation.resume(returning: Result { try Self.searched(folder, for: canary, isRoutine) })
            }
        }
        return try result.get()
    }

    private static func searched(
        _ folder: String, for canary: String?, _ isRoutine: Bool
    ) throws -> PostureFinding {
        var words = [#""resourceType""#, #""birthDate""#, #"<Patient "#, "BEGIN PRIVATE KEY", "BEGIN EC PRIVATE KEY"]
        if let canary { words.append(canary) }
        let encoded =
            words.flatMap { [Data($0.utf8), $0.data(using: .utf16LittleEndian) ?? Data()] }
            + words.suffix(1).map { Data(base64($0).utf8) }
        var searched: Int64 = 0
        for file in FileStanding.all(in: folder) where file.isFile {
            guard let handle = FileHandle(forReadingAtPath: file.path) else {
                return .notChecked("a file of the data folder cannot be read")
            }
            defer { try? handle.close() }
            let start = max(0, file.size - mostSearched)
            try handle.seek(toOffset: UInt64(start))
            var tail = Data()
            while let part = try handle.read(upToCount: 4 << 20), !part.isEmpty {
                let began = ContinuousClock.now
                let window = tail + part
                for (number, word) in encoded.enumerated() where window.range(of: word) != nil {
                    let what =
                        number / 2 == words.count - 1 && canary != nil
                        ? "the word that was sent" : "plaintext of records or keys"
                    return .broken("\(what) stands in \(file.path)")
                }
                tail = Data(window.suffix(256))
                searched += Int64(part.count)
                if isRoutine { usleep(UInt32(min((ContinuousClock.now - began) / .microseconds(1) * 3, 1e6))) }
            }
        }
        let what = "\(searched / 1024) KB searched"
        return canary == nil
            ? .notChecked("\(what), nothing found; no server runs that the word could be sent to") : .holds(what)
    }

    private static let mostSearched: Int64 = 256 << 20

    private static func base64(_ text: String) -> String {
        // Without its ends, which depend on what stands beside it.
        String(Data(text.utf8).base64EncodedString().dropFirst(4).dropLast(4))
    }

    private func operationalLog() async throws -> PostureFinding {
        guard let canary else { throw ProbeFailure.noServer }
        let lines = OperationalLog.recentLines
        guard !lines.contains(where: { $0.contains(canary) }) else {
            return .broken("the word that was sent stands in a line")
        }
        let texts = lines.joined(separator: "\n")
        for word in ["resourceType", "Bearer ", "password", "@"] where texts.contains(word) {
            return .broken("a line of the operational log contains \(word)")
        }
        return .holds("\(lines.count) lines searched")
    }

    private func entropy() throws -> PostureFinding {
        var bytes: [UInt8] = []
        let last = house.log.position.lastRecord.value
        for version in try house.store.versions(after: RecordNumber(max(0, last - 128)), limit: 128) {
            // Format, algorithm and key number are not secret.
            bytes += version.body.dropFirst(2)
        }
        let size = house.log.checkpoint.size
        for leaf in try house.store.leaves(from: max(0, size - 128), limit: 128) { bytes += leaf.payload.dropFirst(2) }
        guard bytes.count >= 1280 else { return .notChecked("fewer than 1280 sealed bytes so far") }
        var counts = [Int](repeating: 0, count: 256)
        for byte in bytes { counts[Int(byte)] += 1 }
        // Chi-square against equal shares: 255 degrees of freedom, standard deviation 22.6; far beyond what chance does.
        let expected = Double(bytes.count) / 256
        let chi = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        return chi < 450
            ? .holds("\(bytes.count) sealed bytes, evenly spread")
            : .broken("\(bytes.count) stored bytes are not evenly spread, as sealed ones are")
    }

    private func modes() -> PostureFinding {
        guard let folder = FileStanding(house.folder.path) else { return .notChecked("the data folder cannot be read") }
        var files = [folder] + FileStanding.all(in: house.folder.path)
        if let keyFile, let key = FileStanding(keyFile) { files.append(key) }
        let open = files.filter { !$0.isPrivate }
        guard let first = open.first else { return .holds("\(files.count) files and folders, all the owner's alone") }
        return .broken("\(open.count) can be reached by others, first \(first.path) with mode \(first.modeText)")
    }
}

private func buildFinding() -> PostureFinding {
    #if DEBUG
        .gap("a debug build: slower, and not what is released")
    #else
        .holds("a release build")
    #endif
}
