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
        // Which they were and where is a choice too.
        if withoutSeparators { bits += letters.dropSeparators() }
        let pieces = Self.cheapest(letters, Self.tokens(names))
        bits += pieces.reduce(0) { $0 + $1.bits }
        reason = Self.reason(pieces)
    }

    private static func cheapest(_ letters: PasswordLetters, _ names: Set<[Character]>) -> [Piece] {
        let count = letters.folded.count
        let spellings = letters.spellings()
        let copies = letters.copies()
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
            for spelling in spellings {
                func spellingBits(_ length: Int) -> Double {
                    let range = start..<start + length
                    return (letters.hasCapital(range) ? 1 : 0) + (spelling[range] == letters.folded[range] ? 0 : 1)
                }
                for name in names where spelling[start...].starts(with: name) {
                    offer(.name, name.count, 2 + spellingBits(name.count))
                }
                CommonWords.forEachPrefix(of: spelling[start...]) { length, bits in
                    offer(.word, length, bits + spellingBits(length))
                }
            }
            for length in letters.runs(start) { offer(.sequence, length, 5) }
            for walk in letters.walks(start) { offer(.sequence, walk.count, walk.bits) }
            for length in stride(from: 3, through: copies[start], by: 1) { offer(.copy, length, 6) }
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

    /// Words of at least three letters in the names, and each name as one word.
    private static func tokens(_ names: [String]) -> Set<[Character]> {
        var tokens: Set<[Character]> = []
        for name in names {
            let words = name.lowercased().split { !$0.isLetter && !$0.isNumber }
            tokens.formUnion((words + [Substring(words.joined())]).map(Array.init))
        }
        return tokens.filter { $0.count >= 3 }
    }
}

/// Common words with their cost.
enum CommonWords {
    /// Calls `body` with the length and the cost of each word that `letters` starts with.
    static func forEachPrefix(of letters: ArraySlice<Character>, _ body: (_ length: Int, _ bits: Double) -> Void) {
        var prefix = ""
        // Words that start with the prefix stand together.
        var first = 0
        for (index, letter) in letters.enumerated() {
            prefix.append(letter)
            var last = table.count
            while first < last {
                let middle = (first + last) / 2
                if table[middle].word < prefix { first = middle + 1 } else { last = middle }
            }
            guard first < table.count, table[first].word.hasPrefix(prefix) else { return }
            if table[first].word == prefix { body(index + 1, table[first].bits) }
        }
    }

    private static let table: [(word: String, bits: Double)] = {
        var table: [(word: String, bits: Double)] = []
        for line in "\(CommonWordTable.text)".split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let first = fields.first, let bits = Double(first) else { continue }
            table += fields.dropFirst().map { (String($0), bits) }
        }
        return table.sorted { $0.word < $1.word }
    }()
}
