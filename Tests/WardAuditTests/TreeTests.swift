import Testing
import WardAudit
import WardCrypto
import WardTestKit

/// Leaf inputs and roots of the Certificate Transparency reference implementations.
enum Published {
    static let leaves: [[UInt8]] = [
        [], [0x00], [0x10], [0x20, 0x21], [0x30, 0x31], [0x40, 0x41, 0x42, 0x43], Array(0x50...0x57),
        Array(0x60...0x6F),
    ]

    static let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    static let a = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
    static let b = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
    static let c = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
    static let d = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
    static let e = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
    static let f = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"

    /// Index, size, path.
    static let inclusions: [(Int, Int, [String])] = [
        (0, 1, []), (0, 8, [a, b, c]), (5, 8, [d, e, roots[4]]), (2, 3, [roots[2]]), (1, 5, [roots[1], b, d]),
    ]

    /// Old size, new size, proof.
    static let consistencies: [(Int, Int, [String])] = [
        (1, 1, []), (1, 8, [a, b, c]), (6, 8, [f, e, roots[4]]), (2, 5, [b, d]),
    ]
}

func digest(_ number: Int) -> Digest { sha256(Array("leaf \(number)".utf8)) }

@Suite struct `The Merkle tree` {
    private let hashes = Published.leaves.map(MerkleHash.leaf)

    @Test(arguments: 0...8)
    func `has the published roots`(size: Int) {
        #expect(hex(MerkleProof.root(hashes[..<size]).bytes) == Published.roots[size])
        var frontier = MerkleFrontier()
        for hash in hashes.prefix(size) { frontier.append(hash) }
        #expect(hex(frontier.root.bytes) == Published.roots[size])
        #expect(frontier.size == Int64(size))
    }

    @Test(arguments: Published.inclusions.indices)
    func `has the published inclusion proofs`(number: Int) {
        let (index, size, path) = Published.inclusions[number]
        #expect(MerkleProof.inclusion(of: index, in: hashes[..<size]).map { hex($0.bytes) } == path)
    }

    @Test(arguments: Published.consistencies.indices)
    func `has the published consistency proofs`(number: Int) {
        let (old, new, proof) = Published.consistencies[number]
        #expect(MerkleProof.consistency(from: old, in: hashes[..<new]).map { hex($0.bytes) } == proof)
    }

    @Test func `proves every leaf at every size, and nothing else`() {
        let leaves = (0..<40).map(digest)
        for size in 1...40 {
            let root = MerkleProof.root(leaves[..<size])
            for index in 0..<size {
                let proof = MerkleProof.inclusion(of: index, in: leaves[..<size])
                func holds(
                    _ proof: [Digest], leaf: Digest, index: Int, size: Int, root: Digest
                ) -> Bool {
                    MerkleProof.verifies(proof, leaf: leaf, index: Int64(index), size: Int64(size), root: root)
                }
                #expect(holds(proof, leaf: leaves[index], index: index, size: size, root: root))
                #expect(!holds(proof, leaf: digest(99), index: index, size: size, root: root))
                #expect(!holds(proof, leaf: leaves[index], index: index, size: size, root: digest(99)))
                #expect(!holds(proof + [root], leaf: leaves[index], index: index, size: size, root: root))
                #expect(!holds(proof, leaf: leaves[index], index: size, size: size, root: root))
                #expect(!holds(proof, leaf: leaves[index], index: -1, size: size, root: root))
                if !proof.isEmpty {
                    #expect(!holds(proof.dropLast(), leaf: leaves[index], index: index, size: size, root: root))
                    #expect(!holds(Array(proof.dropFirst()), leaf: leaves[index], index: index, size: size, root: root))
                    #expect(!holds(proof, leaf: leaves[index], index: index ^ 1, size: size, root: root))
                }
                for place in proof.indices {
                    var altered = proof
                    altered[place] = digest(99)
                    #expect(!holds(altered, leaf: leaves[index], index: index, size: size, root: root))
                }
            }
        }
    }

    @Test func `proves that it only grew, and nothing else`() {
        let leaves = (0..<34).map(digest)
        let roots = (0...34).map { MerkleProof.root(leaves[..<$0]) }
        func holds(_ proof: [Digest], _ old: Int, _ oldRoot: Digest, _ new: Int, _ newRoot: Digest) -> Bool {
            MerkleProof.verifies(
                consistency: proof, oldSize: Int64(old), oldRoot: oldRoot, newSize: Int64(new), newRoot: newRoot)
        }
        for new in 1...34 {
            for old in 1...new {
                let proof = MerkleProof.consistency(from: old, in: leaves[..<new])
                #expect(holds(proof, old, roots[old], new, roots[new]))
                #expect(!holds(proof, old, digest(99), new, roots[new]))
                #expect(!holds(proof, old, roots[old], new, digest(99)))
                #expect(!holds(proof + [roots[new]], old, roots[old], new, roots[new]))
                #expect(!holds(proof, new + 1, roots[old], new, roots[new]))
                #expect(!holds(proof, -1, roots[old], new, roots[new]))
                if old < new {
                    #expect(!holds([], old, roots[old], new, roots[new]))
                    #expect(!holds(proof.dropLast(), old, roots[old], new, roots[new]))
                    for place in proof.indices {
                        var altered = proof
                        altered[place] = digest(99)
                        #expect(!holds(altered, old, roots[old], new, roots[new]))
                    }
                }
            }
        }
    }

    @Test func `frontier and tiles equal a naive tree from 0 to 70,000 leaves`() {
        let checked = Set(0...515).union([
            767, 768, 769, 1023, 1024, 1025, 4096, 16_383, 16_384, 65_279, 65_280, 65_535, 65_536, 65_537, 65_792,
            70_000,
        ])
        var (frontier, tiles) = (MerkleFrontier(), TileBuilder())
        var hashes: [[UInt8]] = []
        var counts: [Int: Int64] = [:]
        for number in 0...70_000 {
            if checked.contains(number) { #expect(frontier.root.bytes == LogCheck.root(hashes[...])) }
            let leaf = digest(number)
            frontier.append(leaf)
            hashes.append(leaf.bytes)
            for tile in tiles.append(leaf) {
                #expect(tile.number == counts[tile.level, default: 0])
                counts[tile.level, default: 0] += 1
                let width = tile.level == 0 ? 1 : 256
                let first = Int(tile.number) * 256 * width
                let expected = (0..<256).map {
                    LogCheck.root(hashes[(first + $0 * width)..<(first + ($0 + 1) * width)])
                }
                #expect(tile.hashes == Array(expected.joined()))
            }
        }
        #expect(counts == [0: 273, 1: 1])
    }
}

@Suite struct `A checkpoint` {
    private let key = SigningKey()

    private func note(_ size: Int64 = 42) throws -> String {
        try #require(Checkpoint(origin: "ward/a", size: size, root: digest(1)).signed(with: key))
    }

    @Test func `is read back as it was signed`() throws {
        let text = try note()
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 6 && lines[0] == "ward/a" && lines[1] == "42" && lines[3] == "" && lines[5] == "")
        #expect(lines[4].hasPrefix("\u{2014} ward/a "))
        #expect(
            Checkpoint(note: text, publicKey: key.publicKey)
                == Checkpoint(origin: "ward/a", size: 42, root: digest(1)))
    }

    @Test func `is refused with any bit flipped, any byte missing, any line moved`() throws {
        let bytes = Array(try note().utf8)
        for bit in 0..<(bytes.count * 8) {
            var altered = bytes
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Checkpoint(note: String(decoding: altered, as: UTF8.self), publicKey: key.publicKey) == nil)
        }
        for place in bytes.indices {
            var altered = bytes
            altered.remove(at: place)
            #expect(Checkpoint(note: String(decoding: altered, as: UTF8.self), publicKey: key.publicKey) == nil)
        }
        for count in bytes.indices {
            let part = String(decoding: bytes.prefix(count), as: UTF8.self)
            #expect(Checkpoint(note: part, publicKey: key.publicKey) == nil)
        }
    }

    @Test func `is refused under another key or name`() throws {
        #expect(Checkpoint(note: try note(), publicKey: SigningKey().publicKey) == nil)
        #expect(Checkpoint(note: try note(), publicKey: []) == nil)
        let foreign = try note().replacing("ward/a", with: "ward/b")
        #expect(Checkpoint(note: foreign, publicKey: key.publicKey) == nil)
    }

    @Test(arguments: ["-1", "+1", "01", "1 ", " 1", "0x1", "", "9223372036854775808", "1.0", "\u{661}"])
    func `is refused with a size in another form, even if signed`(size: String) throws {
        let body = "ward/a\n\(size)\n\(base64(digest(1).bytes))\n"
        let signature = try #require(key.sign(Array(body.utf8)))
        let hash = sha256(Array("ward/a".utf8) + [0x0A, 0x01] + key.publicKey).bytes.prefix(4)
        let text = "\(body)\n\u{2014} ward/a \(base64(hash + signature))\n"
        #expect(Checkpoint(note: text, publicKey: key.publicKey) == nil)
    }

    @Test func `keeps its own signature among those of witnesses`() throws {
        let text = try note()
        let witness = "\u{2014} witness \(base64([1, 2, 3, 4] + [UInt8](repeating: 7, count: 72)))\n"
        #expect(Checkpoint(note: text + witness, publicKey: key.publicKey)?.size == 42)
        let separator = try #require(text.split(separator: "\n\n", maxSplits: 1).first)
        #expect(Checkpoint(note: "\(separator)\n\n\(witness)", publicKey: key.publicKey) == nil)
    }

    /// The verifier keys of the signed-note documentation and of Go's checksum database.
    @Test(arguments: [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    ])
    func `names its key as signed notes do`(verifier: String) throws {
        let parts = verifier.split(separator: "+", maxSplits: 2).map(String.init)
        let key = try #require(base64Decoded(parts[2]))
        #expect(key.first == 1)
        let made = VerifierKey(name: parts[0], algorithm: .ed25519, publicKey: Array(key.dropFirst()))
        #expect(made?.text == verifier)
    }

    /// The example of the signed-note documentation.
    @Test func `has the signature that signed notes have`() throws {
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
        let key = try #require(base64Decoded("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"))
        let line = try #require(
            base64Decoded(
                "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="))
        #expect(hex(Array(line.prefix(4))) == "c74f20a3")
        #expect(
            SigningKey.isValid(Array(line.dropFirst(4)), of: Array(text.utf8), publicKey: Array(key.dropFirst())))
    }
}
