import Testing
import WardContinuity
import WardCrypto

struct KitTests {
    let signer = SigningKey().publicKey

    func kit() throws -> RecoveryKit { try #require(RecoveryKit(signer: signer)) }

    @Test func `a printed kit is read again as typed by a person`() throws {
        let kit = try kit()
        let lines = kit.whole.lines
        #expect(lines.count == 6)
        #expect(lines.allSatisfy { $0.utf8.count == 23 })
        let typed = lines.map { $0.lowercased().replacing("0", with: "o").replacing(" ", with: "-") }
        for text in [lines.joined(separator: "\n"), typed.map { String($0.dropFirst(3)) }.joined(separator: "\r\n\n")] {
            let read = try RecoveryKit([RecoveryKit.Part(typed: text)])
            #expect(read.fingerprint == kit.fingerprint)
            #expect(read.trusts(signer: signer))
            #expect(!read.trusts(signer: SigningKey().publicKey))
        }
    }

    @Test func `what was sealed to the public part opens with the kit alone`() throws {
        let kit = try kit()
        let read = try RecoveryKit([RecoveryKit.Part(typed: kit.whole.lines.joined(separator: "\n"))])
        let sealed = try kit.key.recipient.seal([1, 2, 3], boundTo: [9])
        #expect(try read.key.open(sealed, boundTo: [9]) == [1, 2, 3])
        #expect(throws: SealFailure.notAuthentic) { try read.key.open(sealed, boundTo: [8]) }
        let other = try self.kit()
        #expect(throws: SealFailure.notAuthentic) { try other.key.open(sealed, boundTo: [9]) }
        for place in sealed.indices where place % 97 == 0 || place > sealed.count - 20 {
            var flipped = sealed
            flipped[place] ^= 1
            #expect(throws: SealFailure.self) { try read.key.open(flipped, boundTo: [9]) }
        }
    }

    @Test func `every wrong letter is found, and in its line`() throws {
        let lines = try kit().whole.lines
        let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
        for line in lines.indices {
            let letters = Array(lines[line])
            for place in letters.indices where place > 2 && letters[place] != " " {
                for wrong in alphabet where wrong != letters[place] {
                    var changed = letters
                    changed[place] = wrong
                    var typed = lines
                    typed[line] = String(changed)
                    #expect(throws: KitFailure.mistyped(line: line + 1)) {
                        try RecoveryKit.Part(typed: typed.joined(separator: "\n"))
                    }
                }
            }
        }
    }

    @Test func `any two letters that changed places are found`() throws {
        let lines = try kit().whole.lines
        for line in lines.indices {
            let letters = Array(lines[line].dropFirst(3)).filter { $0 != " " }
            for left in letters.indices {
                for right in letters.indices where right > left && letters[left] != letters[right] {
                    var changed = letters
                    changed.swapAt(left, right)
                    var typed = lines
                    typed[line] = String(changed)
                    #expect(throws: KitFailure.mistyped(line: line + 1)) {
                        try RecoveryKit.Part(typed: typed.joined(separator: "\n"))
                    }
                }
            }
        }
    }

    @Test func `lines that changed places, are missing, or come from another sheet are found`() throws {
        let lines = try kit().whole.lines.map { String($0.dropFirst(3)) }
        let others = try #require(RecoveryKit(signer: SigningKey().publicKey)).whole.lines
        for line in 0..<5 {
            var typed = lines
            typed.swapAt(line, line + 1)
            #expect(throws: KitFailure.self) { try RecoveryKit.Part(typed: typed.joined(separator: "\n")) }
        }
        #expect(throws: KitFailure.lines(found: 5)) {
            try RecoveryKit.Part(typed: lines.dropLast().joined(separator: "\n"))
        }
        #expect(throws: KitFailure.lines(found: 0)) { try RecoveryKit.Part(typed: " \n \n") }
        for line in lines.indices {
            var typed = lines
            typed[line] = String(others[line].dropFirst(3))
            #expect(throws: KitFailure.checksum) { try RecoveryKit.Part(typed: typed.joined(separator: "\n")) }
            typed[line] = "abc!"
            #expect(throws: KitFailure.mistyped(line: line + 1)) {
                try RecoveryKit.Part(typed: typed.joined(separator: "\n"))
            }
        }
    }

    @Test(arguments: [(2, 2), (2, 5), (3, 5), (5, 5), (16, 16), (2, 16)])
    func `any so many shares open, in any order, and more do as well`(threshold: Int, count: Int) throws {
        let kit = try kit()
        let printed = try #require(kit.shares(threshold: threshold, of: count))
        let shares = try printed.map { try RecoveryKit.Part(typed: $0.lines.joined(separator: "\n")) }
        #expect(shares.count == count)
        for _ in 0..<20 {
            for size in threshold...count {
                let some = Array(shares.shuffled().prefix(size))
                #expect(try RecoveryKit(some).fingerprint == kit.fingerprint)
                #expect(try RecoveryKit(some).trusts(signer: signer))
            }
        }
        for size in 0..<threshold {
            #expect(throws: KitFailure.self) { try RecoveryKit(Array(shares.shuffled().prefix(size))) }
        }
        #expect(throws: KitFailure.tooFew(have: threshold - 1, need: threshold)) {
            try RecoveryKit(Array(shares.prefix(threshold - 1)))
        }
    }

    @Test func `shares twice, of another kit, or of another splitting do not open`() throws {
        let (kit, other) = (try kit(), try kit())
        let shares = try #require(kit.shares(threshold: 3, of: 5))
        let others = try #require(other.shares(threshold: 3, of: 5))
        let again = try #require(kit.shares(threshold: 3, of: 5))
        #expect(throws: KitFailure.duplicate) { try RecoveryKit([shares[0], shares[1], shares[1]]) }
        #expect(throws: KitFailure.mixed) { try RecoveryKit([shares[0], shares[1], others[2]]) }
        #expect(throws: KitFailure.mixed) { try RecoveryKit([shares[0], shares[1], kit.whole]) }
        #expect(throws: KitFailure.wrong) { try RecoveryKit([shares[0], shares[1], again[2]]) }
        // One too many that is not genuine shows as well.
        #expect(throws: KitFailure.wrong) { try RecoveryKit([shares[0], shares[1], shares[2], again[3]]) }
        #expect(throws: KitFailure.tooFew(have: 0, need: 1)) { try RecoveryKit([]) }
    }

    @Test func `a kit is not split into less than two, more than sixteen, or more than there are`() throws {
        let kit = try kit()
        for (threshold, count) in [(1, 1), (1, 3), (0, 0), (3, 2), (2, 17), (17, 17), (-1, 5)] {
            #expect(kit.shares(threshold: threshold, of: count) == nil)
        }
    }

    @Test func `shares and kits print nothing`() throws {
        let kit = try kit()
        let part = kit.whole
        for text in ["\(kit)", "\(part)", String(reflecting: kit), String(reflecting: part), "\(kit.key)"] {
            #expect(text == "<key>")
        }
    }
}
