extension String {
    /// Whether a text holds what does not show, or changes how the rest shows: control characters, marks that turn the
    /// direction of writing, line separators, and signs without width (Unicode TR36 §2.10).
    public var hasHiddenCharacters: Bool {
        unicodeScalars.contains { scalar in
            switch scalar.value {
            case 0x00...0x1F, 0x7F...0x9F, 0xAD, 0x061C, 0x200B, 0x200E...0x200F, 0x2028...0x202E, 0x2060...0x206F,
                0xFEFF, 0xFFF9...0xFFFB, 0xE0000...0xE0FFF:
                true
            default: false
            }
        }
    }
}
