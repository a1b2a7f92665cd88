import Testing
import WardCore
import WardCrypto

@Suite struct `Published vectors` {
    /// RFC 4231 §4.2 and §4.3, whose keys are padded with zeros to 32 bytes, as HMAC pads them anyway.
    @Test(arguments: [
        (
            String(repeating: "0b", count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            "4a656665", "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
    ])
    func `of HMAC-SHA-256`(key: String, text: String, tag: String) throws {
        let bytes = unhex(key)
        let material = try #require(KeyMaterial(bytes + [UInt8](repeating: 0, count: 32 - bytes.count)))
        #expect(hex(MacKey(material).tag(ofWhole: Array(text.utf8)).bytes) == tag)
    }

    /// RFC 5869 A.3: the expand step with empty info; the first 32 bytes of its output.
    @Test func `of HKDF-Expand`() throws {
        let prk = try #require(KeyMaterial(unhex("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04")))
        #expect(
            prk.derived("").withBytes { hex($0) }
                == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d")
    }

    /// Made with another implementation of RFC 5869 over this format's framing: label, then length and bytes.
    @Test func `of HKDF-Expand with a label and framed context`() throws {
        let prk = try #require(KeyMaterial((0..<32).map { UInt8($0) }))
        #expect(
            prk.derived("ward/body/1", context: [Array("a".utf8), []]).withBytes { hex($0) }
                == "0d138c6f36630ce83881cf9c9be47ba298e12339f6297d637ea7be79e7da38b7")
    }

    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `of SHA-256`(text: String, digest: String) {
        #expect(hex(sha256(Array(text.utf8)).bytes) == digest)
        #expect(sha256(Array(text.utf8.prefix(3)), Array(text.utf8.dropFirst(3))) == sha256(Array(text.utf8)))
    }

    /// RFC 8032 §7.1, tests 1 to 3.
    ///
    /// Signatures are checked, not compared: this library signs with added randomness.
    @Test(arguments: [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
            5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
            """
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            """
            92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
            085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
            """
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            """
            6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
            18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
            """
        ),
    ])
    func `of Ed25519`(seed: String, publicKey: String, message: String, signature: String) throws {
        let key = try #require(SigningKey(seed: unhex(seed)))
        #expect(hex(key.publicKey) == publicKey)
        #expect(SigningKey.isValid(unhex(signature), of: unhex(message), publicKey: unhex(publicKey)))
        let own = try #require(key.sign(unhex(message)))
        #expect(SigningKey.isValid(own, of: unhex(message), publicKey: key.publicKey))
        for bit in stride(from: 0, to: 512, by: 7) {
            var altered = own
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!SigningKey.isValid(altered, of: unhex(message), publicKey: key.publicKey))
        }
        #expect(!SigningKey.isValid(own, of: unhex(message) + [0], publicKey: key.publicKey))
        #expect(!SigningKey.isValid(own, of: unhex(message), publicKey: SigningKey().publicKey))
        #expect(!SigningKey.isValid([], of: unhex(message), publicKey: key.publicKey))
        #expect(!SigningKey.isValid(own, of: unhex(message), publicKey: []))
    }
}

@Suite struct `MAC tags` {
    @Test func `frame their parts`() {
        let key = MacKey(.random())
        let tags = [
            key.tag(), key.tag([]), key.tag([], []), key.tag([1, 2]), key.tag([1], [2]), key.tag([1, 2], []),
            key.tag([], [1, 2]), key.tag(ofWhole: [1, 2]),
        ]
        #expect(Set(tags).count == tags.count)
        #expect(key.tag([1], [2]) == key.tag([1], [2]))
        #expect(key.tag([1]) != MacKey(.random()).tag([1]))
    }

    @Test func `give tokens and locators from their first bits`() throws {
        let digest = try #require(Digest(bytes: Array(1...32)))
        #expect(digest.bytes == Array(1...32))
        #expect(digest.token == 0x0102_0304_0506_0708)
        #expect(digest.locator.bytes == Array(1...16))
        let negative = try #require(Digest(bytes: [UInt8](repeating: 255, count: 32)))
        #expect(negative.token == -1)
    }
}

func unhex(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = text[...]
    while rest.count >= 2, let byte = UInt8(rest.prefix(2), radix: 16) {
        bytes.append(byte)
        rest = rest.dropFirst(2)
    }
    return bytes
}
