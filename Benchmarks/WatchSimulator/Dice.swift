import Glibc

/// Random numbers that a seed determines on every machine: xoshiro256**, filled by SplitMix64 (Blackman, Vigna 2018).
public struct Dice: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    public init(seed: UInt64) {
        var mix = seed
        state = (splitMix(&mix), splitMix(&mix), splitMix(&mix), splitMix(&mix))
    }

    public mutating func next() -> UInt64 {
        func rotated(_ value: UInt64, _ by: UInt64) -> UInt64 { (value << by) | (value >> (64 - by)) }
        let result = rotated(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotated(state.3, 45)
        return result
    }

    /// In 0 ..< 1.
    public mutating func unit() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

    public mutating func chance(_ probability: Double) -> Bool { unit() < probability }

    public mutating func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(unit() * Double(range.count))
    }

    public mutating func between(_ low: Double, _ high: Double) -> Double { low + unit() * (high - low) }

    public mutating func pick<Choices: RandomAccessCollection>(_ choices: Choices) -> Choices.Element? {
        guard !choices.isEmpty else { return nil }
        return choices[choices.index(choices.startIndex, offsetBy: int(0...choices.count - 1))]
    }

    /// Box and Muller; the second number is dropped.
    public mutating func normal(_ mean: Double, _ deviation: Double) -> Double {
        mean + deviation * (-2 * log(1 - unit())).squareRoot() * cos(2 * Double.pi * unit())
    }

    public mutating func exponential(_ mean: Double) -> Double { -mean * log(1 - unit()) }

    /// Knuth's product for small means, a rounded normal for large ones.
    public mutating func poisson(_ mean: Double) -> Int {
        if mean > 40 { return max(0, Int(normal(mean, mean.squareRoot()).rounded())) }
        let limit = exp(-mean)
        var (count, product) = (0, unit())
        while product > limit {
            count += 1
            product *= unit()
        }
        return count
    }

    public mutating func shuffled<Element>(_ elements: [Element]) -> [Element] {
        var result = elements
        for last in stride(from: result.count - 1, to: 0, by: -1) { result.swapAt(last, int(0...last)) }
        return result
    }

    /// That many different elements, or all.
    public mutating func sample<Element>(_ elements: [Element], _ count: Int) -> [Element] {
        Array(shuffled(elements).prefix(count))
    }
}

func splitMix(_ state: inout UInt64) -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return mixed(state)
}

/// The finaliser of SplitMix64: one number to another that looks unrelated.
func mixed(_ number: UInt64) -> UInt64 {
    var value = number
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
}

/// A digest of a text, the same everywhere: FNV-1a, mixed.
public func seed(of text: String) -> UInt64 {
    mixed(text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
}
