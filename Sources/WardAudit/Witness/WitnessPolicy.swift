/// Who has to have seen the log grow before a checkpoint counts as witnessed (a part of C2SP tlog-policy).
public struct WitnessPolicy: Hashable, Sendable {
    public struct Witness: Hashable, Sendable {
        /// As the clinic calls it; the key has a name of its own.
        public let name: String
        public let key: VerifierKey
    }

    public static let most = 32

    public private(set) var witnesses: [Witness] = []
    /// How many of them; 0 only without any.
    public private(set) var quorum = 0

    public init() {}

    /// - Throws: ``WitnessFault`` for a name or key that is there already, cannot stand in a policy, or is no witness's.
    public mutating func add(_ name: String, _ key: VerifierKey) throws(WitnessFault) {
        guard Self.isName(name) else { throw .badName }
        guard key.algorithm == .cosignature else { throw .notAWitnessKey }
        guard witnesses.count < Self.most else { throw .tooMany }
        // One key under two names would count twice.
        guard !witnesses.contains(where: { $0.name == name || $0.key.publicKey == key.publicKey }) else { throw .known }
        witnesses.append(Witness(name: name, key: key))
        quorum = max(quorum, 1)
    }

    /// The quorum becomes smaller if fewer are left than it asks for.
    public mutating func remove(_ name: String) throws(WitnessFault) {
        guard let place = witnesses.firstIndex(where: { $0.name == name }) else { throw .unknown }
        witnesses.remove(at: place)
        quorum = min(quorum, witnesses.count)
    }

    public mutating func require(_ count: Int) throws(WitnessFault) {
        guard count >= 1, count <= witnesses.count else { throw .badQuorum }
        quorum = count
    }

    private static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && !["none", "all", "any", group].contains(name)
            && name.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte)
                    || [0x2D, 0x2E, 0x5F].contains(byte)
            }
    }

    private static let group = "witnesses"

    /// A policy file: `witness` lines, one group with its threshold, the quorum.
    public var text: String {
        let names = witnesses.map(\.name)
        return witnesses.map { "witness \($0.name) \($0.key.text)\n" }.joined()
            + (names.isEmpty
                ? "quorum none\n"
                : "group \(Self.group) \(quorum) \(names.joined(separator: " "))\nquorum \(Self.group)\n")
    }

    /// Reads what ``text`` writes; nil for anything else, such as groups of groups.
    public init?(text: String) {
        var (policy, quorum) = (WitnessPolicy(), 0)
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            switch words.first {
            case "witness" where words.count == 3:
                guard let key = VerifierKey(words[2]) else { return nil }
                do throws(WitnessFault) { try policy.add(words[1], key) } catch { return nil }
            case "group" where words.count >= 4:
                guard let count = Int(words[2]) else { return nil }
                quorum = count
            case "quorum" where words.count == 2: break
            default: return nil
            }
        }
        if quorum > 0 { do throws(WitnessFault) { try policy.require(quorum) } catch { return nil } }
        guard policy.text.utf8.elementsEqual(text.utf8) else { return nil }
        self = policy
    }
}

/// Why a policy could not be changed.
public enum WitnessFault: Error, Hashable, Sendable {
    case badName, badQuorum, known, notAWitnessKey, tooMany, unknown

    public var text: String {
        switch self {
        case .badName: "a witness's name has 1 to 64 letters, digits, hyphens, dots and underscores"
        case .badQuorum: "the quorum is 1 to the number of witnesses"
        case .known: "a witness of this name or with this key is named already"
        case .notAWitnessKey: "the key is not one of a witness (C2SP cosignature, type 04)"
        case .tooMany: "no more than \(WitnessPolicy.most) witnesses"
        case .unknown: "there is no witness of this name"
        }
    }
}
