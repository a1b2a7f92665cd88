import Testing
import WardCore
import WardCrypto

@Suite struct `The envelope` {
    private let key = SealingKey(.random())
    private let context = Array("record 1, version 2".utf8)

    @Test(arguments: [0, 1, 15, 16, 17, 255, 65_536])
    func `opens with the same key and context`(count: Int) throws {
        let plaintext = randomBytes(count)
        let envelope = try key.seal(plaintext, boundTo: context)
        #expect(envelope.count == count + SealingKey.overhead)
        #expect(envelope.prefix(2) == [1, 1])
        #expect(try key.open(envelope, boundTo: context) == plaintext)
    }

    @Test func `never seals to the same bytes twice`() throws {
        let envelopes = try (0..<100).map { _ in try key.seal([1, 2, 3], boundTo: context) }
        #expect(Set(envelopes.map { Array($0[2..<14]) }).count == 100)
    }

    @Test func `refuses every single flipped bit`() throws {
        let envelope = try key.seal(Array("a secret".utf8), boundTo: context)
        for bit in 0..<(envelope.count * 8) {
            var altered = envelope
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            let expected: SealFailure = bit < 16 ? .unknownFormat : .notAuthentic
            #expect(throws: expected) { try key.open(altered, boundTo: context) }
        }
    }

    @Test func `refuses every truncation and every added byte`() throws {
        let envelope = try key.seal(Array("a secret".utf8), boundTo: context)
        for count in 0..<envelope.count {
            #expect(throws: SealFailure.self) { try key.open(Array(envelope.prefix(count)), boundTo: context) }
        }
        #expect(throws: SealFailure.notAuthentic) { try key.open(envelope + [0], boundTo: context) }
        #expect(throws: SealFailure.unknownFormat) { try key.open([0] + envelope, boundTo: context) }
    }

    @Test func `refuses any other context`() throws {
        let envelope = try key.seal([1], boundTo: context)
        let others: [[UInt8]] = [
            [], Array(context.dropLast()), context + [0], [0] + context, Array("record 1, version 3".utf8),
        ]
        for other in others {
            #expect(throws: SealFailure.notAuthentic) { try key.open(envelope, boundTo: other) }
        }
    }

    @Test func `refuses any other key`() throws {
        let envelope = try key.seal([1], boundTo: context)
        #expect(throws: SealFailure.notAuthentic) { try SealingKey(.random()).open(envelope, boundTo: context) }
    }

    @Test func `refuses two halves of two envelopes`() throws {
        let (left, right) = (try key.seal([1], boundTo: context), try key.seal([2], boundTo: context))
        #expect(throws: SealFailure.notAuthentic) {
            try key.open(Array(left.prefix(14)) + right.suffix(17), boundTo: context)
        }
    }

    @Test func `refuses random bytes of any length`() {
        for count in 0..<200 {
            #expect(throws: SealFailure.self) { try key.open(randomBytes(count), boundTo: context) }
            #expect(throws: SealFailure.self) { try key.open([1, 1] + randomBytes(count), boundTo: context) }
        }
    }

    /// Made with OpenSSL's AES-256-GCM: key 00...1f, nonce 64...6f, associated data 01 01 "context".
    @Test func `is AES-256-GCM as others implement it`() throws {
        let material = try #require(KeyMaterial((0..<32).map { UInt8($0) }))
        let envelope = unhex(
            "01016465666768696a6b6c6d6e6f1f7aac02599a33ff52117f9cb20c195ef4b62b0e73602d14b747f60fa4bc94")
        let opened = try SealingKey(material).open(envelope, boundTo: Array("context".utf8))
        #expect(opened == Array("Ward seals this".utf8))
    }

    @Test func `carries keys, bound to their context`() throws {
        let material = KeyMaterial.random()
        let wrapped = try key.wrap(material, boundTo: context)
        let unwrapped = try key.unwrap(wrapped, boundTo: context)
        #expect(material.withBytes { $0 } == unwrapped.withBytes { $0 })
        #expect(throws: SealFailure.notAuthentic) { try key.unwrap(wrapped, boundTo: []) }
        let short = try key.seal([1, 2, 3], boundTo: context)
        #expect(throws: SealFailure.notAuthentic) { try key.unwrap(short, boundTo: context) }
    }
}

@Suite struct `Keys` {
    @Test func `print as nothing but a key, alone or inside others`() throws {
        struct Ring {
            let material: KeyMaterial
            let seal: SealingKey
            let mac: MacKey
            let signing: SigningKey
        }
        let bytes = (1...32).map { UInt8($0) }
        let material = try #require(KeyMaterial(bytes))
        let signing = try #require(SigningKey(seed: bytes))
        let ring = Ring(material: material, seal: SealingKey(material), mac: MacKey(material), signing: signing)
        for value in [material, ring.seal, ring.mac, signing] as [Any] {
            #expect("\(value)" == "<key>" && String(reflecting: value) == "<key>")
            #expect(Mirror(reflecting: value).children.isEmpty)
        }
        var dumped = ""
        dump(ring, to: &dumped)
        dump([ring], to: &dumped)
        let lines = dumped.split(separator: "\n").map { $0.drop { $0 == " " } }
        #expect(!lines.contains { $0.hasPrefix("- ") && !$0.hasSuffix("<key>") })
    }

    @Test(arguments: [0, 1, 16, 31, 33, 64])
    func `have 256 bits`(count: Int) {
        #expect(KeyMaterial([UInt8](repeating: 1, count: count)) == nil)
        #expect(KeyMaterial(SecretBytes(copying: [UInt8](repeating: 1, count: count))) == nil)
        #expect(SigningKey(seed: [UInt8](repeating: 1, count: count)) == nil)
        #expect(Digest(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }

    @Test func `derive others by label and context, each framed`() throws {
        let root = KeyMaterial.random()
        func bytes(_ material: KeyMaterial) -> [UInt8] { material.withBytes { $0 } }
        let derived = [
            root, root.derived("a"), root.derived("b"), root.derived("a", context: [[]]),
            root.derived("a", context: [[1]]), root.derived("a", context: [[1], []]),
            root.derived("a", context: [[], [1]]), root.derived("a", context: [[1, 2]]),
            root.derived("a", context: [[1], [2]]),
        ]
        #expect(Set(derived.map(bytes)).count == derived.count)
        #expect(bytes(root.derived("a", context: [[1]])) == bytes(root.derived("a", context: [[1]])))
        #expect(bytes(KeyMaterial.random()) != bytes(KeyMaterial.random()))
    }
}
