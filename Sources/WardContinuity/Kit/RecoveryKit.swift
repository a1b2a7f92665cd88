public import WardCrypto

/// What opens backups: a private key, and by whom backups must be signed.
///
/// It is printed, whole or in shares of which so many open, and never on a disk of Ward's.
public struct RecoveryKit: Sendable {
    public let key: RecoveryPrivateKey
    /// The first 16 bytes of the hash of the store's backup signing key: without it, whoever knows the public key could
    /// make a backup of their own invention.
    let signer: [UInt8]

    /// - Returns: nil where the system has no randomness.
    public init?(signer: [UInt8]) {
        guard let key = RecoveryPrivateKey() else { return nil }
        self.key = key
        self.signer = Self.fingerprint(ofSigner: signer)
    }

    public var fingerprint: [UInt8] { key.recipient.fingerprint }

    /// Whether backups signed by this key are of the store that the kit was made for.
    public func trusts(signer: [UInt8]) -> Bool { Self.fingerprint(ofSigner: signer) == self.signer }

    private static func fingerprint(ofSigner signer: [UInt8]) -> [UInt8] {
        Array(sha256(Array("ward/backup-signer/1".utf8), signer).bytes.prefix(16))
    }

    // MARK: Paper

    /// One sheet of paper: the whole kit, or one share.
    public struct Part: Hashable, Sendable {
        /// How many parts open; 1 for a kit that is not split.
        public let threshold: Int
        /// From 1; 0 for a kit that is not split.
        public let number: Int
        /// The first four bytes of the kit's fingerprint.
        let kit: [UInt8]
        let value: [UInt8]

        /// Reads a part as typed.
        public init(typed: String) throws(KitFailure) {
            let bytes = try KitLines.bytes(typed)
            guard Array(bytes.suffix(Self.checkCount)) == Self.check(bytes.dropLast(Self.checkCount)) else {
                throw .checksum
            }
            guard bytes[0] == Self.version else { throw .unknownVersion }
            (kit, threshold, number) = (Array(bytes[1..<5]), Int(bytes[5]), Int(bytes[6]))
            value = Array(bytes[7..<7 + RecoveryKit.secretCount])
            guard threshold == 1 && number == 0 || (2...16).contains(threshold) && (1...16).contains(number) else {
                throw .checksum
            }
        }

        init(kit: [UInt8], threshold: Int, number: Int, value: [UInt8]) {
            self.kit = kit
            self.threshold = threshold
            self.number = number
            self.value = value
        }

        /// Six lines to print.
        public var lines: [String] {
            let bytes = [Self.version] + kit + [UInt8(threshold), UInt8(number)] + value
            return KitLines.text(bytes + Self.check(bytes[...]))
        }

        private static let version: UInt8 = 1
        private static let checkCount = 5

        private static func check(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
            Array(sha256(Array("ward/kit/1".utf8), Array(bytes)).bytes.prefix(checkCount))
        }
    }

    private static let secretCount = 48

    /// The kit on one sheet.
    public var whole: Part {
        Part(kit: Array(fingerprint.prefix(4)), threshold: 1, number: 0, value: key.seed + signer)
    }

    /// The kit in `count` shares, of which any `threshold` open; nil unless 2 <= threshold <= count <= 16.
    public func shares(threshold: Int, of count: Int) -> [Part]? {
        SecretShares.split(key.seed + signer, threshold: threshold, count: count)?.map {
            Part(kit: Array(fingerprint.prefix(4)), threshold: threshold, number: Int($0.number), value: $0.value)
        }
    }

    /// Puts a kit together.
    ///
    /// - Throws: ``KitFailure`` that says which part is in the way.
    public init(_ parts: [Part]) throws(KitFailure) {
        guard let first = parts.first else { throw .tooFew(have: 0, need: 1) }
        for part in parts where part.kit != first.kit || part.threshold != first.threshold { throw .mixed }
        guard Set(parts.map(\.number)).count == parts.count else { throw .duplicate }
        guard parts.count >= first.threshold else { throw .tooFew(have: parts.count, need: first.threshold) }
        let secret: [UInt8]?
        if first.threshold == 1 {
            secret = first.value
        } else {
            // All that are there: one too many that is wrong shows as well.
            secret = SecretShares.combine(parts.map { (number: UInt8($0.number), value: $0.value) })
        }
        guard let secret, let key = RecoveryPrivateKey(seed: Array(secret.prefix(32))),
            Array(key.recipient.fingerprint.prefix(4)) == first.kit
        else { throw .wrong }
        self.key = key
        signer = Array(secret.suffix(16))
    }
}

extension RecoveryKit: SilentKey {}
extension RecoveryKit.Part: SilentKey {}

/// Why a kit could not be read.
public enum KitFailure: Error, Hashable, Sendable {
    /// Every line is right, and together they are not: lines of two sheets, most likely.
    case checksum
    /// The same share twice.
    case duplicate
    case lines(found: Int)
    /// Shares of different kits.
    case mixed
    case mistyped(line: Int)
    case tooFew(have: Int, need: Int)
    case unknownVersion
    /// The shares do not add up to the kit that they name.
    case wrong

    public var text: String {
        switch self {
        case .checksum: "the lines are not of one sheet"
        case .duplicate: "the same share was given twice"
        case .lines(let found): "a sheet has \(KitLines.lineCount) lines; \(found) were given"
        case .mixed: "the shares are not of one kit"
        case .mistyped(let line): "line \(line) is mistyped"
        case .tooFew(let have, let need): "\(need) shares are needed, and \(have) were given"
        case .unknownVersion: "the kit is of a newer version of Ward"
        case .wrong: "the shares do not add up to their kit; one of them is not genuine"
        }
    }
}
