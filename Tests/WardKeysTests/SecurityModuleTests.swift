import Foundation
import Testing
import WardCore
import WardCrypto
import WardKeys

/// SoftHSM with a token of one test run's own.
private final class SoftToken: Sendable {
    static let library = "/usr/lib/softhsm/libsofthsm2.so"
    static let isThere =
        FileManager.default.fileExists(atPath: library)
        && FileManager.default.fileExists(atPath: "/usr/bin/softhsm2-util")
    static let label = "ward-tests"
    static let pin = "4711-0815"

    /// The library reads its configuration once, when it is loaded.
    static let made: Bool = {
        let folder = FileManager.default.temporaryDirectory.path + "/ward-token-\(UUID().uuidString)"
        do {
            try FileManager.default.createDirectory(atPath: folder + "/tokens", withIntermediateDirectories: true)
            try "directories.tokendir = \(folder)/tokens\nobjectstore.backend = file\nlog.level = ERROR\n".write(
                toFile: folder + "/softhsm2.conf", atomically: true, encoding: .utf8)
        } catch {
            return false
        }
        unsafe setenv("SOFTHSM2_CONF", folder + "/softhsm2.conf", 1)
        let tool = Process()
        tool.executableURL = URL(fileURLWithPath: "/usr/bin/softhsm2-util")
        tool.arguments = ["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", pin]
        tool.standardOutput = FileHandle.nullDevice
        guard (try? tool.run()) != nil else { return false }
        tool.waitUntilExit()
        return tool.terminationStatus == 0
    }()
}

@Suite(.enabled(if: SoftToken.isThere, "SoftHSM is not installed"), .serialized)
struct `A security module` {
    private let recovery = RecoveryCode()

    init() throws {
        try #require(SoftToken.made)
    }

    private func module(
        key: String, library: String = SoftToken.library, token: String = SoftToken.label, pin: String = SoftToken.pin
    ) throws -> SecurityModule {
        SecurityModule(
            try #require(TokenPlace(library: library, token: token, key: key)),
            pin: SecretBytes(copying: Array(pin.utf8)))
    }

    private func ring(_ module: SecurityModule) throws -> (keyring: Keyring, material: KeyMaterial) {
        try Keyring.create(storeID: "s", unlock: .securityModule(module), recovery: recovery, today: 1)
    }

    private func bytes(_ material: KeyMaterial) -> [UInt8] { material.withBytes { $0 } }

    @Test func `holds a root key that opens the store, beside the recovery code`() throws {
        let held = try module(key: "one")
        try held.makeKey()
        let made = try ring(held)
        let stored = try Keyring(decoding: try made.keyring.encoded())
        #expect(stored.provider == .securityModule && stored.place == held.place)
        let opened = try stored.open(storeID: "s", unlock: .securityModule(held))
        #expect(bytes(opened) == bytes(made.material))
        #expect(bytes(try stored.open(storeID: "s", unlock: .recovery(recovery))) == bytes(made.material))
        try stored.prove(held, storeID: "s")
        #expect(throws: KeyFailure.refused) { try stored.prove(held, storeID: "t") }
        #expect(throws: KeyFailure.notConfigured) { try stored.open(storeID: "s", unlock: .keyFile(.random())) }
    }

    @Test func `opens nothing with another key, PIN, token, library or none`() throws {
        let (held, other) = (try module(key: "two"), try module(key: "three"))
        try held.makeKey()
        try other.makeKey()
        let stored = try ring(held).keyring
        func failure(_ module: SecurityModule) -> KeyFailure? {
            do throws(KeyFailure) { _ = try stored.open(storeID: "s", unlock: .securityModule(module)) } catch {
                return error
            }
            return nil
        }
        #expect(failure(other) == .refused)
        #expect(failure(try module(key: "two", pin: "0000")) == .wrongPIN)
        #expect(failure(try module(key: "two", token: "elsewhere")) == .tokenMissing)
        #expect(failure(try module(key: "never-made")) == .tokenKeyMissing)
        #expect(failure(try module(key: "two", library: "/nonexistent/module.so")) == .moduleMissing)
        #expect(failure(held) == nil, "a wrong PIN before is forgotten")
    }

    @Test func `never takes over a key, and what it destroyed is gone`() throws {
        let held = try module(key: "four")
        try held.makeKey()
        #expect(throws: KeyFailure.tokenKeyExists) { try held.makeKey() }
        let stored = try ring(held).keyring
        try held.destroyKey()
        #expect(throws: KeyFailure.tokenKeyMissing) { try stored.open(storeID: "s", unlock: .securityModule(held)) }
        #expect(throws: KeyFailure.tokenKeyMissing) { try held.destroyKey() }
        try held.makeKey()
        #expect(throws: KeyFailure.refused) { try stored.open(storeID: "s", unlock: .securityModule(held)) }
    }

    @Test func `takes a store over from a key file, and gives it back`() throws {
        let file = KeyMaterial.random()
        let made = try Keyring.create(storeID: "s", unlock: .keyFile(file), recovery: recovery, today: 1)
        let held = try module(key: "five")
        try held.makeKey()
        let moved = try OpenKeyring(made.keyring, storeID: "s", unlock: .keyFile(file))
            .withNewRoot(.securityModule(held), today: 2)
        #expect(bytes(try moved.open(storeID: "s", unlock: .securityModule(held))) == bytes(made.material))
        #expect(throws: KeyFailure.notConfigured) { try moved.open(storeID: "s", unlock: .keyFile(file)) }
        let back = try OpenKeyring(moved, storeID: "s", unlock: .securityModule(held))
            .withNewTenant(.keyFile(file), today: 3)
        #expect(back.place == nil)
        #expect(bytes(try back.open(storeID: "s", unlock: .keyFile(file))) == bytes(made.material))
    }

    @Test(arguments: [
        ("relative.so", "t", "k"), ("/a.so", "", "k"), ("/a.so", "t", ""),
        ("/a.so", String(repeating: "t", count: 33), "k"),
        ("/a.so", "t", String(repeating: "k", count: 65)),
    ])
    func `is not looked for where it cannot be`(library: String, token: String, key: String) {
        #expect(TokenPlace(library: library, token: token, key: key) == nil)
    }

    @Test func `prints nothing of its PIN`() throws {
        let held = try module(key: "six")
        #expect(!"\(held) \(String(reflecting: held))".contains(SoftToken.pin))
        var text = ""
        dump(held, to: &text)
        #expect(!text.contains("4711"))
    }
}
