import Glibc
import WardCore

/// The days that are simulated, counted from 0. The clinic's clock is UTC.
struct ClinicCalendar: Sendable {
    /// Days since 1970 of day 0, a Monday.
    let first: Int
    let days: Int

    /// Begins on a Monday of 2026 or early 2027, so that seeds see different seasons.
    init(days: Int, dice: inout Dice) {
        first = Int(CalendarDay(year: 2026, month: 1, day: 5).daysSinceEpoch) + 28 * dice.int(0...12)
        self.days = days
    }

    /// 0 is Monday.
    func weekday(_ day: Int) -> Int { ((day % 7) + 7) % 7 }

    func date(_ day: Int) -> CalendarDay { CalendarDay(daysSinceEpoch: Int64(first + day)) }

    func time(_ day: Int, _ second: Double) -> Instant {
        Instant(microseconds: Int64(first + day) * 86_400_000_000 + Int64(second * 1_000_000))
    }

    func day(of time: Instant) -> Int { Int(time.microseconds.floorDivided(by: 86_400_000_000)) - first }

    /// United States federal holidays, the day after Thanksgiving, and Christmas Eve.
    func isHoliday(_ day: Int) -> Bool {
        let date = date(day)
        let (weekday, nth) = (weekday(day), Int(date.day - 1) / 7 + 1)
        return switch (date.month, date.day) {
        case (1, 1), (6, 19), (7, 4), (12, 24), (12, 25): true
        case (1, _), (2, _): weekday == 0 && nth == 3
        case (5, _): weekday == 0 && date.day > 24
        case (9, _): weekday == 0 && nth == 1
        case (11, _): (weekday == 3 && nth == 4) || (weekday == 4 && date.day >= 23 && date.day <= 29)
        default: false
        }
    }

    func isOpen(_ day: Int) -> Bool { weekday(day) < 6 && !isHoliday(day) }

    func isSaturday(_ day: Int) -> Bool { weekday(day) == 5 }

    /// More people call and come in the weeks around the end of January.
    func season(_ day: Int) -> Double {
        let date = date(day)
        var dayOfYear = Double((date.month - 1) * 30 + date.day)
        if dayOfYear > 200 { dayOfYear -= 365 }
        let distance = (dayOfYear - 25) / 28
        return 1 + 0.3 * exp(-distance * distance)
    }

    /// The next day the clinic is open, after that many days.
    func open(_ day: Int, after later: Int) -> Int {
        var next = day + later
        while !isOpen(next) || isSaturday(next) { next += 1 }
        return next
    }
}
