import WardCrypto

/// A file of the site, named by its content so that it can be kept for ever.
struct Asset: Sendable {
    let name: String
    let type: String
    let bytes: [UInt8]

    init(_ base: String, _ ending: String, type: String, _ text: String) {
        bytes = Array(text.utf8)
        name = "\(base)-\(hex(Array(sha256(bytes).bytes.prefix(8)))).\(ending)"
        self.type = type
    }

    var path: String { "/assets/\(name)" }
}

enum Assets {
    static let stylesheet = Asset("ward", "css", type: "text/css; charset=utf-8", stylesheetText)
    static let script = Asset("ward", "js", type: "text/javascript; charset=utf-8", scriptText)

    static func answer(_ name: String) -> WebAnswer? {
        guard let asset = [stylesheet, script].first(where: { $0.name == name }) else { return nil }
        return WebAnswer(
            status: 200,
            headers: [
                ("Content-Type", asset.type), ("Cache-Control", "public, max-age=31536000, immutable"),
                ("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin"),
                ("Content-Security-Policy", "default-src 'none'"),
            ], body: asset.bytes)
    }
}
