import Testing
import WardCore

@Suite struct `What says something about a patient` {
    private struct Chart {
        let number = 7
        let name = PHI("Grey")
    }

    private enum Failure: Error {
        case about(PHI<String>)
    }

    private final class Holder {
        let name = PHI("Grey")
    }

    /// Every way that the standard library knows to turn a value into text.
    private func texts(of value: Any) -> [String] {
        var (printed, debugPrinted, dumped) = ("", "", "")
        print(value, to: &printed)
        debugPrint(value, to: &debugPrinted)
        dump(value, to: &dumped)
        let mirror = Mirror(reflecting: value)
        return [
            printed, debugPrinted, dumped, "\(value)", String(describing: value), String(reflecting: value),
            "\(mirror)", "\(mirror.children.map { "\($0.value)" })", "\(mirror.descendant("value") ?? "")",
        ]
    }

    @Test func `never shows its value, alone or inside others`() {
        let name = PHI("Grey")
        let values: [Any] = [
            name, [name], Optional(name) as Any, ["name": name], (1, name), Chart(), [Chart()], Failure.about(name),
            Result<PHI<String>, Failure>.success(name), Result<Int, Failure>.failure(.about(name)), Holder(),
            PHI([name]), PHI(Array("Grey".utf8)), [Optional(name)],
        ]
        for value in values {
            for text in texts(of: value) {
                #expect(!text.contains("Grey") && !text.contains("71, 114"))
            }
        }
        #expect("\(name)" == "<phi>" && String(reflecting: name) == "<phi>")
    }

    @Test func `has no children in a mirror`() {
        #expect(Mirror(reflecting: PHI("Grey")).children.isEmpty)
        #expect(Mirror(reflecting: PHI("Grey")).descendant("value") == nil)
    }

    @Test func `is not encodable, equatable or hashable`() {
        let value: Any = PHI("Grey")
        #expect(!(value is any Encodable))
        #expect(!(value is any Equatable))
    }

    @Test func `lends its value, and the failure of the one who borrows`() {
        #expect(PHI("Grey").exposed { $0.count } == 4)
        #expect(throws: Failure.self) { try PHI("Grey").exposed { _ in throw Failure.about(PHI("x")) } }
    }
}

@Suite struct `Secret bytes` {
    private func bytes(of secret: borrowing SecretBytes) -> [UInt8] {
        secret.withBytes { span in
            (0..<span.byteCount).map { unsafe span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
    }

    @Test(arguments: [0, 1, 15, 16, 17, 32, 4096, 100_001])
    func `lend what was copied in`(count: Int) {
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
        let secret = SecretBytes(copying: content)
        #expect(secret.count == count)
        #expect(bytes(of: secret) == content)
    }

    @Test func `are random when asked to be`() {
        let left = SecretBytes(randomCount: 32)
        let right = SecretBytes(randomCount: 32)
        #expect(left.count == 32)
        #expect(bytes(of: left) != bytes(of: right))
    }

    @Test func `arrays are wiped to zero`() {
        var bytes: [UInt8] = [1, 2, 3]
        wipe(&bytes)
        #expect(bytes == [0, 0, 0])
        var none: [UInt8] = []
        wipe(&none)
        #expect(none.isEmpty)
    }
}

@Suite struct `Locators` {
    @Test func `are 16 bytes, big endian`() {
        let locator = Locator(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
        #expect(locator.bytes == Array(1...16))
        #expect(Locator(bytes: locator.bytes) == locator)
        #expect(Locator(bytes: [0] + locator.bytes.dropLast()) != locator)
    }

    @Test(arguments: [0, 1, 15, 17, 32])
    func `refuse other lengths`(count: Int) {
        #expect(Locator(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }
}
