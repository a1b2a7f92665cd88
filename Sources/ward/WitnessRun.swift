import Glibc
import WardAudit
import WardCore
import WardCrypto

/// The folder of a witness: its key, and what it has seen of each log.
struct WitnessFolder {
    let path: String

    private var keyFile: String { "\(path)/witness.key" }

    /// Makes folder and key; never overwrites a key.
    func create(name: String) throws -> VerifierKey {
        let key = SigningKey()
        guard let cosigner = Cosigner(name: name, key: key) else {
            throw CommandFailure("a witness's name has no spaces and no plus signs; best the address of who runs it")
        }
        do throws(FileFailure) {
            try PrivateFile.makeFolder(path)
            try PrivateFile.create(
                keyFile, Array("ward witness key 1\nname \(name)\nkey \(base64(key.seed))\n".utf8))
        } catch {
            throw CommandFailure(
                error == .exists ? "\(path) holds a witness already" : "the folder \(path) cannot be written")
        }
        return cosigner.verifierKey
    }

    func cosigner() throws -> Cosigner {
        let bytes: [UInt8]
        do throws(FileFailure) { bytes = try PrivateFile.read(keyFile, secret: true, limit: 4096) } catch {
            switch error {
            case .missing: throw CommandFailure("there is no witness in \(path); make one with: ward witness init")
            case .readableByOthers: throw CommandFailure("\(keyFile) can be read by others; chmod 600 it")
            default: throw CommandFailure("\(keyFile) cannot be read")
            }
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 4, lines[0] == "ward witness key 1", lines[1].hasPrefix("name "),
            lines[2].hasPrefix("key "), let seed = base64Decoded(String(lines[2].dropFirst(4))),
            let key = SigningKey(seed: seed), let cosigner = Cosigner(name: String(lines[1].dropFirst(5)), key: key)
        else { throw CommandFailure("\(keyFile) is damaged") }
        return cosigner
    }

    /// Where what was seen of a log lies.
    func log(_ key: VerifierKey) -> String { "\(path)/logs/\(hex(sha256(Array(key.text.utf8)).bytes.prefix(16)))" }
}

/// One look at a log: fetch, check, keep, cosign, hand back.
struct WitnessRun {
    let folder: WitnessFolder
    let cosigner: Cosigner
    let client: LogClient
    let log: VerifierKey

    private var place: String { folder.log(log) }

    /// What the log did that no log does.
    struct Contradiction: Error {
        let what: String
        /// Where the two checkpoints lie.
        let evidence: String
    }

    /// - Returns: the size that was cosigned, and what the log said to that.
    func look() async throws -> (size: Int64, answer: String) {
        guard !PrivateFile.exists("\(place)/contradiction") else {
            throw Contradiction(
                what: "this log has contradicted itself before; nothing is cosigned for it", evidence: place)
        }
        let seen = try lastSeen()
        let answer = try await client.get("checkpoint", limit: SignedNote.largestSize)
        guard answer.status == 200 else { throw CommandFailure("the log hands out no checkpoint (\(answer.status))") }
        let served = String(decoding: answer.body, as: UTF8.self)
        guard let note = SignedNote(served), case .valid = note.standing(of: log),
            let checkpoint = Checkpoint(text: note.text), checkpoint.origin == log.name
        else { throw CommandFailure("what the log hands out is not a checkpoint signed by the given key") }
        if let seen { try await compare(seen, checkpoint, served: note) }
        guard let line = cosigner.cosign(note.text, at: Instant.now().microseconds / 1_000_000) else {
            throw CommandFailure("the checkpoint could not be cosigned")
        }
        let own = note.signatures.filter { $0.name == log.name && $0.keyID == log.keyID }
        let cosigned = SignedNote(text: note.text, signatures: own + [line])
        // Kept before it is handed out: a witness that forgot could vouch for another history.
        try keep("\(place)/seen.checkpoint", cosigned.note)
        let said = try await client.post("cosignature", Array(cosigned.note.utf8))
        if said.status == 422 {
            throw try contradiction("the log says that it does not continue what it signed", cosigned, note)
        }
        guard said.status == 200 || said.status == 409 else {
            throw CommandFailure(
                "the log did not take the cosignature (\(said.status)); is this witness in its policy?")
        }
        return (size: checkpoint.size, answer: said.status == 200 ? "accepted" : "not needed")
    }

    private func lastSeen() throws -> SignedNote? {
        guard PrivateFile.exists("\(place)/seen.checkpoint") else { return nil }
        let bytes: [UInt8]
        do throws(FileFailure) {
            bytes = try PrivateFile.read("\(place)/seen.checkpoint", secret: false, limit: SignedNote.largestSize)
        } catch {
            throw CommandFailure("what this witness saw last cannot be read")
        }
        guard let note = SignedNote(String(decoding: bytes, as: UTF8.self)), case .valid = note.standing(of: log),
            case .valid = note.standing(of: cosigner.verifierKey)
        else { throw CommandFailure("what this witness saw last is damaged; it can vouch for nothing") }
        return note
    }

    private func compare(_ seen: SignedNote, _ new: Checkpoint, served: SignedNote) async throws {
        guard let old = Checkpoint(text: seen.text) else {
            throw CommandFailure("what this witness saw last is damaged; it can vouch for nothing")
        }
        if new.size < old.size {
            throw try contradiction("the log was rolled back: it hands out fewer events than were seen", seen, served)
        }
        if new.size == old.size {
            guard new.root == old.root else {
                throw try contradiction("the log has two histories of the same size", seen, served, isLasting: true)
            }
            return
        }
        let proof = try await consistency(from: old, to: new)
        guard
            MerkleProof.verifies(
                consistency: proof, oldSize: old.size, oldRoot: old.root, newSize: new.size, newRoot: new.root)
        else {
            // A tile may have been handed out wrong: that is told, and tried again at the next look.
            throw try contradiction(
                "the log is not a continuation of what was seen", seen, served,
                isLasting: MerkleProof.contradicts(
                    consistency: proof, oldSize: old.size, oldRoot: old.root, newSize: new.size, newRoot: new.root))
        }
    }

    // MARK: Tiles

    private struct Missing: Error {
        let place: TilePlace
    }

    private func consistency(from old: Checkpoint, to new: Checkpoint) async throws -> [Digest] {
        try await derived(new.size) { tree throws(Missing) in try tree.consistency(from: old.size) }
    }

    /// Fetches the tiles that a derivation asks for, one after another.
    private func derived(
        _ size: Int64, _ body: (TileTree<Missing>) throws(Missing) -> [Digest]
    ) async throws -> [Digest] {
        var known: [TilePlace: [Digest]] = [:]
        while true {
            let tiles = known
            let tree = TileTree<Missing>(size: size) { place throws(Missing) in
                guard let hashes = tiles[place] else { throw Missing(place: place) }
                return hashes
            }
            do throws(Missing) { return try body(tree) } catch {
                let bytes = try await RemoteLog(client: client).fetch(error.place, limit: TilePlace.full * 32)
                guard let hashes = Digest.tile(bytes, width: error.place.width) else {
                    throw CommandFailure("the log hands out a tile of the wrong size")
                }
                known[error.place] = hashes
            }
        }
    }

    // MARK: Evidence

    /// Keeps both checkpoints, each signed by the log.
    ///
    /// - Parameter isLasting: two signatures of the log exclude each other, so that it is never trusted again.
    private func contradiction(
        _ what: String, _ seen: SignedNote, _ served: SignedNote, isLasting: Bool = false
    ) throws -> Contradiction {
        let evidence = "\(place)/evidence-\(Instant.now().microseconds)"
        try keep("\(evidence)/seen.checkpoint", seen.note)
        try keep("\(evidence)/served.checkpoint", served.note)
        try keep("\(evidence)/what.txt", "\(what)\n\(log.text)\n")
        if isLasting { try keep("\(place)/contradiction", "\(evidence)\n") }
        return Contradiction(what: what, evidence: evidence)
    }

    private func keep(_ path: String, _ text: String) throws {
        do throws(FileFailure) {
            if let slash = path.lastIndex(of: "/") { try PrivateFile.makeFolder(String(path[..<slash])) }
            try PrivateFile.replace(path, Array(text.utf8))
        } catch {
            throw CommandFailure("\(path) cannot be written")
        }
    }
}
