import WardCore
import WardFHIR

/// What lies inside a sealed version: who and what it is, and the resource as it is answered.
///
/// Header before the JSON: format (1), flags (1: deleted, 2: without labels, 4: the first patient alone is its subject), type code (1), lastUpdated (8), id, patients; texts with a length byte
/// pair. The reader learns the patients concerned without parsing the resource.
struct RecordBody: Sendable {
    let type: ResourceType
    let id: String
    let isDeleted: Bool
    let lastUpdated: Instant
    /// Ids of the patients in whose compartment the record is.
    let patients: [String]
    /// Whether the first of ``patients`` is whom it is about, and the others only have a part in it.
    let isAboutFirst: Bool
    /// Whether it is certain that nothing in ``json`` carries a label.
    let isUnlabelled: Bool
    /// Compact JSON with id and meta; empty for a deletion.
    let json: [UInt8]

    /// The patients that it is about, as opposed to those who have a part in it.
    var subjects: [String] { isAboutFirst ? Array(patients.prefix(1)) : patients }

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(json.count + 128)
        bytes += [1, (isDeleted ? 1 : 0) | (isUnlabelled ? 2 : 0) | (isAboutFirst ? 4 : 0), type.code]
        bytes += bigEndian(lastUpdated.microseconds)
        Self.append(id, to: &bytes)
        bytes += [UInt8(patients.count >> 8), UInt8(patients.count & 255)]
        for patient in patients { Self.append(patient, to: &bytes) }
        bytes += json
        return bytes
    }

    init(
        type: ResourceType, id: String, isDeleted: Bool, lastUpdated: Instant, patients: [String],
        isAboutFirst: Bool = false, isUnlabelled: Bool = false, json: [UInt8]
    ) {
        self.type = type
        self.id = id
        self.isDeleted = isDeleted
        self.lastUpdated = lastUpdated
        // A Group or List can name thousands; the header counts to 65,535.
        self.patients = Array(patients.prefix(65_535))
        self.isAboutFirst = isAboutFirst && !patients.isEmpty
        self.isUnlabelled = isUnlabelled
        self.json = json
    }

    /// Reads what ``encoded()`` wrote; nil for anything else.
    init?(decoding bytes: [UInt8]) {
        guard bytes.count >= 15, bytes[0] == 1, bytes[1] < 8, let type = ResourceType(code: bytes[2]) else {
            return nil
        }
        var at = 11
        func text() -> String? {
            guard at + 2 <= bytes.count else { return nil }
            let count = Int(bytes[at]) << 8 | Int(bytes[at + 1])
            guard at + 2 + count <= bytes.count else { return nil }
            defer { at += 2 + count }
            return String(decoding: bytes[at + 2..<at + 2 + count], as: UTF8.self)
        }
        guard let id = text(), at + 2 <= bytes.count else { return nil }
        let count = Int(bytes[at]) << 8 | Int(bytes[at + 1])
        at += 2
        var patients: [String] = []
        for _ in 0..<count {
            guard let patient = text() else { return nil }
            patients.append(patient)
        }
        self.type = type
        self.id = id
        isDeleted = bytes[1] & 1 == 1
        isUnlabelled = bytes[1] & 2 == 2
        isAboutFirst = bytes[1] & 4 == 4 && !patients.isEmpty
        lastUpdated = Instant(microseconds: bytes[3..<11].reduce(Int64(0)) { $0 << 8 | Int64($1) })
        self.patients = patients
        json = Array(bytes[at...])
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        let count = min(text.utf8.count, 65_535)
        bytes += [UInt8(count >> 8), UInt8(count & 255)]
        bytes += text.utf8.prefix(count)
    }
}
