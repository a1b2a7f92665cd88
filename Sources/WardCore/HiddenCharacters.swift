extension Unicode.Scalar {
    /// Whether it does not show, or changes how the rest shows: controls, marks that turn the direction of writing, line
    /// separators, signs without width, what is private or no character (Unicode general categories C, Zl and Zp, and
    /// what is ignored where it cannot be shown; Unicode TR36 §2.10).
    public var isHidden: Bool {
        if value < 0x7F { return value < 0x20 }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: return true
        default: return properties.isDefaultIgnorableCodePoint
        }
    }

    /// The two joiners and the variation selectors: hidden, and part of how words are spelt in many scripts.
    public var isPartOfSpelling: Bool { value == 0x200C || value == 0x200D || (0xFE00...0xFE0F).contains(value) }
}

extension String {
    /// Whether a text holds what is hidden and no part of how a word is spelt.
    public var hasHiddenCharacters: Bool { unicodeScalars.contains { $0.isHidden && !$0.isPartOfSpelling } }
}
