/// A text from outside with every character written out that steers the display instead of being seen: control
/// characters, and those that turn the direction of writing around (Unicode UAX #9), so that a line reads as it is.
public func visibleText(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isSteering) else { return text }
    return text.unicodeScalars.reduce(into: "") { shown, scalar in
        if isSteering(scalar) {
            shown += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
}

/// The same for text that is JSON already: what is written out reads back as it was.
public func visibleJSON(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isSteering) else { return text }
    return text.unicodeScalars.reduce(into: "") { shown, scalar in
        if isSteering(scalar) {
            let digits = String(scalar.value, radix: 16)
            shown += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
}

private func isSteering(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00...0x1F, 0x7F...0x9F: true
    // Arabic letter mark, left-to-right and right-to-left marks, separators of lines and paragraphs.
    case 0x061C, 0x200E, 0x200F, 0x2028, 0x2029: true
    // Embeddings, overrides, isolates.
    case 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
}
