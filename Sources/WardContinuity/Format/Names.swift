import WardCore
import WardCrypto

/// Names of the objects of a backup.
enum BackupNames {
    static let manifests = "manifests/"
    static let stream = "stream/"
    static let chunks = "chunks/"
    static let destroyed = "destroyed/"

    static func manifest(_ number: Int64) -> String { manifests + digits(number) }
    static func segment(_ number: Int64) -> String { stream + digits(number) }

    static func destroyed(_ id: Locator) -> String { destroyed + hex(id.bytes) }

    static func chunk(_ epoch: UInt64, _ id: Digest) -> String {
        let text = hex(bigEndian(epoch))
        return "\(chunks)\(text)/\(hex(id.bytes))"
    }

    /// The number in a name of a manifest or segment; nil for anything that Ward did not name.
    static func number(_ name: String) -> Int64? {
        guard let slash = name.firstIndex(of: "/") else { return nil }
        let text = name[name.index(after: slash)...]
        guard text.utf8.count == 12, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static func digits(_ number: Int64) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 12 - text.utf8.count)) + text
    }

    static func bigEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64($0))) }
    }
}
