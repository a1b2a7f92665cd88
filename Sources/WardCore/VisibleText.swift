/// A text from outside with every character written out that is hidden and no part of how a word is spelt: controls,
/// those that turn the direction of writing around (Unicode UAX #9), signs without width; so that a line reads as it is.
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
            // In UTF-16, as JSON has it (RFC 8259 §7).
            for unit in String(scalar).utf16 {
                let digits = String(unit, radix: 16)
                shown += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
}

private func isSteering(_ scalar: Unicode.Scalar) -> Bool { scalar.isHidden && !scalar.isPartOfSpelling }
