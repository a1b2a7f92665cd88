/// A password as a row of characters, with what a cracking program sees in it.
struct PasswordLetters {
    /// Lower case.
    private(set) var folded: [Character]
    private var capitals: [Bool]

    init(_ text: String) {
        let characters = Array(text)
        // A character whose lower case is several stays as it is: positions have to agree.
        folded = characters.map { character in
            let lower = character.lowercased()
            return lower.count == 1 ? Character(lower) : character
        }
        capitals = characters.map(\.isUppercase)
    }

    /// Leaves out spaces and signs, and says what they cost by themselves.
    mutating func dropSeparators() -> Double {
        let kept = folded.indices.filter { !isSign($0) }
        let bits = folded.indices.reduce(0) { $0 + (isSign($1) ? characterBits($1) : 0) }
        capitals = kept.map { capitals[$0] }
        folded = kept.map { folded[$0] }
        return bits
    }

    func hasCapital(_ range: Range<Int>) -> Bool { capitals[range].contains(true) }

    /// A character by itself.
    func characterBits(_ index: Int) -> Double {
        let character = folded[index]
        // Whoever separates once separates everywhere.
        if isSign(index), folded[..<index].contains(character) { return 1 }
        if !character.isASCII { return 7 }
        if character.isNumber { return 3.3 }
        if isSign(index) { return " -_.!".contains(character) ? 2 : 5 }
        return capitals[index] ? 5.7 : 4.7
    }

    private func isSign(_ index: Int) -> Bool { !folded[index].isLetter && !folded[index].isNumber }

    func isYear(_ start: Int) -> Bool {
        guard start + 4 <= folded.count else { return false }
        let text = String(folded[start..<start + 4])
        return (text.hasPrefix("19") || text.hasPrefix("20")) && text.allSatisfy { $0.isASCII && $0.isNumber }
    }

    /// The password with digits and signs read as the letters they look like; those that look like two come twice.
    func spellings() -> [[Character]] {
        let first = folded.map { Self.likenesses[$0] ?? $0 }
        guard first != folded else { return [folded] }
        let second = folded.map { $0 == "1" || $0 == "!" ? "l" : Self.likenesses[$0] ?? $0 }
        return [folded, first, second]
    }

    /// Lengths of runs in steps of one through letters or digits, up or down.
    func runs(_ start: Int) -> [Int] {
        var lengths: [Int] = []
        for step in [1, -1] {
            var length = 1
            while start + length < folded.count, let last = folded[start + length - 1].asciiValue,
                let next = folded[start + length].asciiValue,
                Int(next) - Int(last) == step
                    || (last, next, step) == (0x39, 0x30, 1) || (last, next, step) == (0x30, 0x39, -1)
            {
                length += 1
                if length >= 3 { lengths.append(length) }
            }
        }
        return lengths
    }

    /// Lengths of walks over neighbouring keys; each turn costs, and three keys have to be in a line.
    func walks(_ start: Int) -> [(count: Int, bits: Double)] {
        var walks: [(count: Int, bits: Double)] = []
        for keyboard in Self.keyboards {
            var bits = 4.0
            var direction: Key?
            var length = 1
            while start + length < folded.count, let last = keyboard[folded[start + length - 1]],
                let next = keyboard[folded[start + length]]
            {
                let step = Key(row: next.row - last.row, column: next.column - last.column)
                guard abs(step.row) <= 1, abs(step.column) <= 1, step != Key(row: 0, column: 0) else { break }
                if step != direction { bits += 1.5 }
                direction = step
                length += 1
                if length >= 4 || length == 3 && bits < 6 { walks.append((length, bits)) }
            }
        }
        return walks
    }

    /// For each place, how far the text from there repeats what stands anywhere before it.
    func copies() -> [Int] {
        var longest = [Int](repeating: 0, count: folded.count)
        for distance in stride(from: 1, to: folded.count, by: 1) {
            var length = 0
            for place in (distance..<folded.count).reversed() {
                length = folded[place] == folded[place - distance] ? length + 1 : 0
                longest[place] = max(longest[place], length)
            }
        }
        return longest
    }

    private struct Key: Hashable {
        let row: Int
        let column: Int
    }

    private static let likenesses: [Character: Character] = [
        "0": "o", "1": "i", "!": "i", "3": "e", "4": "a", "@": "a", "5": "s", "$": "s", "7": "t", "+": "t", "8": "b",
    ]

    /// American, German and French rows, and the number pad.
    private static let keyboards: [[Character: Key]] = [
        ["1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"],
        ["!@#$%^&*()", "qwertyuiop", "asdfghjkl", "zxcvbnm"],
        ["1234567890", "qwertzuiop", "asdfghjkl", "yxcvbnm"], ["1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn"],
        ["789", "456", "123", " 0 "],
    ].map { rows in
        var keys: [Character: Key] = [:]
        for (row, letters) in rows.enumerated() {
            for (column, letter) in letters.enumerated() where letter != " " {
                keys[letter] = Key(row: row, column: column)
            }
        }
        return keys
    }
}
