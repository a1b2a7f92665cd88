import Synchronization
import Testing
import WardAudit
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage
import WardTestKit

func SQLiteStoreOf(_ folder: TemporaryFolder) throws -> SQLiteStore { try SQLiteStore(path: "\(folder.path)/ward.db") }

struct DamageTests {
    /// A house with a full backup and some segments after it.
    private func filled() async throws -> (BackupHouse, MemoryDestination, Backup, BackupStream) {
        let house = try await BackupHouse()
        try await house.write(0..<120)
        let destination = MemoryDestination()
        let stream = BackupStream()
        stream.follow(house.store)
        let backup = house.backup(to: destination, stream: stream)
        _ = try await backup.full()
        for part in 0..<3 {
            try await house.write(UInt64(200 + part * 10)..<UInt64(205 + part * 10))
            try await stream.flush()
        }
        return (house, destination, backup, stream)
    }

    @Test func `a whole backup verifies, by the store and by the kit`() async throws {
        let (house, destination, backup, _) = try await filled()
        let found = try await backup.reader.verify(expected: house.desk.state)
        #expect(found.faults == [])
        #expect(found.backups == 1 && found.segments == 3 && found.chunks > 4)
        #expect(try await BackupReader(destination, kit: house.kit).verify().isWhole)
        await #expect(throws: BackupFailure.empty) { try await house.backup(to: MemoryDestination()).reader.verify() }
    }

    @Test func `one flipped bit in any object is found and named, and nothing of it is restored`() async throws {
        let (house, destination, backup, _) = try await filled()
        let objects = destination.objects
        for (name, object) in objects {
            let places = [
                0, 1, object.count / 3, object.count / 2, object.count - 97, object.count - 40, object.count - 1,
            ]
            for place in places where object.indices.contains(place) {
                var flipped = object
                flipped[place] ^= 1 << UInt8(place % 8)
                destination.state.withLock { $0.objects[name] = flipped }
                let faults = try await backup.reader.verify(expected: house.desk.state).faults
                #expect(
                    faults.contains(.altered(name)) || faults.contains(.foreignSigner(name)),
                    "\(name) \(place) \(faults)")
                if name.hasPrefix("stream/") {
                    let (_, report, _) = try await house.restore(from: destination)
                    #expect(report.broken == .altered(name) || report.broken == .foreignSigner(name))
                } else {
                    await #expect(throws: BackupFailure.self) { try await house.restore(from: destination) }
                }
            }
            destination.objects = objects
        }
    }

    @Test func `any object that is missing, or cut short, is found and named`() async throws {
        let (house, destination, backup, stream) = try await filled()
        // The end of the stream is known by the next full backup.
        _ = try await backup.full()
        try await stream.flush()
        let objects = destination.objects
        let last = destination.names("stream/").last
        for (name, object) in objects {
            for changed in [nil, [], Array(object.prefix(object.count / 2)), Array(object.dropLast())] {
                destination.state.withLock { $0.objects[name] = changed }
                let faults = try await backup.reader.verify(expected: house.desk.state).faults
                if changed == nil, name == last {
                    #expect(faults == [])
                } else {
                    #expect(faults.contains(changed == nil ? .missing(name) : .altered(name)), "\(name) \(faults)")
                }
            }
            destination.objects = objects
        }
    }

    @Test func `objects that changed names are found`() async throws {
        let (house, destination, backup, _) = try await filled()
        let objects = destination.objects
        for prefix in ["chunks/", "stream/"] {
            let names = destination.names(prefix)
            destination.objects[names[0]] = objects[names[1]]
            destination.objects[names[1]] = objects[names[0]]
            let faults = try await backup.reader.verify(expected: house.desk.state).faults
            #expect(faults.contains(.altered(names[0])) && faults.contains(.altered(names[1])), "\(faults)")
            destination.objects = objects
        }
    }

    @Test func `a destination that was set back is found by the store that wrote it`() async throws {
        let (house, destination, backup, _) = try await filled()
        let earlier = destination.objects
        _ = try await backup.full()
        destination.objects = earlier
        let name = "manifests/000000000002"
        #expect(try await backup.reader.verify(expected: house.desk.state).faults == [.missing(name)])
        // At the next start as well, and a full backup mends it.
        let stream = BackupStream()
        var start: LogPosition?
        let house2 = try await house.reopened {
            start = Backup.position(of: $0)
            stream.follow($0)
        }
        let next = house2.backup(to: destination, stream: stream)
        let position = try #require(start)
        await #expect(throws: BackupFailure.missing(name)) { try await next.begin(at: position) }
        #expect(stream.needsFull)
        #expect(try await next.full().manifest.number == 3)
        #expect(!stream.needsFull)
        #expect(try await next.reader.verify(expected: house2.desk.state).isWhole)
    }

    @Test func `a segment missing in the middle ends the restore there, and says so`() async throws {
        let (house, destination, _, _) = try await filled()
        let names = destination.names("stream/")
        destination.state.withLock { $0.objects[names[1]] = nil }
        let (restored, report, _) = try await house.restore(from: destination)
        #expect(report.broken == .missing(names[1]))
        #expect(try restored.versions(after: RecordNumber(0), limit: .max).count == 125)
    }

    @Test func `a folder keeps what was written, and writes over nothing`() async throws {
        let folder = try TemporaryFolder()
        let destination = FolderDestination("\(folder.path)/backup")
        try await destination.put("a/b/c", [1, 2])
        try await destination.put("a/b/c", [1, 2])
        await #expect(throws: BackupFailure.occupied("a/b/c")) { try await destination.put("a/b/c", [1, 3]) }
        #expect(try await destination.get("a/b/c") == [1, 2])
        #expect(try await destination.list("a/") == ["a/b/c"])
        #expect(try await destination.list("x/") == [])
        #expect(try await destination.size(of: "a/b/d") == nil)
        await #expect(throws: BackupFailure.missing("a/b/d")) { try await destination.get("a/b/d") }
        // What a crash left half written has no name yet.
        try PrivateFile.create("\(folder.path)/backup/a/b/d.new", [1])
        #expect(try await destination.list("a/") == ["a/b/c"])
        try await destination.put("a/b/d", [5])
        #expect(try await destination.get("a/b/d") == [5])
        try await destination.remove("a/b/c")
        try await destination.remove("a/b/c")
        try await destination.remove("a/b/d")
        #expect(try await destination.list("a/") == [])
    }
}
