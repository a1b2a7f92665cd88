import Testing
import WardCrypto
import WardIdentity

func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

private func failure(_ input: [UInt8]) -> CBORFailure? {
    do throws(CBORFailure) {
        _ = try CBOR(input)
        return nil
    } catch {
        return error
    }
}

@Suite struct `The reader of CBOR` {
    /// RFC 8949 appendix A, as far as it is deterministic and without tags and floating point.
    @Test(
        arguments: [
            ("00", .unsigned(0)), ("17", .unsigned(23)), ("1818", .unsigned(24)), ("1903e8", .unsigned(1000)),
            ("1a000f4240", .unsigned(1_000_000)), ("1bffffffffffffffff", .unsigned(.max)), ("20", .negative(0)),
            ("3863", .negative(99)), ("3bffffffffffffffff", .negative(.max)), ("f4", .bool(false)), ("f5", .bool(true)),
            ("f6", .null), ("40", .bytes([])), ("4401020304", .bytes([1, 2, 3, 4])), ("60", .text("")),
            ("6449455446", .text("IETF")), ("62c3bc", .text("ü")), ("64f0908591", .text("\u{10151}")),
            ("80", .array([])),
            ("83010203", .array([.unsigned(1), .unsigned(2), .unsigned(3)])),
            (
                "8301820203820405",
                .array([.unsigned(1), .array([.unsigned(2), .unsigned(3)]), .array([.unsigned(4), .unsigned(5)])])
            ),
            ("a0", .map([])),
            ("a201020304", .map([CBORMember(.unsigned(1), .unsigned(2)), CBORMember(.unsigned(3), .unsigned(4))])),
            (
                "a26161016162820203",
                .map([
                    CBORMember(.text("a"), .unsigned(1)), CBORMember(.text("b"), .array([.unsigned(2), .unsigned(3)])),
                ])
            ),
            // Keys by type, then length, then bytes: 1, 24, -1, "a", "b", "aa".
            (
                "a60100181800200061610061620062616100",
                .map([
                    CBORMember(.unsigned(1), .unsigned(0)), CBORMember(.unsigned(24), .unsigned(0)),
                    CBORMember(.negative(0), .unsigned(0)), CBORMember(.text("a"), .unsigned(0)),
                    CBORMember(.text("b"), .unsigned(0)), CBORMember(.text("aa"), .unsigned(0)),
                ])
            ),
        ] as [(String, CBOR)])
    func `reads what is deterministic`(text: String, item: CBOR) throws {
        #expect(try CBOR(bytes(text)) == item)
    }

    @Test(
        arguments: [
            ("", .truncated), ("18", .truncated), ("19 01", .truncated), ("1a 000000", .truncated),
            ("1b 00000001000000", .truncated),
            ("41", .truncated), ("62 61", .truncated), ("81", .truncated), ("a1 01", .truncated), ("a1", .truncated),
            ("82 01", .truncated),
            ("5b ffffffffffffffff", .truncated), ("7b 7fffffffffffffff 00", .truncated),
            ("9b 7fffffffffffffff", .truncated),
            ("bb ffffffffffffffff 00", .truncated), ("5a ffffffff 00", .truncated),
            ("18 00", .notShortest), ("18 17", .notShortest), ("19 00ff", .notShortest), ("1a 0000ffff", .notShortest),
            ("1b 00000000ffffffff", .notShortest), ("38 17", .notShortest), ("58 01 00", .notShortest),
            ("78 01 61", .notShortest),
            ("98 01 00", .notShortest), ("b8 01 00 00", .notShortest), ("59 0001 00", .notShortest),
            ("5f 41 00 ff", .indefiniteLength), ("7f 61 61 ff", .indefiniteLength), ("9f ff", .indefiniteLength),
            ("bf ff", .indefiniteLength), ("ff", .indefiniteLength), ("81 ff", .indefiniteLength),
            ("1f", .indefiniteLength),
            ("1c", .reserved), ("1d", .reserved), ("1e", .reserved), ("5c", .reserved), ("9d", .reserved),
            ("be", .reserved),
            ("fc", .reserved), ("fd", .reserved), ("fe", .reserved),
            ("c0 60", .tag), ("d8 18 40", .tag), ("c2 41 01", .tag), ("d9 d9f7 00", .tag),
            ("f9 0000", .floatingPoint), ("fa 00000000", .floatingPoint), ("fb 0000000000000000", .floatingPoint),
            ("f7", .unknownSimpleValue), ("e0", .unknownSimpleValue), ("f8 ff", .unknownSimpleValue),
            ("f8 14", .unknownSimpleValue),
            ("00 00", .trailingBytes), ("a0 00", .trailingBytes), ("60 ff", .trailingBytes),
            ("a2 01 00 01 00", .duplicateKey), ("a2 61 61 00 61 61 01", .duplicateKey),
            ("a2 20 00 20 01", .duplicateKey),
            ("a2 02 00 01 00", .unsortedKeys), ("a2 20 00 01 00", .unsortedKeys),
            ("a2 62 61 61 00 61 62 00", .unsortedKeys),
            ("a2 61 62 00 61 61 00", .unsortedKeys), ("a3 01 00 02 00 01 00", .unsortedKeys),
            ("61 ff", .badUTF8), ("62 c3 28", .badUTF8), ("63 ed a0 80", .badUTF8), ("62 c0 80", .badUTF8),
            ("64 f5 80 80 80", .badUTF8),
            ("81 81 81 81 80", .tooDeep), ("a1 00 a1 00 a1 00 a1 00 a0", .tooDeep),
            ("81 81 81 81 81 81 81 81", .tooDeep),
        ] as [(String, CBORFailure)])
    func `refuses everything else`(text: String, reason: CBORFailure) {
        #expect(failure(bytes(text)) == reason)
    }

    @Test func `goes four deep and 64 KiB long`() {
        #expect(failure(bytes("8181818100")) == nil)
        #expect(failure(bytes("8181818180")) == .tooDeep)
        #expect(failure([UInt8](repeating: 0x81, count: 60_000)) == .tooDeep)
        let longest = [0x59, 0xFF, 0xFD] + [UInt8](repeating: 0, count: 65_533)
        #expect(failure(longest) == nil)
        #expect(failure(longest + [0]) == .tooLarge)
    }

    @Test func `cut anywhere is refused`() throws {
        let whole = SoftAuthenticator(.p256).attestationObject(of: SoftAuthenticator(.p256).registrationData())
        #expect(failure(whole) == nil)
        for end in whole.indices { #expect(failure(Array(whole[..<end])) == .truncated) }
        for byte in [0x00, 0x40, 0xF6, 0xFF] as [UInt8] { #expect(failure(whole + [byte]) == .trailingBytes) }
    }

    @Test func `takes mutated input apart or refuses it, and what it takes has one encoding`() {
        var generator = Steps(state: 7)
        let seeds = [
            SoftAuthenticator(.p256).attestationObject(of: SoftAuthenticator(.p256).registrationData()),
            SoftAuthenticator(.p256).coseKey, SoftAuthenticator(.ed25519).coseKey,
            bytes("a60100181800200061610061620062616100"), bytes("8301820203820405"),
        ]
        var taken = 0
        for round in 0..<15_000 {
            var input = seeds[round % seeds.count]
            for _ in 0...Int.random(in: 0...3, using: &generator) where !input.isEmpty {
                let place = Int.random(in: 0..<input.count, using: &generator)
                switch Int.random(in: 0...4, using: &generator) {
                case 0: input[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
                case 1: input[place] = UInt8.random(in: 0...255, using: &generator)
                case 2: input.remove(at: place)
                case 3: input.insert(UInt8.random(in: 0...255, using: &generator), at: place)
                default: input.replaceSubrange(place..<input.count, with: input[..<min(place, input.count - place)])
                }
            }
            guard let item = try? CBOR(input) else { continue }
            taken += 1
            #expect(encoded(item) == input)
        }
        #expect(taken > 500)
    }

    @Test func `takes random bytes apart or refuses them`() {
        var generator = Steps(state: 11)
        for _ in 0..<15_000 {
            let input = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            if let item = try? CBOR(input) { #expect(encoded(item) == input) }
        }
    }
}

/// The one encoding of an item (RFC 8949 §4.2.1), without sorting: the order is part of what was read.
func encoded(_ item: CBOR) -> [UInt8] {
    switch item {
    case .unsigned(let value): cborHead(0, value)
    case .negative(let value): cborHead(1, value)
    case .bytes(let bytes): cborHead(2, UInt64(bytes.count)) + bytes
    case .text(let text): cborHead(3, UInt64(text.utf8.count)) + Array(text.utf8)
    case .array(let items): cborHead(4, UInt64(items.count)) + items.flatMap(encoded)
    case .map(let members):
        cborHead(5, UInt64(members.count)) + members.flatMap { encoded($0.key) + encoded($0.value) }
    case .bool(let value): [value ? 0xF5 : 0xF4]
    case .null: [0xF6]
    }
}

func cborHead(_ major: UInt8, _ value: UInt64) -> [UInt8] {
    let (information, count): (UInt8, Int) =
        switch value {
        case 0..<24: (UInt8(value), 0)
        case 24...0xFF: (24, 1)
        case 0x100...0xFFFF: (25, 2)
        case 0x10000...0xFFFF_FFFF: (26, 4)
        default: (27, 8)
        }
    return [major << 5 | information]
        + (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
}
