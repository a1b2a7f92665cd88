import Foundation
import Testing
import WardCore

@Suite struct `Private files` {
    private let temporary = TemporaryFolder()
    private var folder: String { temporary.path }

    init() throws {
        try PrivateFile.makeFolder(folder + "/a/b")
    }

    private func mode(_ path: String) -> UInt32 {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func `belong to the owner alone`() throws {
        try PrivateFile.create(folder + "/key", [1, 2, 3])
        #expect(mode(folder + "/key") == 0o600)
        #expect(mode(folder) == 0o700 && mode(folder + "/a/b") == 0o700)
        #expect(try PrivateFile.read(folder + "/key", secret: true) == [1, 2, 3])
    }

    @Test func `are never overwritten, not even through a link`() throws {
        try PrivateFile.create(folder + "/key", [1])
        #expect(throws: FileFailure.exists) { try PrivateFile.create(folder + "/key", [2]) }
        #expect(unsafe symlink("\(folder)/elsewhere", folder + "/link") == 0)
        #expect(throws: FileFailure.exists) { try PrivateFile.create(folder + "/link", [2]) }
        #expect(!PrivateFile.exists(folder + "/elsewhere"))
        #expect(try PrivateFile.read(folder + "/key", secret: true) == [1])
    }

    @Test func `are replaced whole, and leave nothing beside them`() throws {
        try PrivateFile.create(folder + "/state", [1])
        try PrivateFile.create(folder + "/state.new", [9, 9, 9])
        try PrivateFile.replace(folder + "/state", [2, 2])
        #expect(try PrivateFile.read(folder + "/state", secret: true) == [2, 2])
        #expect(!PrivateFile.exists(folder + "/state.new"))
        #expect(throws: FileFailure.self) { try PrivateFile.replace(folder + "/a", [1]) }
        #expect(!PrivateFile.exists(folder + "/a.new"))
    }

    @Test(arguments: [0o640, 0o604, 0o660, 0o606, 0o610, 0o601] as [mode_t])
    func `are not read as secrets when others have access`(mode: mode_t) throws {
        try PrivateFile.create(folder + "/key", [1])
        #expect(unsafe chmod(folder + "/key", mode) == 0)
        #expect(throws: FileFailure.readableByOthers) { try PrivateFile.read(folder + "/key", secret: true) }
        #expect(try PrivateFile.read(folder + "/key", secret: false) == [1])
    }

    @Test func `are read up to a limit`() throws {
        try PrivateFile.create(folder + "/big", [UInt8](repeating: 7, count: 100_000))
        #expect(try PrivateFile.read(folder + "/big", secret: true, limit: 100_000).count == 100_000)
        #expect(throws: FileFailure.tooLarge) { try PrivateFile.read(folder + "/big", secret: true, limit: 99_999) }
    }

    @Test func `are missing where there is none`() {
        #expect(throws: FileFailure.missing) { try PrivateFile.read(folder + "/none", secret: true) }
        #expect(throws: FileFailure.self) { try PrivateFile.create(folder + "/no/folder", [1]) }
        #expect(throws: FileFailure.self) { try PrivateFile.read(folder, secret: false) }
    }
}

/// A folder of one test's own, gone with all that is in it when the test ends.
private final class TemporaryFolder: Sendable {
    let path = FileManager.default.temporaryDirectory.path + "/ward-tests-\(UUID().uuidString)"

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
