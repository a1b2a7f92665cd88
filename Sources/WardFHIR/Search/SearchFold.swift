/// How strings are made comparable for search: case, accents and white space do not count (FHIR R4 search.html#string).
///
/// Canonical decomposition, combining marks dropped, case folded as lower case of upper case, runs of white space to
/// one space, none at the ends. Both sides of every comparison go through the same function.
public enum SearchFold {
    /// Goes into every index card: another version of these rules, or of Unicode, makes the cards be rebuilt.
    public static let version: UInt8 = 1

    /// The folded form. Compare its UTF-8 bytes.
    public static func folded(_ text: String) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(text.utf8.count)
        var isSpacePending = false
        for byte in text.utf8 {
            guard byte < 0x80 else { return foldedSlowly(text) }
            if byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) {
                isSpacePending = !output.isEmpty
            } else {
                if isSpacePending { output.append(0x20) }
                isSpacePending = false
                output.append(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Codes in lower case, otherwise unchanged but for ``canonical(_:)``.
    public static func foldedCode(_ text: String) -> String {
        for byte in text.utf8 where byte >= 0x80 || (byte >= 0x41 && byte <= 0x5A) {
            return canonical(text.lowercased())
        }
        return text
    }

    /// Canonical decomposition (Unicode NFD): equal for texts that differ only in how accents are encoded.
    public static func canonical(_ text: String) -> String {
        for byte in text.utf8 where byte >= 0x80 { return String(String.UnicodeScalarView(decomposed(text))) }
        return text
    }

    private static func foldedSlowly(_ text: String) -> String {
        var output = String.UnicodeScalarView()
        var isSpacePending = false
        for scalar in decomposed(text) where scalar.properties.generalCategory != .nonspacingMark {
            if scalar.properties.isWhitespace {
                isSpacePending = !output.isEmpty
                continue
            }
            if isSpacePending { output.append(" ") }
            isSpacePending = false
            let folded = scalar.properties.uppercaseMapping.lowercased()
            // Case mapping may bring marks back: the dotted capital I.
            for part in decomposed(folded) where part.properties.generalCategory != .nonspacingMark {
                output.append(part)
            }
        }
        return String(output)
    }

    private static func decomposed(_ text: String) -> [Unicode.Scalar] {
        var output: [Unicode.Scalar] = []
        output.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars { append(scalar, to: &output) }
        order(&output)
        return output
    }

    private static func append(_ scalar: Unicode.Scalar, to output: inout [Unicode.Scalar]) {
        if scalar.value < 0xC0 {
            output.append(scalar)
        } else if scalar.value >= 0xAC00, scalar.value < 0xAC00 + 11_172 {
            // Hangul syllables decompose by arithmetic (Unicode Standard, section 3.12).
            let index = scalar.value - 0xAC00
            let trailing = index % 28
            let parts = [0x1100 + index / 588, 0x1161 + index % 588 / 28] + (trailing == 0 ? [] : [0x11A7 + trailing])
            output += parts.compactMap(Unicode.Scalar.init)
        } else if let parts = table[scalar] {
            for part in parts { append(part, to: &output) }
        } else {
            output.append(scalar)
        }
    }

    /// Marks between two starters in the order of their classes (Unicode Standard, section 3.11, D109).
    private static func order(_ scalars: inout [Unicode.Scalar]) {
        var start = 0
        while start < scalars.count {
            guard scalars[start].properties.canonicalCombiningClass != .notReordered else {
                start += 1
                continue
            }
            var end = start
            while end < scalars.count, scalars[end].properties.canonicalCombiningClass != .notReordered { end += 1 }
            if end - start > 1 {
                let marks = scalars[start..<end].enumerated().sorted {
                    ($0.element.properties.canonicalCombiningClass.rawValue, $0.offset)
                        < ($1.element.properties.canonicalCombiningClass.rawValue, $1.offset)
                }
                scalars.replaceSubrange(start..<end, with: marks.map(\.element))
            }
            start = end
        }
    }

    private static let table: [Unicode.Scalar: [Unicode.Scalar]] = {
        var result: [Unicode.Scalar: [Unicode.Scalar]] = [:]
        for entry in "\(Decompositions.table)".split(separator: " ") {
            let sides = entry.split(separator: "=")
            guard sides.count == 2, let whole = scalar(sides[0]) else { continue }
            result[whole] = sides[1].split(separator: "+").compactMap(scalar)
        }
        return result
    }()

    private static func scalar(_ hexadecimal: Substring) -> Unicode.Scalar? {
        UInt32(hexadecimal, radix: 16).flatMap(Unicode.Scalar.init)
    }
}
