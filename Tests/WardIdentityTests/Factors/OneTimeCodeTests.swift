import Testing
import WardCore
import WardCrypto
import WardIdentity

/// The key of RFC 4226 appendix D and RFC 6238 appendix B: `12345678901234567890`.
private func published() throws -> TOTPSeed { try #require(TOTPSeed(Array("12345678901234567890".utf8))) }

private func instant(_ seconds: Int64) -> Instant { Instant(microseconds: seconds * 1_000_000) }

@Suite struct `The seed of an authenticator app` {
    @Test(arguments: [
        (0, "755224"), (1, "287082"), (2, "359152"), (3, "969429"), (4, "338314"), (5, "254676"), (6, "287922"),
        (7, "162583"), (8, "399871"), (9, "520489"),
    ])
    func `gives the codes of RFC 4226`(counter: Int64, code: String) throws {
        #expect(try published().digits(step: counter, count: 6) == code)
    }

    @Test(arguments: [
        (59, "94287082"), (1_111_111_109, "07081804"), (1_111_111_111, "14050471"), (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"), (20_000_000_000, "65353130"),
    ])
    func `gives the codes of RFC 6238, and knows them again`(seconds: Int64, code: String) throws {
        let seed = try published()
        #expect(seed.digits(step: seconds / 30, count: 8) == code)
        let typed = try #require(OneTimeCode(typed: String(code.suffix(6))))
        #expect(seed.match(typed, at: instant(seconds), after: nil) == seconds / 30)
    }

    @Test func `takes the step before and after, and no other`() throws {
        let seed = TOTPSeed()
        for offset in -40...40 {
            let step = 50_000_000 + Int64(offset)
            let code = try #require(OneTimeCode(typed: seed.digits(step: step, count: 6)))
            let match = seed.match(code, at: instant(50_000_000 * 30 + 29), after: nil)
            // A code of another step may be the same six digits by chance.
            if abs(offset) <= 1 {
                #expect(match != nil)
            } else if let match {
                #expect(seed.digits(step: match, count: 6) == seed.digits(step: step, count: 6))
            }
        }
    }

    @Test func `takes a code once, and none from before the last`() throws {
        let seed = try published()
        let now = instant(1_111_111_111)
        let current: Int64 = 1_111_111_111 / 30
        let codes = try (-1...1).map { try #require(OneTimeCode(typed: seed.digits(step: current + $0, count: 6))) }
        #expect(seed.match(codes[1], at: now, after: nil) == current)
        #expect(seed.match(codes[1], at: now, after: current - 1) == current)
        #expect(seed.match(codes[1], at: now, after: current) == nil)
        #expect(seed.match(codes[0], at: now, after: current) == nil)
        #expect(seed.match(codes[2], at: now, after: current) == current + 1)
        #expect(seed.match(codes[2], at: now, after: current + 1) == nil)
        #expect(seed.match(codes[2], at: now, after: .max) == nil)
        // A clock set back does not open a used step again.
        #expect(seed.match(codes[1], at: instant(1_111_111_111 - 30), after: current) == nil)
    }

    @Test func `refuses every other code`() throws {
        let seed = try published()
        let now = instant(59)
        let valid = Set((0...2).map { seed.digits(step: $0, count: 6) })
        for number in stride(from: 0, to: 1_000_000, by: 997) {
            let text = String(String(number + 1_000_000).suffix(6))
            let code = try #require(OneTimeCode(typed: text))
            if !valid.contains(text) { #expect(seed.match(code, at: now, after: nil) == nil) }
        }
        // The first steps of all, and before them.
        let first = try #require(OneTimeCode(typed: seed.digits(step: 0, count: 6)))
        #expect(seed.match(first, at: instant(0), after: nil) == 0)
        #expect(seed.match(first, at: instant(0), after: 0) == nil)
        #expect(seed.match(first, at: instant(-1000), after: nil) == nil)
    }

    @Test(arguments: [
        "", "12345", "1234567", "12345a", "１２３４５６", "+12345", "-12345", "12 34 5", "123.456", "123456\n",
        "\u{661}23456",
        String(repeating: " ", count: 40) + "123456",
    ])
    func `does not take what is no code`(text: String) {
        #expect(OneTimeCode(typed: text) == nil)
    }

    @Test func `takes a code typed with blanks, and prints neither code nor seed`() throws {
        let seed = try published()
        let code = try #require(OneTimeCode(typed: " 287 082 "))
        #expect(seed.match(code, at: instant(59), after: nil) == 1)
        var dumped = ""
        dump(code, to: &dumped)
        dump(seed, to: &dumped)
        #expect(!dumped.contains("2") && !"\(code)\(seed)".contains("2"))
    }

    @Test func `is shown once, as URI and as text`() throws {
        let seed = try published()
        #expect(seed.exposedText() == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ")
        #expect(
            seed.exposedURI(issuer: "Lindenhof: Praxis & Co", account: "mara@lindenhof/ø")
                == "otpauth://totp/Lindenhof%3A%20Praxis%20%26%20Co:mara%40lindenhof%2F%C3%B8"
                + "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Lindenhof%3A%20Praxis%20%26%20Co"
                + "&algorithm=SHA1&digits=6&period=30")
        #expect(TOTPSeed().exposedText() != TOTPSeed().exposedText())
        #expect(TOTPSeed([UInt8](repeating: 0, count: 19)) == nil)
        #expect(TOTPSeed([UInt8](repeating: 0, count: 21)) == nil)
        let copy = try #require(TOTPSeed(seed.withBytes { $0 }))
        #expect(copy.exposedText() == seed.exposedText())
    }
}

@Suite struct `Recovery codes` {
    private let key = MacKey(.random())

    @Test func `are ten, each good once, in any order`() throws {
        let (shown, kept) = RecoveryCodes.make(for: "person1", key: key)
        #expect(shown.count == 10 && kept.remaining == 10)
        #expect(Set(shown.map { $0.exposedText() }).count == 10)
        var left = kept
        for code in shown.shuffled() {
            let typed = try #require(SavedRecoveryCode(typed: code.exposedText()))
            let after = try #require(left.using(typed, for: "person1", key: key))
            #expect(after.remaining == left.remaining - 1)
            #expect(after.using(typed, for: "person1", key: key) == nil)
            left = after
        }
        #expect(left.remaining == 0)
    }

    @Test func `open nothing for another person, under another key or after a new set`() throws {
        let (shown, kept) = RecoveryCodes.make(for: "person1", key: key)
        let (_, other) = RecoveryCodes.make(for: "person2", key: key)
        for code in shown {
            #expect(kept.using(code, for: "person2", key: key) == nil)
            #expect(kept.using(code, for: "person1", key: MacKey(.random())) == nil)
            #expect(other.using(code, for: "person1", key: key) == nil)
            #expect(other.using(code, for: "person2", key: key) == nil)
        }
    }

    @Test func `are groups that a person can type, in any case`() throws {
        let (shown, kept) = RecoveryCodes.make(for: "person1", key: key)
        for code in shown {
            let text = code.exposedText()
            #expect(text.count == 34 && text.split(separator: "-").count == 7)
            let sloppy = text.lowercased().replacing("-", with: " ").replacing("0", with: "o").replacing("1", with: "l")
            let typed = try #require(SavedRecoveryCode(typed: " " + sloppy))
            #expect(kept.using(typed, for: "person1", key: key) != nil)
            #expect(!"\(code)".contains(text.prefix(4)))
        }
    }

    @Test func `with one wrong letter are refused, nearly always before they are looked up`() throws {
        let (shown, kept) = RecoveryCodes.make(for: "person1", key: key)
        let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZU!é")
        var read = 0
        var tried = 0
        let text = Array(shown[0].exposedText())
        for place in text.indices where text[place] != "-" {
            for letter in alphabet where letter != text[place] {
                var changed = text
                changed[place] = letter
                tried += 1
                guard let typed = SavedRecoveryCode(typed: String(changed)) else { continue }
                read += 1
                #expect(kept.using(typed, for: "person1", key: key) == nil)
            }
        }
        #expect(tried > 900 && read < 12)
        for text in [
            "", "0", "----", String(repeating: "0", count: 27), String(repeating: "0", count: 29),
            String(repeating: "Z", count: 28), shown[0].exposedText() + "0", String(repeating: "-", count: 200),
        ] {
            #expect(SavedRecoveryCode(typed: text) == nil)
        }
    }

    @Test func `are kept as hashes and read back`() throws {
        let (shown, kept) = RecoveryCodes.make(for: "person1", key: key)
        let bytes = kept.encoded()
        #expect(bytes.count == 320)
        let read = try #require(RecoveryCodes(decoding: bytes))
        #expect(read == kept && read.using(shown[3], for: "person1", key: key)?.remaining == 9)
        #expect(RecoveryCodes(decoding: [])?.remaining == 0)
        #expect(RecoveryCodes(decoding: Array(bytes.dropLast())) == nil)
        #expect(RecoveryCodes(decoding: bytes + bytes) == nil)
    }
}
