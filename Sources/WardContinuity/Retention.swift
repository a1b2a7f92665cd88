public import WardCore

/// Which full backups stay: all of so many days, and the newest of each of so many weeks and months.
///
/// Counted in days on which there are backups, not from today: a clock that leaps ahead ends none. The newest always
/// stays.
public struct BackupRetention: Hashable, Sendable {
    public var days = 7
    public var weeks = 5
    public var months = 12

    public init() {}

    /// Of backups with their times, those that stay.
    public func kept<Backup>(_ backups: [(backup: Backup, number: Int64, made: Instant)]) -> [Backup] {
        let newestFirst = backups.sorted { $0.number > $1.number }
        var stay: Set<Int64> = []
        if let newest = newestFirst.first { stay.insert(newest.number) }
        keep(newestFirst, days, all: true, &stay) { $0.daysSinceEpoch }
        // Weeks begin on Mondays; the first day of 1970 was a Thursday.
        keep(newestFirst, weeks, &stay) { ($0.daysSinceEpoch + 3).floorDivided(by: 7) }
        keep(newestFirst, months, &stay) { $0.year * 12 + $0.month }
        return backups.filter { stay.contains($0.number) }.map(\.backup)
    }

    /// The oldest of those from which every moment since can be restored: the stream goes back to it.
    func oldestDaily<Backup>(_ backups: [(backup: Backup, number: Int64, made: Instant)]) -> Backup? {
        var daily = self
        (daily.weeks, daily.months) = (0, 0)
        return daily.kept(backups.sorted { $0.number < $1.number }).first
    }

    private func keep<Backup>(
        _ newestFirst: [(backup: Backup, number: Int64, made: Instant)], _ count: Int, all: Bool = false,
        _ stay: inout Set<Int64>,
        _ bucket: (CalendarDay) -> Int64
    ) {
        var seen: Set<Int64> = []
        for (_, number, made) in newestFirst {
            let own = bucket(CalendarDay(daysSinceEpoch: made.microseconds.floorDivided(by: 86_400_000_000)))
            guard !seen.contains(own) else {
                if all { stay.insert(number) }
                continue
            }
            if seen.count == count { return }
            seen.insert(own)
            stay.insert(number)
        }
    }
}
