/// The cheapest way to put a password together from what guessing starts with.
///
/// Each way is a row of pieces that cover the whole password; a piece costs the bits of choosing it. The cheapest row is
/// found from left to right (shortest path).
struct PasswordEstimate {
    /// log2 of the guesses.
    private(set) var bits = 0.0
    private(set) var reason = PasswordFailure.commonWords

    private enum Kind { case character, copy, name, sequence, word }

    private struct Piece {
        var kind: Kind
        var start: Int
        var end: Int
        var bits: Double
    }

    /// - Parameter withoutSeparators: leaves out spaces and signs, so that `may the force` is found as one phrase.
    init(_ text: String, names: [String], withoutSeparators: Bool = false) {
        var letters = PasswordLetters(text)
        // Where the separators were is a choice too, a small one.
        if withoutSeparators { bits += letters.dropSeparators() ? 3 : 0 }
        let pieces = Self.cheapest(letters, Self.tokens(names))
        bits += pieces.reduce(0) { $0 + $1.bits }
        reason = Self.reason(pieces)
    }

    private static func cheapest(_ letters: PasswordLetters, _ names: Set<String>) -> [Piece] {
        let count = letters.folded.count
        var best = [Piece?](repeating: nil, count: count + 1)
        var total = [Double](repeating: .infinity, count: count + 1)
        total[0] = 0
        for start in 0..<count {
            func offer(_ kind: Kind, _ length: Int, _ bits: Double) {
                let end = start + length
                guard total[start] + bits < total[end] else { return }
                total[end] = total[start] + bits
                best[end] = Piece(kind: kind, start: start, end: end, bits: bits)
            }
            offer(.character, 1, letters.characterBits(start))
            if letters.isYear(start) { offer(.character, 4, 6) }
            for length in stride(from: 2, through: min(CommonWords.longest, count - start), by: 1) {
                let capitals = letters.hasCapital(start..<start + length) ? 1.0 : 0
                for spelling in letters.spellings(start..<start + length) {
                    if names.contains(spelling.text) { offer(.name, length, 2 + capitals + spelling.bits) }
                    if let bits = CommonWords.bits(spelling.text) {
                        offer(.word, length, bits + capitals + spelling.bits)
                    }
                }
            }
            for length in letters.runs(start) { offer(.sequence, length, 5) }
            for length in letters.walks(start) { offer(.sequence, length.count, length.bits) }
            let copied = letters.copyLength(start)
            for length in stride(from: 2, through: copied, by: 1) { offer(.copy, length, 4) }
        }
        var pieces: [Piece] = []
        var end = count
        while end > 0, let piece = best[end] {
            pieces.append(piece)
            end = piece.start
        }
        return pieces
    }

    /// By what most of the password is.
    private static func reason(_ pieces: [Piece]) -> PasswordFailure {
        var covered: [Kind: Int] = [:]
        for piece in pieces { covered[piece.kind, default: 0] += piece.end - piece.start }
        if covered[.name] != nil { return .names }
        if covered[.copy, default: 0] * 2 >= covered.values.reduce(0, +) { return .repetition }
        let words = pieces.count { $0.kind == .word }
        if words == 1, covered[.word, default: 0] * 2 >= covered.values.reduce(0, +) { return .common }
        return covered[.sequence, default: 0] > covered[.word, default: 0] ? .sequence : .commonWords
    }

    /// Words of at least three letters in the names.
    private static func tokens(_ names: [String]) -> Set<String> {
        var tokens: Set<String> = []
        for name in names {
            let words = name.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
            tokens.formUnion(words.filter { $0.count >= 3 })
            let whole = words.joined()
            if (3...CommonWords.longest).contains(whole.count) { tokens.insert(whole) }
        }
        return tokens
    }
}

/// Common words with their cost.
enum CommonWords {
    static let longest = 40

    /// Nil for a word that is not in the table.
    static func bits(_ word: String) -> Double? { table[word].map(Double.init) }

    private static let table: [String: UInt8] = {
        var table: [String: UInt8] = [:]
        table.reserveCapacity(18_000)
        for line in "\(CommonWordTable.text)".split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let first = fields.first, let bits = UInt8(first) else { continue }
            for word in fields.dropFirst() { table[String(word)] = bits }
        }
        return table
    }()
}
