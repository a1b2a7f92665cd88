import WardFHIR

/// A form as browsers send it: `application/x-www-form-urlencoded` (URL Standard §5.1), read strictly.
struct FormFields {
    private var fields: [(name: String, value: String)] = []

    private static let limit = 100

    /// No fields.
    static let none = FormFields()

    private init() {}

    init(_ fields: [(name: String, value: String)]) {
        self.fields = fields
    }

    /// Nil for what is no form, for bytes that are no UTF-8, and for too many fields.
    init?(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        let pairs = bytes.split(separator: 0x26, omittingEmptySubsequences: true)
        guard pairs.count <= Self.limit else { return nil }
        for pair in pairs {
            let name = pair.prefix { $0 != 0x3D }
            guard
                let decodedName = Self.decoded(name),
                let decodedValue = Self.decoded(pair.dropFirst(name.count + 1))
            else { return nil }
            fields.append((decodedName, decodedValue))
        }
    }

    /// The value of a field; nil unless it is there exactly once.
    subscript(_ name: StaticString) -> String? {
        let found = all(name)
        return found.count == 1 ? found.first : nil
    }

    /// Every field in its order.
    var pairs: [SearchPair] { fields.map { SearchPair(name: $0.name, value: $0.value) } }

    /// Every value of a field, as for a row of boxes.
    func all(_ name: StaticString) -> [String] {
        fields.filter { $0.name == "\(name)" }.map(\.value)
    }

    private static func decoded(_ bytes: ArraySlice<UInt8>) -> String? {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var rest = bytes
        while let byte = rest.popFirst() {
            switch byte {
            case 0x2B: output.append(0x20)
            case 0x25:
                guard
                    let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit)
                else { return nil }
                output.append(high << 4 | low)
            default: output.append(byte)
            }
        }
        return String(validating: output, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}

/// A path of this site to go back to; never another site, never a page outside the application.
struct BackPath {
    let text: String

    static let home = BackPath(known: "/app")

    private init(known text: String) {
        self.text = text
    }

    /// The home page for anything but a plain local path below `/app`.
    init(_ typed: String?) {
        guard let typed, Self.isLocal(typed) else {
            self = .home
            return
        }
        text = typed
    }

    /// The path of a request.
    init(segments: [String]) {
        self.init("/" + segments.joined(separator: "/"))
    }

    private static func isLocal(_ text: String) -> Bool {
        guard text.utf8.count <= 200 else { return false }
        let segments = text.split(separator: "/", omittingEmptySubsequences: false)
        guard segments.count >= 2, segments[0].isEmpty, segments[1] == "app" else { return false }
        // The pages that lock and ask again are no places to come back to.
        if segments.count > 2, ["locked", "unlock", "lock", "step-up", "ping"].contains(segments[2]) { return false }
        return segments.dropFirst().allSatisfy { segment in
            !segment.isEmpty && segment != "." && segment != ".."
                && segment.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
                    default: false
                    }
                }
        }
    }
}
