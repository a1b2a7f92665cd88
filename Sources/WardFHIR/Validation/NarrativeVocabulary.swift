/// What a narrative may consist of: HTML 4.0 chapters 7 to 11 and 15, links and images (txt-1).
enum NarrativeVocabulary {
    static let elements = words(
        """
        a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i \
        img ins del li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var address kbd
        """)

    private static let attributes = words(
        """
        abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff \
        charset cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name \
        nowrap rel rev rowspan rules scope shape span src start style summary tabindex title type valign value vspace \
        width xml:lang xmlns datetime
        """)

    private static let addresses = words("href src cite longdesc")

    private static let schemes = words("http https mailto tel ftp urn cid")

    /// Entities that change how a value is read; all others stand for some harmless character.
    static let entities: [String: UInt32] = [
        "amp": 0x26, "apos": 0x27, "gt": 0x3E, "lt": 0x3C, "quot": 0x22, "Tab": 0x09, "NewLine": 0x0A, "colon": 0x3A,
        "lpar": 0x28, "rpar": 0x29, "commat": 0x40, "bsol": 0x5C, "sol": 0x2F, "lowbar": 0x5F, "num": 0x23,
    ]

    /// Whether the attribute may be there with that value.
    static func allows(_ attribute: ArraySlice<UInt8>, _ value: [UInt8]) -> Bool {
        guard attributes.contains(attribute) else { return false }
        if attribute.elementsEqual("xmlns".utf8) { return value.elementsEqual("http://www.w3.org/1999/xhtml".utf8) }
        if attribute.elementsEqual("style".utf8) { return allowsStyle(value) }
        return !addresses.contains(attribute) || allowsAddress(value, isImage: attribute.elementsEqual("src".utf8))
    }

    /// Relative, a known scheme, or an image as data. Browsers drop control characters and spaces, so they are refused
    /// in front of a colon.
    private static func allowsAddress(_ value: [UInt8], isImage: Bool) -> Bool {
        let head = value.prefix { $0 != 0x3A && $0 != 0x2F && $0 != 0x3F && $0 != 0x23 }
        guard head.count < value.count, value[head.count] == 0x3A else { return !value.contains { $0 < 0x20 } }
        if isImage, isImageData(value[...]) { return true }
        return schemes.contains(ArraySlice(head.map(lowercased)))
    }

    /// No loading from elsewhere but images as data, no scripts, and none of the escapes that would hide them.
    private static func allowsStyle(_ value: [UInt8]) -> Bool {
        var style: [UInt8] = []
        style.reserveCapacity(value.count)
        for byte in value where !PrimitiveFormat.isSpace(byte) { style.append(lowercased(byte)) }
        for index in style.indices {
            switch style[index] {
            case 0x3C, 0x40, 0x5C: return false
            case 0x2F where has("/*", in: style, at: index): return false
            case 0x62 where has("behavior:", in: style, at: index): return false
            case 0x65 where has("expression(", in: style, at: index): return false
            case 0x69 where has("image-set(", in: style, at: index): return false
            case 0x6A where has("javascript:", in: style, at: index): return false
            case 0x2D where has("-moz-binding", in: style, at: index): return false
            case 0x75 where has("url(", in: style, at: index):
                if !isImageData(style[(index + 4)...].drop { $0 == 0x22 || $0 == 0x27 }) { return false }
            default: continue
            }
        }
        return true
    }

    /// `data:image/…`, with the space that HL7's own publisher writes after the colon.
    private static func isImageData(_ value: ArraySlice<UInt8>) -> Bool {
        let start = value.prefix(32).filter { $0 != 0x20 }.map(lowercased)
        return has("data:image/", in: start, at: 0)
    }

    private static func has(_ word: StaticString, in text: [UInt8], at index: Int) -> Bool {
        PrimitiveFormat.starts(text.span.extracting(index..<text.count), with: word)
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }

    private static func words(_ list: String) -> Set<ArraySlice<UInt8>> {
        Set(list.utf8.split(separator: 0x20).map { Array($0)[...] })
    }
}
