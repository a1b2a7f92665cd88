/// HTML whose texts are escaped byte by byte; there is no way to put a value in unescaped.
public struct Markup: Sendable {
    public private(set) var bytes: [UInt8]

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Text content.
    public static func text(_ text: String) -> Markup { Markup(escaped(text)) }

    /// An element; names are constants of the program, values are escaped.
    public static func element(
        _ name: StaticString, _ attributes: [(name: StaticString, value: String)] = [], _ content: Markup...
    ) -> Markup {
        var bytes: [UInt8] = [0x3C] + "\(name)".utf8
        for attribute in attributes {
            bytes += [0x20] + "\(attribute.name)".utf8 + [0x3D, 0x22] + escaped(attribute.value) + [0x22]
        }
        bytes.append(0x3E)
        for part in content { bytes += part.bytes }
        if !voidElements.contains("\(name)") { bytes += [0x3C, 0x2F] + "\(name)".utf8 + [0x3E] }
        return Markup(bytes)
    }

    /// Several pieces one after the other.
    public static func all(_ parts: [Markup]) -> Markup { Markup(parts.flatMap(\.bytes)) }

    /// A whole page.
    public static func page(language: StaticString, _ head: Markup, _ body: Markup) -> Markup {
        let html = element("html", [("lang", "\(language)")], element("head", [], head), element("body", [], body))
        return Markup(Array("<!DOCTYPE html>".utf8) + html.bytes)
    }

    // Bytes, not characters: a quote followed by a combining mark is one character and still a quote.
    private static func escaped(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case 0x22: bytes += "&quot;".utf8
            case 0x26: bytes += "&amp;".utf8
            case 0x27: bytes += "&#39;".utf8
            case 0x3C: bytes += "&lt;".utf8
            case 0x3E: bytes += "&gt;".utf8
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    private static let voidElements: Set<String> = ["br", "hr", "img", "input", "link", "meta"]
}
