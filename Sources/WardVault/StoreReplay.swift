import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIndex
import WardStorage

/// Keys of verification: of the sums and of what is kept of them.
struct VerificationKeys: Sendable {
    let sealing: SealingKey
    private let items: MacKey

    init(_ material: KeyMaterial) {
        sealing = SealingKey(material.derived("ward/verification-seal/1"))
        items = MacKey(material.derived("ward/verification-item/1"))
    }

    /// A stored version: where, which, whether it is a deletion, and the start of its body's hash.
    func version(_ locator: Locator, _ version: Int64, isDeleted: Bool, hash: Locator) -> Digest {
        items.tag(ofWhole: [1, isDeleted ? 1 : 0] + locator.bytes + bigEndian(version) + hash.bytes)
    }

    /// Which version of a record is current.
    func head(_ locator: Locator, _ version: Int64) -> Digest {
        items.tag(ofWhole: [2] + locator.bytes + bigEndian(version))
    }

    func patientKey(_ id: Locator, hash: Locator) -> Digest { items.tag(ofWhole: [3] + id.bytes + hash.bytes) }

    /// A row that says where a version lies: of the versions themselves, or of heads and histories.
    func row(_ locator: Locator, _ head: Head) -> Digest {
        items.tag(
            ofWhole: [4, head.isDeleted ? 1 : 0] + locator.bytes + bigEndian(head.version)
                + bigEndian(head.record.value))
    }

    /// The current version that a card must be of.
    func card(_ locator: Locator, _ version: Int64, _ record: RecordNumber) -> Digest {
        items.tag(ofWhole: [5] + locator.bytes + bigEndian(version) + bigEndian(record.value))
    }
}

/// What the store must hold according to the log up to a place: sums over records and keys, and each entry's hash.
///
/// Costs 33 bytes an entry that is there, and the same few hundred bytes for one record as for ten million.
struct StoreReplay: Equatable, Sendable {
    /// Place of an entry.
    struct Place: Hashable, Sendable {
        let kind: EntryKind
        let id: Locator
    }

    private(set) var position = LogPosition.start
    private(set) var versions = DigestSum()
    private(set) var versionCount: Int64 = 0
    private(set) var heads = DigestSum()
    private(set) var patientKeys = DigestSum()
    /// The newest hash of each entry that was put and not removed.
    private(set) var entries: [Place: Locator] = [:]
    /// Whether every entry and key that is stored is known to the log.
    ///
    /// Events name them since a version of Ward; one event adopts what was there before.
    private(set) var isCovered = false
    /// How many were adopted: what nobody can say of whether it was always so.
    private(set) var adopted: Int64 = 0

    /// Decision code of the event that adopts what earlier versions of Ward put without naming it.
    static let adoption = "adopted"

    /// Takes one event; they come in the order of the log.
    mutating func take(_ event: AuditEvent, _ keys: VaultKeys) {
        for record in event.records {
            guard let hash = record.hash.flatMap(Locator.init(hex:)) else { continue }
            let locator = keys.locators.locator(type: record.type, id: record.id)
            let isDeleted = record.interaction == .delete
            versions.add(
                keys.verification.version(locator, record.version, isDeleted: isDeleted, hash: hash))
            versionCount += 1
            heads.add(keys.verification.head(locator, record.version))
            if record.version > 1 { heads.remove(keys.verification.head(locator, record.version - 1)) }
        }
        for sealed in event.resealed {
            let (place, isDeleted) = (sealed.locator, sealed.isDeleted)
            versions.remove(
                keys.verification.version(place, sealed.version, isDeleted: isDeleted, hash: sealed.old))
            versions.add(keys.verification.version(place, sealed.version, isDeleted: isDeleted, hash: sealed.new))
        }
        let isAdoption = event.kind == .storeVerified && event.decision == Self.adoption
        if isAdoption, !isCovered {
            // It names every key, those too that were named before.
            isCovered = true
            patientKeys = DigestSum()
        }
        for entry in event.entries {
            let hash = entry.hash.flatMap(Locator.init(hex:))
            if isAdoption, entry.kind != .verifiedMark { adopted += 1 }
            switch entry.kind {
            case .patientKey: if let hash { patientKeys.add(keys.verification.patientKey(entry.id, hash: hash)) }
            case .patientKeyRemoved:
                if let hash { patientKeys.remove(keys.verification.patientKey(entry.id, hash: hash)) }
            default: entries[Place(kind: entry.kind, id: entry.id)] = hash
            }
        }
    }

    mutating func reach(_ position: LogPosition) { self.position = position }
}

extension StoreReplay {
    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = [Self.format, isCovered ? 1 : 0]
        bytes += bigEndian(position.size) + position.root.bytes
        bytes += versions.bytes + bigEndian(versionCount) + heads.bytes + patientKeys.bytes + bigEndian(adopted)
        bytes.reserveCapacity(bytes.count + entries.count * 33)
        for (place, hash) in entries {
            bytes.append(UInt8(place.kind.rawValue))
            bytes += place.id.bytes + hash.bytes
        }
        return bytes
    }

    /// Reads what ``encoded()`` wrote; nil for anything else.
    init?(decoding bytes: ArraySlice<UInt8>) {
        let head = 2 + 8 + 32 + 32 + 8 + 32 + 32 + 8
        guard bytes.count >= head, (bytes.count - head) % 33 == 0, bytes[bytes.startIndex] == Self.format else {
            return nil
        }
        var rest = bytes.dropFirst(2)
        func take(_ count: Int) -> ArraySlice<UInt8> {
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number() -> Int64 { take(8).reduce(0) { $0 << 8 | Int64($1) } }
        isCovered = bytes[bytes.startIndex + 1] == 1
        let size = number()
        guard
            let root = Digest(bytes: take(32)), let versions = DigestSum(bytes: Array(take(32)))
        else { return nil }
        position = LogPosition(size: size, root: root)
        self.versions = versions
        versionCount = number()
        guard let heads = DigestSum(bytes: Array(take(32))), let keys = DigestSum(bytes: Array(take(32))) else {
            return nil
        }
        (self.heads, patientKeys) = (heads, keys)
        adopted = number()
        while !rest.isEmpty {
            guard
                let kind = EntryKind(rawValue: Int64(take(1).first ?? 0)), let id = Locator(bytes: take(16)),
                let hash = Locator(bytes: take(16))
            else { return nil }
            entries[Place(kind: kind, id: id)] = hash
        }
    }
}

extension Locator {
    /// Reads 32 hexadecimal digits: the half of a hash that events carry.
    init?(hex: String) {
        let digits = Array(hex.utf8)
        guard digits.count == 32 else { return nil }
        var words: [UInt64] = [0, 0]
        for (place, digit) in digits.enumerated() {
            let value: UInt8
            switch digit {
            case 0x30...0x39: value = digit - 0x30
            case 0x61...0x66: value = digit - 0x57
            default: return nil
            }
            words[place / 16] = words[place / 16] << 4 | UInt64(value)
        }
        self.init(high: words[0], low: words[1])
    }
}

/// The half of a SHA-256 hash that events carry.
func shortHash(_ bytes: [UInt8]) -> Locator { sha256(bytes).locator }
