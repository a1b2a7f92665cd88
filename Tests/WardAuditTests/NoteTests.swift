import Testing
import WardAudit
import WardCrypto

/// Notes and keys that others have published.
enum PublishedNote {
    /// The key and note of golang.org/x/mod/sumdb/note (note_test.go), the reference of C2SP signed-note.
    static let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    static let text =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    static let signature =
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    static let note = "\(text)\n\u{2014} PeterNeumann \(signature)\n"

    /// A cosigned checkpoint and its keys from another implementation of tlog-cosignature (nucleoledger, receipt fixture).
    static let logKey = "nucleoledger.com/recibos+3b4ce400+AV5CMDMET1ahOmhnmUh7y/pj3R45IEzsJ905om2qYVYo"
    static let witnessKey = "witness.example/w1+0f7a20d8+BB6YX/vkWnfuWCU8azkq6SckQs7oQs7Enb+I+7D//Rao"
    static let checkpoint = """
        nucleoledger.com/recibos
        5
        zskn84s97pizKDh6YIJ2cWTOUA4zcWUxL7zmlh7Rt4g=

        \u{2014} nucleoledger.com/recibos \
        O0zkALS6PItaJH+VC289ZBzrYsb7xePmn2CAJpRBButDQwxCBimslaUmSOWqzRv4Drj4t4xCsAjXOpWJoCu/xCCcAwc=
        \u{2014} witness.example/w1 \
        D3og2AAAAABqnX/wMYluZnTcuCWSNUsNysjhUbHMvyxQ7zy/t65M0+g9n9OOyfCkY9zImJxJteSvTnWG0muRW0PRoEpn/s+PK4daCg==

        """
    /// Keys of witnesses in use, as transparency-dev/formats lists them in its tests.
    static let witnessesInUse = [
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G",
        "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
    ]
}

@Suite struct `A signed note` {
    private func standing(_ note: String, _ key: String = PublishedNote.key) throws -> SignedNote.Standing? {
        let key = try #require(VerifierKey(key))
        return SignedNote(note)?.standing(of: key)
    }

    @Test func `is read and verified as published`() throws {
        #expect(try standing(PublishedNote.note) == .valid(time: nil))
        let note = try #require(SignedNote(PublishedNote.note))
        #expect(note.text == PublishedNote.text && note.note == PublishedNote.note)
    }

    @Test func `with a cosignature is verified as published`() throws {
        let checkpoint = PublishedNote.checkpoint
        #expect(try standing(checkpoint, PublishedNote.logKey) == .valid(time: nil))
        #expect(try standing(checkpoint, PublishedNote.witnessKey) == .valid(time: 1_788_706_800))
        #expect(try standing(checkpoint) == .absent)
        let note = try #require(SignedNote(checkpoint))
        #expect(Checkpoint(text: note.text)?.size == 5)
    }

    @Test func `is not valid once anything in it is changed`() throws {
        for (note, key) in [
            (PublishedNote.note, PublishedNote.key), (PublishedNote.checkpoint, PublishedNote.witnessKey),
        ] {
            let whole = try #require(SignedNote(note))
            let parsed = try #require(VerifierKey(key))
            let own = whole.signatures.filter { $0.name == parsed.name }
            let bytes = Array(SignedNote(text: whole.text, signatures: own).note.utf8)
            for place in bytes.indices {
                for bit in [UInt8(1), 4, 32] {
                    var altered = bytes
                    altered[place] ^= bit
                    let found = SignedNote(String(decoding: altered, as: UTF8.self))?.standing(of: parsed)
                    #expect(found == nil || found == .absent || found == .invalid, "byte \(place)")
                }
            }
        }
    }

    /// A signature that claims to be a known key's and is not spoils the whole note (signed-note, Signatures).
    @Test func `is spoilt by a line that claims to be a known key's`() throws {
        let key = try #require(VerifierKey(PublishedNote.key))
        let note = try #require(SignedNote(PublishedNote.note))
        let forged = SignedNote.Signature(name: key.name, keyID: key.keyID, bytes: [UInt8](repeating: 7, count: 64))
        #expect(SignedNote(text: note.text, signatures: note.signatures + [forged]).standing(of: key) == .invalid)
        #expect(SignedNote(text: note.text, signatures: [forged] + note.signatures).standing(of: key) == .invalid)
        let foreign = SignedNote.Signature(name: "somebody", keyID: [1, 2, 3, 4], bytes: [5])
        #expect(
            SignedNote(text: note.text, signatures: [foreign] + note.signatures).standing(of: key) == .valid(time: nil))
    }

    @Test(arguments: [
        "", "\n", "\n\n", "text\n", "text\n\n", "text\n\n\n", PublishedNote.text, String(PublishedNote.note.dropLast()),
        PublishedNote.note + "\n", PublishedNote.note + "x\n", PublishedNote.note + "\u{2014} a\n",
        PublishedNote.note + "\u{2014} a AAAAAAA\n", PublishedNote.note + "\u{2014} a AAAA\n",
        PublishedNote.note + "\u{2014}  a AAAAAAA=\n", PublishedNote.note + "- a AAAAAAA=\n",
        PublishedNote.note + "\u{2014} a+b AAAAAAA=\n", PublishedNote.note + "\u{2014} a\u{A0}b AAAAAAA=\n",
        PublishedNote.note + "\u{2014} a AAAAAAA= \n", PublishedNote.note + "\u{2014} a AAAAAAB=\n",
        PublishedNote.note + "\u{2014} a \n", PublishedNote.note + "\u{2014} \u{301}a AAAAAAA\n",
        PublishedNote.note + "\u{2014} a\tb AAAAAAA=\n", "te\u{0}xt\n\n\u{2014} a AAAAAAA=\n",
    ])
    func `is refused in any other form`(note: String) {
        #expect(SignedNote(note) == nil)
    }

    @Test func `is refused with carriage returns, too many lines or too many bytes`() {
        #expect(SignedNote(String(PublishedNote.note.flatMap { $0 == "\n" ? "\r\n" : "\($0)" })) == nil)
        let line = "\u{2014} a AAAAAAA=\n"
        #expect(SignedNote("text\n\n" + String(repeating: line, count: SignedNote.mostSignatures)) != nil)
        #expect(SignedNote("text\n\n" + String(repeating: line, count: SignedNote.mostSignatures + 1)) == nil)
        #expect(SignedNote(String(repeating: "x", count: SignedNote.largestSize) + "\n\n" + line) == nil)
    }

    @Test func `has its text before the last empty line`() {
        let note = SignedNote("one\n\ntwo\n\n\u{2014} a AAAAAAA=\n")
        #expect(note?.text == "one\n\ntwo\n")
    }
}

@Suite struct `A verifier's key` {
    @Test(
        arguments: PublishedNote.witnessesInUse + [PublishedNote.key, PublishedNote.logKey, PublishedNote.witnessKey])
    func `is read as published`(text: String) {
        #expect(VerifierKey(text)?.text == text)
    }

    /// As note_test.go does it: every part of a key, and every byte changed.
    @Test(arguments: [PublishedNote.key, PublishedNote.witnessKey])
    func `is refused in any mangled form`(text: String) {
        let bytes = Array(text.utf8)
        for start in 0...bytes.count {
            for end in start...bytes.count where start > 0 || end < bytes.count {
                #expect(VerifierKey(String(decoding: bytes[start..<end], as: UTF8.self)) == nil)
            }
        }
        for place in bytes.indices {
            var altered = bytes
            altered[place] += 1
            #expect(VerifierKey(String(decoding: altered, as: UTF8.self)) == nil, "byte \(place)")
        }
    }

    @Test(arguments: [
        // From note_test.go and note_cosigv1_test.go.
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "bananas.sigstore.dev+12344556", "rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!",
        "rekor.sigstore.dev+12345678+AwEB", "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
    ])
    func `is refused when it does not agree with itself`(text: String) {
        #expect(VerifierKey(text) == nil)
    }
}

@Suite struct `A cosignature` {
    private let signing = SigningKey()

    @Test func `says which text and when, and nothing else`() throws {
        let cosigner = try #require(Cosigner(name: "witness.example/1", key: signing))
        let text = "ward/a\n7\n\(base64(digest(1).bytes))\n"
        let line = try #require(cosigner.cosign(text, at: 1_700_000_000))
        let note = SignedNote(text: text, signatures: [line])
        #expect(note.standing(of: cosigner.verifierKey) == .valid(time: 1_700_000_000))
        #expect(SignedNote(note.note) == note)
        let other = SignedNote(text: "ward/a\n8\n\(base64(digest(1).bytes))\n", signatures: [line])
        #expect(other.standing(of: cosigner.verifierKey) == .invalid)
        var later = line.bytes
        later[7] ^= 1
        let moved = SignedNote.Signature(name: line.name, keyID: line.keyID, bytes: later)
        #expect(SignedNote(text: text, signatures: [moved]).standing(of: cosigner.verifierKey) == .invalid)
        // The same key as a log's is another key, and its signature over the text alone is no cosignature.
        let asLog = try #require(
            VerifierKey(name: "witness.example/1", algorithm: .ed25519, publicKey: signing.publicKey))
        #expect(note.standing(of: asLog) == .absent)
        let plain = SignedNote.Signature(
            name: line.name, keyID: line.keyID,
            bytes: Array(line.bytes.prefix(8)) + (signing.sign(Array(text.utf8)) ?? []))
        #expect(SignedNote(text: text, signatures: [plain]).standing(of: cosigner.verifierKey) == .invalid)
        #expect(cosigner.cosign(text, at: -1) == nil)
        // The newest of several counts.
        let newer = try #require(cosigner.cosign(text, at: 1_700_000_009))
        #expect(
            SignedNote(text: text, signatures: [newer, line]).standing(of: cosigner.verifierKey)
                == .valid(time: 1_700_000_009))
    }

    @Test(arguments: ["", "a b", "a+b", "a\u{2003}b", "a\nb", String(repeating: "x", count: 257)])
    func `is not made under a name that notes cannot carry`(name: String) {
        #expect(Cosigner(name: name, key: signing) == nil)
    }
}
