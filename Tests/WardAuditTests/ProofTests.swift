import Testing
import WardAudit
import WardCrypto
import WardStorage
import WardTestKit

@Suite struct `A proof of one event` {
    private let house = LogHouse()

    private struct Scene {
        let log: AuditLog
        let receipts: [AuditReceipt]
    }

    private func scene(_ count: Int = 11) async throws -> Scene {
        let log = try house.open(MemoryStore())
        var receipts: [AuditReceipt] = []
        for number in 0..<count { receipts.append(try await log.append(event("\(number)"))) }
        return Scene(log: log, receipts: receipts)
    }

    private func fault(
        _ text: String, leaf: Digest?, log: VerifierKey, policy: WitnessPolicy = WitnessPolicy()
    ) -> ProofFault? {
        do throws(ProofFault) {
            _ = try LogProof(text).verify(leaf: leaf, log: log, policy: policy)
            return nil
        } catch {
            return error
        }
    }

    @Test func `holds against the receipt and the log's key alone`() async throws {
        let scene = try await scene(300)
        for receipt in scene.receipts {
            let proof = try #require(try scene.log.proof(of: receipt.index))
            #expect(try LogProof(proof.text) == proof)
            #expect(fault(proof.text, leaf: receipt.leafHash, log: scene.log.verifier) == nil)
            #expect(fault(proof.text, leaf: nil, log: scene.log.verifier) == nil)
            let claim = try #require(AuditReceipt.claim(receipt.headerValue))
            #expect(claim.index == receipt.index && claim.leafHash == receipt.leafHash)
        }
        #expect(try scene.log.proof(of: 300) == nil)
        #expect(try scene.log.proof(of: -1) == nil)
    }

    @Test func `holds for nothing else`() async throws {
        let scene = try await scene()
        let text = try #require(try scene.log.proof(of: 4)).text
        let (log, leaf) = (scene.log.verifier, scene.receipts[4].leafHash)
        #expect(fault(text, leaf: scene.receipts[5].leafHash, log: log) == .otherLeaf)
        let other = try LogHouse().open(MemoryStore())
        #expect(fault(text, leaf: leaf, log: other.verifier) == .unsigned)
        let renamed = try #require(VerifierKey(name: "ward/other", algorithm: .ed25519, publicKey: log.publicKey))
        #expect(fault(text, leaf: leaf, log: renamed) == .origin)
        #expect(fault(text.replacing("index 4", with: "index 5"), leaf: leaf, log: log) == .inclusion)
        #expect(fault(text.replacing("index 4", with: "index 11"), leaf: leaf, log: log) == .outside)
        // Without the leaf in it, the receipt alone decides.
        let proof = try LogProof(text)
        let bare = LogProof(extra: nil, index: 4, path: proof.path, checkpoint: proof.checkpoint).text
        #expect(fault(bare, leaf: leaf, log: log) == nil)
        #expect(fault(bare, leaf: scene.receipts[5].leafHash, log: log) == .inclusion)
        #expect(fault(bare, leaf: nil, log: log) == .noLeaf)
        var policy = WitnessPolicy()
        try policy.add("w", try #require(VerifierKey(PublishedNote.witnessKey)))
        #expect(fault(text, leaf: leaf, log: log, policy: policy) == .quorum(found: 0, needed: 1))
    }

    @Test func `does not hold with any bit changed or any byte missing`() async throws {
        let scene = try await scene(5)
        let bytes = Array(try #require(try scene.log.proof(of: 2)).text.utf8)
        let (log, leaf) = (scene.log.verifier, scene.receipts[2].leafHash)
        for place in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[place] ^= 1 << UInt8(bit)
                let text = String(decoding: altered, as: UTF8.self)
                #expect(fault(text, leaf: leaf, log: log) != nil, "byte \(place), bit \(bit)")
            }
            #expect(fault(String(decoding: bytes[..<place], as: UTF8.self), leaf: leaf, log: log) != nil)
            let cut = Array(bytes[..<place] + bytes[(place + 1)...])
            #expect(fault(String(decoding: cut, as: UTF8.self), leaf: leaf, log: log) != nil)
        }
    }

    @Test func `is refused in any other form`() async throws {
        let scene = try await scene(5)
        let text = try #require(try scene.log.proof(of: 2)).text
        let (log, leaf) = (scene.log.verifier, scene.receipts[2].leafHash)
        func refused(_ altered: String, _ expected: ProofFault) {
            #expect(altered != text)
            #expect(fault(altered, leaf: leaf, log: log) == expected)
        }
        refused("", .header)
        refused(" " + text, .header)
        refused(text.replacing("@v1", with: "@v2"), .header)
        refused(text.replacing("\n", with: "\r\n"), .header)
        refused(text.replacing("index 2\n", with: "index 2\r\n"), .index)
        refused(text.replacing("index 2\n", with: "index 02\n"), .index)
        refused(text.replacing("index 2\n", with: "index +2\n"), .index)
        refused(text.replacing("index 2\n", with: "index -2\n"), .index)
        refused(text.replacing("index 2\n", with: "index 2 \n"), .index)
        refused(text.replacing("index 2\n", with: "index 9223372036854775808\n"), .index)
        refused(text.replacing("index 2\n", with: "index 9223372036854775807\n"), .outside)
        refused(text.replacing("index 2\n", with: "index \u{0662}\n"), .index)
        refused(text.replacing("index 2\n", with: "index 2\nextra AAAA\n"), .path)
        refused(text.replacing("extra ", with: "extra  "), .extra)
        refused(
            text.replacing("index 2\n", with: "index 2\n" + String(repeating: base64(leaf.bytes) + "\n", count: 61)),
            .path)
        refused(text.replacing("index 2\n", with: "index 2\n\(base64(leaf.bytes))\n"), .inclusion)
        refused(text.replacing("index 2\n", with: "index 2\n\(base64(leaf.bytes).dropLast())\n"), .path)
        refused(text.replacing("index 2\n", with: "index 2\n\(base64(leaf.bytes + [0]))\n"), .path)
        refused(text.replacing("\n\n", with: "\n\n\n"), .checkpoint)
        refused(text + "\n", .note)
        refused(text + String(repeating: "x", count: LogProof.largestSize), .tooLarge)
    }

    @Test(arguments: [
        "", ":", "1", "1:", "01:\(String(repeating: "0", count: 64))", "-1:\(String(repeating: "0", count: 64))",
        "1:\(String(repeating: "0", count: 63))", "1:\(String(repeating: "0", count: 65))",
        "1:\(String(repeating: "A", count: 64))", "1:\(String(repeating: "+1", count: 32))",
        "1:\(String(repeating: "0", count: 64)):", "9223372036854775808:\(String(repeating: "0", count: 64))",
    ])
    func `a receipt is refused in any other form`(text: String) {
        #expect(AuditReceipt.claim(text) == nil)
    }
}

@Suite struct `Tiles` {
    @Test func `have one path each`() throws {
        for (level, number, width, path) in [
            (0, 0, 256, "0/000"), (0, 1_234_067, 256, "0/x001/x234/067"), (63, 999, 1, "63/999.p/1"),
            (1, 1000, 255, "1/x001/000.p/255"), (nil, 1_234_067, 17, "entries/x001/x234/067.p/17"),
        ] as [(Int?, Int64, Int, String)] {
            let place = try #require(TilePlace(level: level, number: number, width: width))
            #expect(place.path == path)
            #expect(TilePlace(path: path) == place)
        }
    }

    @Test(arguments: [
        "", "/", "0", "0/", "0/0", "0/00", "0/0000", "0/x000/000", "0/x001", "0/001/000", "00/000", "+0/000", "-1/000",
        "64/000", "0/-01", "0/+01", "0/000.p", "0/000.p/", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/+1",
        "0/000.p/1/", "0/000/", "0//000", "entries", "entries/", "Entries/000", "0/X001/000", "0/000.p/1.p/1",
        "0/%30%30%30", "0/000?", "0/000\n", "0/x999/x999/x999/x999/x999/x999/999", "0/..", "data/000",
    ])
    func `are refused by any other path`(path: String) {
        #expect(TilePlace(path: path) == nil)
    }

    /// The example of C2SP tlog-tiles, Partial Tiles: 70,000 entries.
    @Test func `have the widths that the specification gives`() {
        var tiles = TileBuilder()
        for number in 0..<70_000 { _ = tiles.append(digest(number % 7)) }
        #expect(tiles.edges.map(\.number) == [273, 1, 0])
        #expect(tiles.edges.map { $0.hashes.count / 32 } == [112, 17, 1])
    }

    @Test func `give the published roots and the same proofs as the leaves`() throws {
        let published = Published.leaves.map(MerkleHash.leaf)
        for size in 0...8 {
            let tree = tree(Array(published[..<size]))
            #expect(hex(try tree.root().bytes) == Published.roots[size])
        }
        for (index, size, path) in Published.inclusions {
            #expect(try tree(Array(published[..<size])).inclusion(of: Int64(index)).map { hex($0.bytes) } == path)
        }
        for (old, new, proof) in Published.consistencies {
            #expect(try tree(Array(published[..<new])).consistency(from: Int64(old)).map { hex($0.bytes) } == proof)
        }
        let leaves = (0..<1100).map(digest)
        for size in [1, 2, 3, 255, 256, 257, 300, 511, 512, 513, 1024, 1100] {
            let tree = tree(Array(leaves[..<size]))
            #expect(try tree.root() == MerkleProof.root(leaves[..<size]))
            for place in [0, 1, 254, 255, 256, 257, 500, 512, 1023, 1099] where place < size {
                #expect(try tree.inclusion(of: Int64(place)) == MerkleProof.inclusion(of: place, in: leaves[..<size]))
                #expect(
                    try tree.consistency(from: Int64(place))
                        == MerkleProof.consistency(from: place, in: leaves[..<size]))
            }
            #expect(try tree.inclusion(of: Int64(size)).isEmpty)
            #expect(try tree.inclusion(of: -1).isEmpty)
            #expect(try tree.consistency(from: Int64(size) + 1).isEmpty)
        }
    }

    /// A tree whose tiles are made from the leaves by a code of its own.
    private func tree(_ leaves: [Digest]) -> TileTree<ProofFault> {
        TileTree(size: Int64(leaves.count)) { place throws(ProofFault) in
            var row = leaves
            for _ in 0..<(place.level ?? 0) {
                row = stride(from: 0, to: row.count / 256 * 256, by: 256).map { MerkleProof.root(row[$0..<$0 + 256]) }
            }
            let first = Int(place.number) * 256
            #expect(place.width == min(256, row.count - first))
            return Array(row[first..<first + place.width])
        }
    }

    @Test func `of a log are those of its leaves, and stop where it stops`() async throws {
        let house = LogHouse()
        let store = MemoryStore()
        let log = try house.open(store)
        for number in 0..<600 { _ = try await log.append(event("\(number)")) }
        let leaves = try store.leaves(from: 0, limit: 600).map(\.leaf)
        func at(_ level: Int?, _ number: Int64, _ width: Int) throws -> TilePlace {
            try #require(TilePlace(level: level, number: number, width: width))
        }
        let restarted = try house.open(store)
        for log in [log, restarted] {
            for (number, width) in [(0, 256), (0, 1), (1, 256), (1, 200), (2, 88), (2, 1)] {
                let part = leaves[(number * 256)..<(number * 256 + width)]
                let hashes = part.flatMap { MerkleHash.leaf($0).bytes }
                #expect(try log.tile(try at(0, Int64(number), width)) == hashes)
                let bundle = try #require(try log.bundle(try at(nil, Int64(number), width)))
                #expect(EntryBundle.entries(bundle, width: width) == Array(part))
                #expect(bundle.count == width * 67)
            }
            let upper = [0, 256].map { MerkleProof.root(leaves[$0..<$0 + 256].map(MerkleHash.leaf)[...]) }
            #expect(try log.tile(try at(1, 0, 2)) == upper.flatMap(\.bytes))
            for (level, number, width) in [
                (0, 2, 89), (0, 2, 256), (0, 3, 1), (1, 0, 3), (1, 0, 256), (1, 1, 1), (2, 0, 1), (63, 0, 1),
            ] { #expect(try log.tile(try at(level, Int64(number), width)) == nil) }
            for (number, width) in [(2, 89), (2, 256), (3, 1), (1 << 40, 1)] {
                #expect(try log.bundle(try at(nil, Int64(number), width)) == nil)
            }
        }
        #expect(EntryBundle.entries([0], width: 1) == nil)
        #expect(EntryBundle.entries([0, 2, 1], width: 1) == nil)
        #expect(EntryBundle.entries([0, 1, 1], width: 2) == nil)
    }
}
