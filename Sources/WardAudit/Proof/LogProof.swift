public import WardCrypto

/// That an event stands in the log, to be checked by anybody and without it (C2SP tlog-proof).
///
/// The extra data is the leaf itself: a commitment and a hash, so that the proof says nothing of the event.
public struct LogProof: Hashable, Sendable {
    private static let header = "c2sp.org/tlog-proof@v1"
    /// A tree of 2^63 leaves is 63 high.
    private static let longestPath = 63
    public static let largestSize = SignedNote.largestSize + 8192

    /// Not authenticated.
    public let extra: [UInt8]?
    public let index: Int64
    public let path: [Digest]
    public let checkpoint: SignedNote

    public init(extra: [UInt8]?, index: Int64, path: [Digest], checkpoint: SignedNote) {
        self.extra = extra
        self.index = index
        self.path = path
        self.checkpoint = checkpoint
    }

    public var text: String {
        "\(Self.header)\n" + (extra.map { "extra \(base64($0))\n" } ?? "") + "index \(index)\n"
            + path.map { "\(base64($0.bytes))\n" }.joined() + "\n" + checkpoint.note
    }

    /// Reads a proof.
    public init(_ text: String) throws(ProofFault) {
        guard text.utf8.count <= Self.largestSize else { throw .tooLarge }
        var rest = Array(text.utf8)[...]
        // Lines by their bytes: a carriage return belongs to the line, and is then refused with it.
        func line() -> String? {
            guard let end = rest.firstIndex(of: 0x0A) else { return nil }
            defer { rest = rest[(end + 1)...] }
            return String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
        }
        guard line() == Self.header, var next = line() else { throw .header }
        var extra: [UInt8]?
        if next.hasPrefix("extra ") {
            guard let bytes = base64Decoded(String(next.dropFirst(6))), let following = line() else { throw .extra }
            (extra, next) = (bytes, following)
        }
        guard next.hasPrefix("index "), let index = Int64(next.dropFirst(6)), index >= 0, next == "index \(index)"
        else {
            throw .index
        }
        var path: [Digest] = []
        while true {
            guard let hash = line() else { throw .path }
            if hash.isEmpty { break }
            guard path.count < Self.longestPath, let bytes = base64Decoded(hash), let digest = Digest(bytes: bytes)
            else {
                throw .path
            }
            path.append(digest)
        }
        guard let checkpoint = SignedNote(String(decoding: rest, as: UTF8.self)) else { throw .note }
        self.init(extra: extra, index: index, path: path, checkpoint: checkpoint)
        // Whatever else decodes to the same is not this format.
        guard self.text.utf8.elementsEqual(text.utf8) else { throw .note }
    }

    /// The hash of the leaf that came along, which is not authenticated before ``verify(leaf:log:policy:)``.
    public var claimedLeaf: Digest? { extra.map(MerkleHash.leaf) }

    /// Checks everything: the log's signature, the witnesses', and the place of the leaf under the root.
    ///
    /// - Parameter leaf: from the receipt; nil takes the one that came along.
    public func verify(
        leaf: Digest?, log: VerifierKey, policy: WitnessPolicy = WitnessPolicy()
    ) throws(ProofFault) -> Verified {
        guard let stated = Checkpoint(text: checkpoint.text) else { throw .checkpoint }
        guard stated.origin == log.name else { throw .origin }
        switch checkpoint.standing(of: log) {
        case .valid: break
        case .invalid: throw .signature
        case .absent: throw .unsigned
        }
        var cosigned: [(name: String, time: Int64)] = []
        for witness in policy.witnesses {
            switch checkpoint.standing(of: witness.key) {
            case .absent: continue
            case .invalid: throw .cosignature
            case .valid(let time): cosigned.append((name: witness.name, time: time ?? 0))
            }
        }
        guard cosigned.count >= policy.quorum else { throw .quorum(found: cosigned.count, needed: policy.quorum) }
        guard index < stated.size else { throw .outside }
        guard let hash = leaf ?? claimedLeaf else { throw .noLeaf }
        if let claimedLeaf, claimedLeaf != hash { throw .otherLeaf }
        guard MerkleProof.verifies(path, leaf: hash, index: index, size: stated.size, root: stated.root) else {
            throw .inclusion
        }
        return Verified(checkpoint: stated, cosigned: cosigned)
    }

    /// What a proof shows.
    public struct Verified: Sendable {
        public let checkpoint: Checkpoint
        /// Which witnesses vouch for it, and since when in seconds since 1970.
        public let cosigned: [(name: String, time: Int64)]
    }
}

/// What is wrong with a proof; never a value from it.
public enum ProofFault: Error, Hashable, Sendable {
    case checkpoint, cosignature, extra, header, inclusion, index, noLeaf, note, origin, otherLeaf, outside, path,
        signature
    case quorum(found: Int, needed: Int)
    case tooLarge, unsigned

    public var text: String {
        switch self {
        case .checkpoint: "the signed text is not a checkpoint"
        case .cosignature: "a cosignature of a named witness is not valid"
        case .extra: "the extra line is not base64"
        case .header: "this is not a proof of the format c2sp.org/tlog-proof@v1"
        case .inclusion: "the proof does not lead from this event to the checkpoint's root"
        case .index: "the index line is not a plain decimal number"
        case .noLeaf: "the proof carries no leaf; give the receipt"
        case .note: "the checkpoint is not a signed note"
        case .origin: "the checkpoint is of another log than the key"
        case .otherLeaf: "the proof is of another event than the receipt"
        case .outside: "the event lies beyond the checkpoint"
        case .path: "the lines of the proof are not base64 of hashes"
        case .quorum(let found, let needed): "\(found) of the \(needed) witnesses that are needed have cosigned"
        case .signature: "the log's signature is not valid"
        case .tooLarge: "the proof is larger than any proof can be"
        case .unsigned: "the checkpoint is not signed by the log's key"
        }
    }
}
