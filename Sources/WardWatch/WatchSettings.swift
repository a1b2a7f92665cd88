/// What it takes to alert, before answers to alerts raise it.
public struct WatchSettings: Hashable, Sendable {
    /// Days of the log before what is judged by comparison is judged at all.
    public var learningDays: Double = 14
    /// Alerts a day, of the kind that weighs several weak signs, that a clinic of forty people can look at.
    public var budget: Double = 2
    /// Least weight of an odd look, in bits, whatever the budget.
    public var leastScore: Double = 5.5
    /// Seconds that an unrelated look has to explain itself: something is written, an appointment made.
    public var settleSeconds: Int64 = 3600
    /// Failed sign-ins of one account, or from one address, within fifteen minutes.
    public var failedSignIns = 10
    /// Accounts tried from one address within an hour.
    public var failedAccounts = 5
    /// Days of silence after which an account is dormant.
    public var dormantDays: Double = 45
    /// Patients whose records leave at once.
    public var massExport = 100
    /// Records that are not there, asked for within ten minutes.
    public var missing = 12
    /// Records with neighbouring ids, opened within ten minutes.
    public var adjacentIDs = 6
    /// Seconds that the clinic's clock is ahead of UTC, for hours and days.
    public var clockOffset: Int64 = 0

    public init() {}
}
