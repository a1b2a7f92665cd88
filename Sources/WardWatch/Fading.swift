import WardCore

/// A count that fades: what was long ago counts less.
struct Fading: Hashable, Sendable {
    private(set) var value: Double = 0
    private(set) var day: Double = 0

    /// Days after which a count is worth half.
    static let halfLife: Double = 30

    init() {}

    init(value: Double, day: Double) {
        self.value = value
        self.day = day
    }

    mutating func add(_ amount: Double = 1, at now: Double) {
        value = count(at: now) + amount
        day = max(day, now)
    }

    func count(at now: Double) -> Double { now > day ? value * halfed(now - day) : value }

    private func halfed(_ days: Double) -> Double { exponential(-days / Self.halfLife) }
}

/// How many of something an account has on a day, as known from its days before.
struct Volume: Hashable, Sendable {
    var days: Double = 0
    var mean: Double = 0
    var variance: Double = 0
    /// The most of any day, fading by a hundredth with each.
    var most: Double = 0

    /// Takes a finished day; one far beyond the others counts as only so much, so that nobody makes themselves usual
    /// quickly.
    ///
    /// - Parameters:
    ///   - least: what a new day counts for at least, once many are known.
    ///   - fading: what is left of the most of any day after another one; of a role, each person has one.
    mutating func take(_ count: Double, least: Double = 0.05, fading: Double = 0.99) {
        let bounded = days < 5 ? count : min(count, 2 * most + 3)
        days += 1
        let share = max(1 / days, least)
        let difference = bounded - mean
        mean += share * difference
        variance = (1 - share) * (variance + share * difference * difference)
        most = max(most * fading, bounded)
    }

    /// What a day has to exceed to be far more than usual.
    func bound(deviations: Double, factor: Double) -> Double {
        max(mean + deviations * (variance + mean + 1).squareRoot(), factor * most)
    }
}

/// Two to the power of `exponent`.
func exponential(_ exponent: Double) -> Double {
    guard exponent > -60 else { return 0 }
    let whole = exponent.rounded(.down)
    // ln 2 times the rest, by the series of e^x: 12 terms are exact to 1e-12 below 0.7.
    let rest = (exponent - whole) * 0.693_147_180_559_945_3
    var (sum, term) = (1.0, 1.0)
    for place in 1...12 {
        term *= rest / Double(place)
        sum += term
    }
    return Double(sign: .plus, exponent: Int(whole), significand: 1) * sum
}

/// Logarithm to the base 2, of a positive number.
func bits(_ value: Double) -> Double {
    guard value > 0, value.isFinite else { return 0 }
    // significand in 1 ..< 2; ln by the series of the inverse hyperbolic tangent.
    let ratio = (value.significand - 1) / (value.significand + 1)
    var (sum, term) = (0.0, ratio)
    for place in stride(from: 1, through: 27, by: 2) {
        sum += term / Double(place)
        term *= ratio * ratio
    }
    return Double(value.exponent) + 2 * sum / 0.693_147_180_559_945_3
}

/// A number for a text, the same at every start (FNV-1a, 64 bits); in memory and sealed only.
func mark(_ text: some StringProtocol, _ seed: UInt64 = 0xcbf2_9ce4_8422_2325) -> UInt64 {
    var hash = seed
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
}

extension Instant {
    /// Days since 1970, of the clinic's clock.
    func days(offset: Int64) -> Double { Double(microseconds + offset * 1_000_000) / 86_400_000_000 }
}
