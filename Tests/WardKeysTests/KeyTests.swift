import Foundation
import Testing
import WardCore
import WardCrypto
import WardKeys

/// A folder of one test's own, gone with all that is in it when the test ends.
private final class TemporaryFolder: Sendable {
    let path = FileManager.default.temporaryDirectory.path + "/ward-tests-\(UUID().uuidString)"

    init() throws {
        try PrivateFile.makeFolder(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

private func bytes(_ material: KeyMaterial) -> [UInt8] { material.withBytes { $0 } }

@Suite struct `A key file` {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/data.key" }

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func `belongs to the owner alone, is never overwritten, and reads back`() throws {
        let key = try KeyFile.create(path, storeID: "store-1")
        var status = stat()
        #expect(unsafe stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(bytes(try KeyFile.read(path, storeID: "store-1")) == bytes(key))
        #expect(throws: KeyFailure.file(.exists)) { try KeyFile.create(path, storeID: "store-1") }
        #expect(bytes(try KeyFile.read(path, storeID: "store-1")) == bytes(key))
    }

    @Test(arguments: [0o640, 0o604, 0o644, 0o660, 0o777] as [mode_t])
    func `that others can read is refused`(mode: mode_t) throws {
        _ = try KeyFile.create(path, storeID: "s")
        #expect(unsafe chmod(path, mode) == 0)
        #expect(throws: KeyFailure.file(.readableByOthers)) { try KeyFile.read(path, storeID: "s") }
    }

    @Test func `of another store, or none, is refused`() throws {
        _ = try KeyFile.create(path, storeID: "store-1")
        #expect(throws: KeyFailure.foreignKeyFile) { try KeyFile.read(path, storeID: "store-2") }
        #expect(throws: KeyFailure.file(.missing)) { try KeyFile.read(path + ".x", storeID: "store-1") }
    }

    @Test func `with any letter changed or any line missing is refused`() throws {
        _ = try KeyFile.create(path, storeID: "store-1")
        let content = try PrivateFile.read(path, secret: true)
        for place in content.indices.dropLast() {
            var altered = content
            altered[place] = content[place] == 0x61 ? 0x62 : 0x61
            try PrivateFile.replace(path, altered)
            #expect(throws: KeyFailure.self, "byte \(place)") { try KeyFile.read(path, storeID: "store-1") }
        }
        let lines = String(decoding: content, as: UTF8.self).split(separator: "\n")
        for missing in lines.indices {
            let rest = lines.indices.filter { $0 != missing }.map { lines[$0] }.joined(separator: "\n") + "\n"
            try PrivateFile.replace(path, Array(rest.utf8))
            #expect(throws: KeyFailure.self) { try KeyFile.read(path, storeID: "store-1") }
        }
        for rest in ["", "\n", "ward key file 1\n", "ward key file 2\n" + lines.dropFirst().joined(separator: "\n")] {
            try PrivateFile.replace(path, Array(rest.utf8))
            #expect(throws: KeyFailure.malformedKeyFile) { try KeyFile.read(path, storeID: "store-1") }
        }
        try PrivateFile.replace(path, [UInt8](repeating: 0x61, count: 5000))
        #expect(throws: KeyFailure.file(.tooLarge)) { try KeyFile.read(path, storeID: "store-1") }
    }
}

@Suite struct `A recovery code` {
    private func groups(_ code: RecoveryCode) -> [String] { code.text.split(separator: "-").map(String.init) }

    @Test func `is eight groups of eight letters, and gives its key back`() throws {
        for _ in 0..<50 {
            let code = RecoveryCode()
            #expect(groups(code).map(\.count) == [8, 8, 8, 8, 8, 8, 8, 8])
            #expect(try RecoveryCode(typed: code.text).text == code.text)
        }
        #expect(RecoveryCode().text != RecoveryCode().text)
    }

    @Test func `may be typed in lower case, with spaces, and with O, I and L`() throws {
        let code = RecoveryCode()
        let typings = [
            code.text.lowercased(), code.text.replacing("-", with: " "), code.text.replacing("-", with: ""),
            " \(code.text)\n", code.text.replacing("0", with: "O").replacing("1", with: "I"),
            code.text.replacing("0", with: "o").replacing("1", with: "l"),
        ]
        for typing in typings { #expect(try RecoveryCode(typed: typing).text == code.text) }
    }

    @Test func `names the group with a wrong letter, whichever it is`() {
        let code = RecoveryCode()
        for group in 0..<8 {
            for place in 0..<8 {
                for letter in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
                    var parts = groups(code).map { Array($0) }
                    guard parts[group][place] != letter else { continue }
                    parts[group][place] = letter
                    let typed = parts.map { String($0) }.joined(separator: "-")
                    #expect(throws: KeyFailure.mistypedGroup(group + 1)) { try RecoveryCode(typed: typed) }
                }
            }
        }
    }

    @Test func `names a group with letters that are none of its alphabet`() {
        let code = RecoveryCode()
        for letter in ["U", "?", "ä", "\u{0}"] {
            var parts = groups(code)
            parts[4] = letter + parts[4].dropFirst()
            #expect(throws: KeyFailure.self) { try RecoveryCode(typed: parts.joined(separator: "-")) }
        }
        var parts = groups(code)
        parts[4] = "U" + parts[4].dropFirst()
        #expect(throws: KeyFailure.mistypedGroup(5)) { try RecoveryCode(typed: parts.joined(separator: "-")) }
    }

    @Test func `notices groups in another order, left out or added`() {
        let code = RecoveryCode()
        var parts = groups(code)
        parts.swapAt(2, 5)
        #expect(throws: KeyFailure.mistypedGroup(3)) { try RecoveryCode(typed: parts.joined()) }
        #expect(throws: KeyFailure.mistypedGroup(8)) { try RecoveryCode(typed: groups(code).dropLast().joined()) }
        #expect(throws: KeyFailure.mistypedGroup(8)) { try RecoveryCode(typed: code.text + code.text) }
        #expect(throws: KeyFailure.mistypedGroup(1)) { try RecoveryCode(typed: "") }
    }

    @Test func `does not print`() {
        let code = RecoveryCode()
        var dumped = ""
        dump(code, to: &dumped)
        #expect("\(code)" == "<key>" && !dumped.contains(code.text))
    }
}

@Suite struct `A keyring` {
    private let keyFile = KeyMaterial.random()
    private let recovery = RecoveryCode()

    private func made() throws -> (keyring: Keyring, tenant: KeyMaterial) {
        let made = try Keyring.create(storeID: "s", unlock: .keyFile(keyFile), recovery: recovery, today: 20_000)
        return (made.keyring, made.material)
    }

    @Test func `opens with its key file or its recovery code, also after it was stored`() throws {
        let (keyring, tenant) = try made()
        let stored = try Keyring(decoding: try keyring.encoded())
        for ring in [keyring, stored] {
            #expect(bytes(try ring.open(storeID: "s", unlock: .keyFile(keyFile))) == bytes(tenant))
            #expect(bytes(try ring.open(storeID: "s", unlock: .recovery(recovery))) == bytes(tenant))
        }
        #expect(bytes(try made().tenant) != bytes(tenant))
    }

    @Test func `refuses every other key, code, way and store`() throws {
        let (keyring, _) = try made()
        #expect(throws: KeyFailure.refused) { try keyring.open(storeID: "s", unlock: .keyFile(.random())) }
        #expect(throws: KeyFailure.refused) { try keyring.open(storeID: "s", unlock: .recovery(RecoveryCode())) }
        #expect(throws: KeyFailure.refused) { try keyring.open(storeID: "t", unlock: .keyFile(keyFile)) }
        #expect(throws: KeyFailure.refused) { try keyring.open(storeID: "t", unlock: .recovery(recovery)) }
        #expect(throws: KeyFailure.notConfigured) {
            try keyring.open(storeID: "s", unlock: .passphrase(SecretBytes(copying: Array("a long passphrase".utf8))))
        }
        #expect(throws: KeyFailure.notConfigured) {
            try Keyring.create(storeID: "s", unlock: .recovery(recovery), recovery: recovery, today: 20_000)
        }
    }

    @Test func `opens with its passphrase and no other`() throws {
        func phrase(_ text: String) -> Keyring.Unlock { .passphrase(SecretBytes(copying: Array(text.utf8))) }
        let (keyring, tenant) = try Keyring.create(
            storeID: "s", unlock: phrase("correct horse battery"), recovery: recovery, today: 20_000)
        #expect(keyring.provider == .passphrase)
        #expect(bytes(try keyring.open(storeID: "s", unlock: phrase("correct horse battery"))) == bytes(tenant))
        #expect(throws: KeyFailure.refused) { try keyring.open(storeID: "s", unlock: phrase("correct horse batterz")) }
        #expect(throws: KeyFailure.refused) { try keyring.open(storeID: "s", unlock: phrase("")) }
        #expect(throws: KeyFailure.notConfigured) { try keyring.open(storeID: "s", unlock: .keyFile(keyFile)) }
        // 14 characters each, of more bytes and code points; and 20 bytes that are no text.
        let shorts = [
            "", "fourteen bytes", "vierzehn Zühäß", "ключ от четыре", String(repeating: "e\u{301}", count: 14),
            String(repeating: "👩‍👩‍👧‍👦", count: 14), "a" + String(repeating: "\u{301}", count: 40),
        ]
        for short in shorts {
            #expect(throws: KeyFailure.tooShortPassphrase) {
                try Keyring.create(storeID: "s", unlock: phrase(short), recovery: recovery, today: 20_000)
            }
        }
    }

    private func isLongEnough(_ phrase: [UInt8]) -> Bool { Passphrase.isLongEnough(SecretBytes(copying: phrase)) }

    @Test(arguments: [
        "exactly fifteen", "fünfzehn Zühäß!", "ключ от пятнадц", String(repeating: "e\u{301}", count: 15),
        String(repeating: "鍵", count: 15),
    ])
    func `takes a passphrase of fifteen characters in any script`(text: String) throws {
        #expect(text.count == 15)
        #expect(isLongEnough(Array(text.utf8)))
        #expect(!isLongEnough(Array(text.dropLast().utf8)))
    }

    @Test func `takes no passphrase that is not text`() {
        #expect(!isLongEnough([UInt8](repeating: 0xFF, count: 40)))
        #expect(!isLongEnough(Array("a long passphrase".utf8) + [0xC3]))
    }

    @Test func `that is damaged is refused and never opens`() throws {
        let (keyring, _) = try made()
        let encoded = try keyring.encoded()
        let text = String(decoding: encoded, as: UTF8.self)
        for damage in ["", "{}", "[]", text.replacing("\"format\":2", with: "\"format\":1"), String(text.dropLast())] {
            #expect(throws: KeyFailure.malformedKeyring) { try Keyring(decoding: Array(damage.utf8)) }
        }
        let newer = Array(text.replacing("\"format\":2", with: "\"format\":3").utf8)
        #expect(throws: KeyFailure.newerKeyring) { try Keyring(decoding: newer) }
        for place in stride(from: 0, to: encoded.count, by: 3) {
            var altered = encoded
            altered[place] = altered[place] == 0x31 ? 0x32 : 0x31
            guard let ring = try? Keyring(decoding: altered) else { continue }
            // What the two ways in do not need may be damaged: one of them still finds the same key, or none.
            let opened = try? ring.open(storeID: "s", unlock: .keyFile(keyFile))
            if let opened { #expect(bytes(opened) == bytes(try keyring.open(storeID: "s", unlock: .keyFile(keyFile)))) }
        }
    }

    @Test func `holds no key in the clear`() throws {
        let (keyring, tenant) = try made()
        let encoded = try keyring.encoded()
        let needle = bytes(tenant).map(String.init).joined(separator: ",")
        #expect(!String(decoding: encoded, as: UTF8.self).contains(needle))
    }
}

@Suite struct `Argon2id` {
    /// From the reference implementation's own tests (phc-winner-argon2, test.c, version 0x13).
    @Test(arguments: [
        (UInt32(2), UInt32(65_536), "password", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        (2, 256, "password", "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
        (1, 65_536, "password", "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
        (2, 65_536, "differentpassword", "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde"),
    ])
    func `follows the vectors of its authors`(passes: UInt32, memory: UInt32, phrase: String, output: String) throws {
        let parameters = Passphrase.Parameters(memoryKiB: memory, passes: passes, lanes: 1)
        let key = try Passphrase.key(
            SecretBytes(copying: Array(phrase.utf8)), salt: Array("somesalt".utf8), parameters: parameters)
        #expect(hex(bytes(key)) == output)
    }

    @Test func `depends on phrase and salt`() throws {
        let parameters = Passphrase.Parameters(memoryKiB: 256, passes: 1, lanes: 1)
        func key(_ phrase: String, _ salt: String) throws -> [UInt8] {
            bytes(
                try Passphrase.key(
                    SecretBytes(copying: Array(phrase.utf8)), salt: Array(salt.utf8), parameters: parameters))
        }
        #expect(try key("a", "somesalt") == key("a", "somesalt"))
        #expect(try key("a", "somesalt") != key("b", "somesalt"))
        #expect(try key("a", "somesalt") != key("a", "somesal2"))
        #expect(throws: KeyFailure.argon2) { try key("a", "short") }
    }
}
