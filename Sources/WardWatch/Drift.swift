/// How far unexplained looks have drifted above what is usual, day by day.
struct Drift: Hashable, Sendable {
    /// So many times more than usual are what is looked for: of looks that were not looked up, and of those that were,
    /// of which some people have many.
    static let tilt: [Double] = [3, 2]
    /// Looks of a day that count: of those that were not looked up, and of those that were.
    static let mostOfDay: [Double] = [4, 12]

    /// Unexplained looks of a day, as far as they count.
    var ofDay = Volume()
    var today: Double = 0
    var bits: Double = 0
    var events: [Int64] = []

    mutating func take(_ event: ArraySlice<Int64>, way: Int) {
        today += 1
        bits += WardWatch.bits(Self.tilt[way])
        events = Array((events + event).suffix(40))
    }

    /// Begins another day.
    mutating func begin(_ role: Volume, way: Int) {
        bits = max(0, bits - Self.usualBits(expected(role), way: way))
        if bits == 0 { events = [] }
        ofDay.take(today, least: 0.02)
        today = 0
    }

    /// Looks of a usual day: the role's at first, the person's own as days go by.
    func expected(_ role: Volume) -> Double {
        let own = min(ofDay.days / 20, 0.95)
        return max(0.1, own * ofDay.mean + (1 - own) * role.mean)
    }

    /// Bits that a day of so many looks comes to.
    static func usualBits(_ looks: Double, way: Int) -> Double { looks * (tilt[way] - 1) / 0.693_147 }
}
