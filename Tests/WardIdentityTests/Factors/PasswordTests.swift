import Testing
import WardCore
import WardIdentity

private let context = Passwords.Context(
    loginName: "mara.feldkamp", displayName: "Dr. Mara Feldkamp-Østby", clinic: "Lindenhof Family Practice")

private func failure(_ text: String) -> PasswordFailure? {
    do throws(PasswordFailure) {
        try Passwords.check(try Password(typed: text), context: context)
        return nil
    } catch {
        return error
    }
}

@Suite struct `A new password` {
    @Test(arguments: [
        "correct lantern walrus pebble", "velvet-otter-tundra-quill", "gravelmarmaladeorbitfern",
        "tractor9sandal?ivy moss",
        "my uncle's goat eats 3 red scarves", "ich trinke morgens nur kalten Tee", "xkqzjwvbnmtrplg", "7f!Kd92#mQz0pLw",
        "зелёный верблюд пьёт чай", "緑の駱駝は朝にお茶を飲むのが好きだ", "🐪🌵☕️🚲🪁 camel cactus coffee",
        "The moon owes me eleven dollars", "password for a goat named Kelvin", "Feldkamp hides nine teapots upstairs",
    ])
    func `of unrelated words, or random, is taken`(text: String) {
        #expect(failure(text) == nil)
    }

    @Test(
        arguments: [
            ("", .tooShort), ("short", .tooShort), ("Tr0ub4dor&3", .tooShort), ("fourteen chars", .tooShort),
            ("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", .tooShort),
            (String(repeating: "x", count: 257), .tooLong), (String(repeating: "x", count: 100_000), .tooLong),
            ("correct\u{0}lantern walrus", .unprintable), ("correct\u{7F}lantern walrus", .unprintable),
            ("correct\u{E000}lantern walrus", .unprintable), ("correct\u{378}lantern walrus", .unprintable),
            ("line one\nline two of it", .unprintable),
        ] as [(String, PasswordFailure)])
    func `that is too short, too long or unprintable is refused`(text: String, reason: PasswordFailure) {
        #expect(failure(text) == reason)
    }

    @Test(
        arguments: [
            ("correcthorsebatterystaple", .common), ("Correct Horse Battery Staple!", .common),
            ("maytheforcebewithyou", .common), ("may the force be with you 7", .common), ("1qaz2wsx3edc4rfv", nil),
            ("polniypizdec0211", .common), ("tobeornottobethatisthequestion", .common),
        ] as [(String, PasswordFailure?)])
    func `that everybody knows is refused`(text: String, reason: PasswordFailure?) {
        #expect(failure(text) != nil)
        if let reason { #expect(failure(text) == reason) }
    }

    @Test(arguments: [
        "aaaaaaaaaaaaaaa", "lanternlanternlantern", "abcabcabcabcabc",
        "Lantern1Lantern1Lantern1", "xk7#xk7#xk7#xk7#xk7#", "ßßßßßßßßßßßßßßßßßßßß", "1111111111111111111",
        "hahahahahahahaha",
    ])
    func `that repeats itself is refused`(text: String) {
        #expect(failure(text) == .repetition)
    }

    @Test(arguments: [
        "abcdefghijklmnop", "123456789012345", "987654321098765", "qwertyuiopasdfgh", "qwertzuiopasdfgh",
        "azertyuiopqsdfgh",
        "1qaz2wsx3edc4rfv5tgb", "qazwsxedcrfvtgb", "zyxwvutsrqponmlk", "741852963741852963", "!@#$%^&*()qwertyuiop",
        "asdfghjkl;'zxcvbnm", "QWERTYUIOPasdfghjkl", "abcdefgh12345678",
    ])
    func `along the alphabet or the keyboard is refused`(text: String) {
        #expect([.sequence, .repetition, .common, .commonWords].contains(failure(text)))
    }

    @Test(arguments: [
        "passwordpassword", "password password password", "Password123456789!", "P@ssw0rd!P@ssw0rd2024",
        "passwordpassword1", "welcome2024welcome!", "SummerSunshine2024",
        "Summer2024!Winter2025!", "healthcare2024!!", "hospitalpassword1", "doctorpatientrecord", "thisismypassword",
        "letmein letmein 2", "iloveyou iloveyou too", "football-baseball-1", "dragonmonkeyshadow", "qwerty123password",
        "adminadministrator1", "1234 password 5678", "myverygoodpassword", "januaryfebruary1", "electronicrecords",
        "ElectronicHealthRecord1", "Monday-Tuesday-1999", "sunshine!!!!!!!!!!", "l3tm31n_l3tm31n_l3tm31n",
        "password12345678901",
    ])
    func `of a few common words is refused`(text: String) {
        #expect(failure(text) != nil)
    }

    @Test(arguments: [
        "MaraFeldkamp2024", "mara.feldkamp.mara", "feldkamp-feldkamp", "Lindenhof2024!!!", "lindenhoflindenhof",
        "Lindenhof Family Practice",
        "ward-ward-ward-ward", "DrMaraFeldkamp!1984", "østby østby østby 1", "mara12031984feldkamp",
        "F3ldk4mp!F3ldk4mp!",
        "lindenhoffamilypractice1",
    ])
    func `of the person's or the clinic's name is refused`(text: String) {
        #expect(failure(text) == .names)
    }

    @Test func `of four random words passes whichever they are`() {
        // Drawn with a fixed generator from words that people know: the table's own, so each has the lowest cost it can.
        var generator = Steps(state: 42)
        let words = [
            "horse", "battery", "river", "stone", "window", "garden", "people", "father", "music", "number", "story",
            "night", "water", "black", "paper", "mountain", "island", "letter", "engine", "bridge", "summer", "silver",
            "doctor", "market", "winter", "animal", "camera", "castle", "flower", "forest", "guitar", "helmet",
            "jacket",
            "kitchen", "lemon", "mirror", "needle", "orange", "pencil", "rabbit", "saddle", "tunnel", "violin", "wagon",
        ]
        for _ in 0..<300 {
            let chosen = Array(words.shuffled(using: &generator).prefix(4))
            let text = chosen.joined(separator: ["", " ", "-"].randomElement(using: &generator) ?? "")
            guard text.count >= Passwords.minimumLength else { continue }
            #expect(failure(text) == nil, "\(text)")
        }
    }

    @Test func `drawn by a program is taken`() {
        var generator = Steps(state: 17)
        let printable = (0x20...0x7E).map { Character(Unicode.Scalar(UInt8($0))) }
        for alphabet in [printable, Array("abcdefghijklmnopqrstuvwxyz"), Array("ABCDEFabcdef0123456789")] {
            for _ in 0..<100 {
                let text = String((0..<16).map { _ in alphabet.randomElement(using: &generator) ?? "x" })
                #expect(failure(text) == nil, "\(text)")
            }
        }
    }

    @Test func `is judged in little time, whatever it is`() {
        let clock = ContinuousClock()
        for text in [
            String(repeating: "a", count: 256), String(repeating: "ab", count: 128),
            String(repeating: "1!", count: 128),
            String(repeating: "the", count: 85), String(repeating: "qaz", count: 85),
            String(repeating: "🐪", count: 256),
        ] {
            let time = clock.measure { _ = failure(text) }
            #expect(time < .seconds(10), "\(text.prefix(3))")
        }
    }

    @Test func `never prints, nor does its verifier`() async throws {
        let password = try Password(typed: "correct lantern walrus pebble")
        for text in ["\(password)", String(reflecting: password), "\(Mirror(reflecting: password).children.count)"] {
            #expect(!text.contains("lantern"))
        }
        var dumped = ""
        dump(password, to: &dumped)
        #expect(!dumped.contains("lantern"))
    }

    @Test func `has a reason in words for every refusal`() {
        for failure in PasswordFailure.allCases { #expect(failure.text.count > 20) }
    }
}

@Suite struct `A typed password` {
    /// Several spellings of one text, as keyboards send them (RFC 8265 §4.2; UAX #15 for the forms).
    @Test(arguments: [
        ("e\u{301}", "\u{E9}"), ("A\u{30A}", "\u{212B}"), ("\u{1100}\u{1161}\u{11A8}", "\u{AC01}"),
        ("\u{2126}", "\u{3A9}"),
        ("q\u{307}\u{323}", "q\u{323}\u{307}"), ("\u{958}", "\u{915}\u{93C}"), ("a\u{A0}b", "a b"),
        ("a\u{3000}b", "a\u{2003}b"),
        ("\u{1E9B}\u{323}", "\u{17F}\u{323}\u{307}"),
    ])
    func `is the same in every spelling of one text`(left: String, right: String) async throws {
        let hasher = PasswordHasher(.quick)
        let verifier = try await hasher.verifier(of: Password(typed: left))
        #expect(try await hasher.matches(Password(typed: right), verifier))
    }

    @Test(arguments: [
        ("a", "A"), ("a", "a "), (" a", "a"), ("ﬁ", "fi"), ("ａ", "a"), ("²", "2"), ("ß", "ss"), ("é", "e"), ("i", "ı"),
        ("a  b", "a b"),
    ])
    func `is neither folded nor trimmed`(left: String, right: String) async throws {
        let hasher = PasswordHasher(.quick)
        let verifier = try await hasher.verifier(of: Password(typed: left))
        #expect(try await !hasher.matches(Password(typed: right), verifier))
    }

    @Test func `is counted in code points`() throws {
        #expect(try Password(typed: "e\u{301}🐪a").length == 3)
        #expect(try Password(typed: String(repeating: "🐪", count: 256)).length == 256)
        #expect(throws: PasswordFailure.tooLong) { try Password(typed: String(repeating: "🐪", count: 257)) }
    }
}

/// A generator with a seed, so that a failure can be repeated (SplitMix64).
struct Steps: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
