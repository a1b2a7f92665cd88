import Synchronization
import Testing
import WardCore
import WardCrypto
import WardIdentity

extension Argon2id.Parameters {
    /// The floor: for tests that are not about cost.
    static let quick = Argon2id.Parameters(memoryKiB: 19_456, passes: 2, lanes: 1)
}

@Suite struct `A password verifier` {
    private let hasher = PasswordHasher(.quick)

    @Test func `matches its password and no other, and nobody's matches nothing`() async throws {
        let password = try Password(typed: "correct lantern walrus pebble")
        let verifier = try await hasher.verifier(of: password)
        #expect(try await hasher.matches(password, verifier))
        for other in [
            "correct lantern walrus pebblf", "correct lantern walrus pebble ", "", "Correct lantern walrus pebble",
        ] {
            #expect(try await !hasher.matches(Password(typed: other), verifier))
        }
        #expect(try await !hasher.matches(password, nil))
    }

    @Test func `has a salt of its own and reads back from storage`() async throws {
        let password = try Password(typed: "correct lantern walrus pebble")
        let verifier = try await hasher.verifier(of: password)
        let other = try await hasher.verifier(of: password)
        #expect(verifier.encoded() != other.encoded())
        let text = String(decoding: verifier.encoded(), as: UTF8.self)
        #expect(text.hasPrefix("$argon2id$v=19$m=19456,t=2,p=1$"))
        let read = try #require(PasswordVerifier(decoding: verifier.encoded()))
        #expect(read.encoded() == verifier.encoded())
        #expect(try await hasher.matches(password, read))
        #expect(!"\(verifier)".contains("argon2id"))
    }

    @Test func `says when its cost is not today's`() async throws {
        let password = try Password(typed: "x")
        #expect(try await hasher.verifier(of: password).needsRehash)
        #expect(try await !PasswordHasher(.standard).verifier(of: password).needsRehash)
    }

    /// Made by the `argon2` command of the reference implementation: `echo -n "..." | argon2 SALT -id -m 16 -t 3 -p 1 -e`.
    @Test(arguments: [
        "", "$", "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA", "$argon2i$v=19$m=65536,t=3,p=1$SALT$HASH",
        "$argon2d$v=19$m=65536,t=3,p=1$SALT$HASH", "$argon2id$v=16$m=65536,t=3,p=1$SALT$HASH",
        "$argon2id$m=65536,t=3,p=1$SALT$HASH", "$argon2id$v=19$m=19455,t=2,p=1$SALT$HASH",
        "$argon2id$v=19$m=19456,t=1,p=1$SALT$HASH",
        "$argon2id$v=19$m=19456,t=2,p=0$SALT$HASH", "$argon2id$v=19$m=1048577,t=2,p=1$SALT$HASH",
        "$argon2id$v=19$m=65536,t=17,p=1$SALT$HASH", "$argon2id$v=19$m=65536,t=3,p=17$SALT$HASH",
        "$argon2id$v=19$t=3,m=65536,p=1$SALT$HASH", "$argon2id$v=19$m=065536,t=3,p=1$SALT$HASH",
        "$argon2id$v=19$m=+65536,t=3,p=1$SALT$HASH",
        "$argon2id$v=19$m=65536,t=3,p=1,x=1$SALT$HASH", "$argon2id$v=19$m=65536,t=3,p=1$SALT=$HASH",
        "$argon2id$v=19$m=65536,t=3,p=1$SALT$HASH$",
        " $argon2id$v=19$m=65536,t=3,p=1$SALT$HASH", "$argon2id$v=19$m=65536,t=3,p=1$$HASH",
        "$argon2id$v=19$m=65536,t=3,p=1$SALT$",
        "$argon2id$v=19$m=65536,t=3,p=1$SALT$SALT", "$2b$12$abcdefghijklmnopqrstuv", "5f4dcc3b5aa765d61d8327deb882cf99",
    ])
    func `of another kind, below the floor or misspelt is not read`(text: String) {
        func filled(_ text: String) -> [UInt8] {
            var output = ""
            for part in text.split(separator: "$", omittingEmptySubsequences: false) {
                let field = part.replacing("SALT", with: "AAECAwQFBgcICQoLDA0ODw")
                    .replacing("HASH", with: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
                output += (output.isEmpty && part.isEmpty ? "" : "") + "$" + field
            }
            return Array(output.dropFirst().utf8)
        }
        #expect(PasswordVerifier(decoding: filled("$argon2id$v=19$m=65536,t=3,p=1$SALT$HASH")) != nil)
        #expect(PasswordVerifier(decoding: filled(text)) == nil)
    }
}

private final class Answers: Sendable {
    private let list = Mutex<[String]>([])

    func add(_ answer: String) { list.withLock { $0.append(answer) } }

    func count(_ answer: String) -> Int { list.withLock { list in list.count { $0 == answer } } }
}

@Suite struct `The hasher of passwords` {
    @Test func `works on two at a time, keeps 32 waiting and turns the rest away`() async throws {
        // Two that take long, 32 behind them, and 26 who are told at once.
        let hasher = PasswordHasher(Argon2id.Parameters(memoryKiB: 65_536, passes: 30, lanes: 1))
        let password = try Password(typed: "x")
        let answers = Answers()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<60 {
                group.addTask {
                    do throws(HashingFailure) {
                        _ = try await hasher.matches(password, nil)
                        answers.add("done")
                    } catch {
                        answers.add("\(error)")
                    }
                }
            }
            while answers.count("busy") < 26, answers.count("done") == 0 {
                try? await Task.sleep(for: .milliseconds(5))
            }
            #expect(answers.count("busy") == 26)
            // The threads of other tasks were free meanwhile: otherwise a hash had been done before this line.
            #expect(answers.count("done") == 0)
            group.cancelAll()
        }
        #expect(answers.count("cancelled") == 32)
        #expect(answers.count("done") == 2)
    }

    @Test func `answers a caller that is cancelled already`() async throws {
        let hasher = PasswordHasher(.standard)
        let password = try Password(typed: "x")
        let busy = (0..<2).map { _ in Task { try? await hasher.matches(password, nil) } }
        let waiting = Task {
            do throws(HashingFailure) {
                _ = try await hasher.matches(password, nil)
                return nil as HashingFailure?
            } catch {
                return error
            }
        }
        waiting.cancel()
        let answer = await waiting.value
        #expect(answer == .cancelled || answer == nil)
        for task in busy { _ = await task.value }
    }
}
