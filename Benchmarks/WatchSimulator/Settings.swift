/// What is simulated.
public struct SimulationSettings: Sendable {
    public var seed: UInt64
    public var months: Int
    public var people: Int
    public var patients: Int
    /// Days before the first planted incident, in which a detector may learn what is usual.
    public var warmUp: Int

    public init(seed: UInt64, months: Int = 4, people: Int = 40, patients: Int = 20_000, warmUp: Int = 21) {
        self.seed = seed
        self.months = max(2, months)
        self.people = max(20, people)
        self.patients = max(2000, patients)
        self.warmUp = warmUp
    }

    public var days: Int { months * 61 / 2 }
}
