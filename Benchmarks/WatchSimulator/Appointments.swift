import WardCore

struct Appointment: Sendable {
    let day: Int
    /// Second of the day.
    let time: Double
    let patient: Int
    let clinician: Int
    let pod: Int
    /// Second of the day on which it was made.
    let booked: (day: Int, time: Double)
    /// Came without one; who treats is on record only when the visit is over.
    let isWalkIn: Bool
    let isKept: Bool
}

/// Every appointment of the time simulated, of the month before and of two weeks after.
struct Appointments: Sendable {
    /// First day that has any.
    static let before = 45
    private(set) var days: [[Appointment]] = []
    /// Those made on each day of the simulation for a later one.
    private(set) var bookings: [[Appointment]] = []

    func on(_ day: Int) -> [Appointment] {
        let place = day + Self.before
        return days.indices.contains(place) ? days[place] : []
    }

    init(
        _ population: Population, _ staff: Staff, _ calendar: ClinicCalendar, facts: ClinicFacts, dice: inout Dice
    ) {
        bookings = Array(repeating: [], count: calendar.days)
        for day in -Self.before..<calendar.days + 14 {
            var made: [Appointment] = []
            for panel in 0..<staff.clinicians where calendar.isOpen(day) {
                guard let owner = staff.owner(of: panel, on: day) else { continue }
                let member = staff.members[owner]
                let worksSaturday = (day / 7) % 4 == member.saturdays
                guard calendar.isSaturday(day) ? worksSaturday : member.workdays.contains(calendar.weekday(day))
                else { continue }
                if member.isAway(day) {
                    // Some of those who would have come are seen by a colleague.
                    guard
                        let cover = staff.members.first(where: {
                            $0.panel != nil && $0.index != owner && $0.isEmployed(day) && !$0.isAway(day)
                                && $0.workdays.contains(calendar.weekday(day)) && dice.chance(0.5)
                        })
                    else { continue }
                    for _ in 0..<dice.int(1...4) {
                        add(
                            population.visitor(of: panel, &dice), day, 3600 * dice.between(9, 16.5), cover, calendar,
                            &made, &dice)
                    }
                    continue
                }
                let usual = Double(dice.int(12...20)) * calendar.season(day)
                let count = calendar.isSaturday(day) ? 8 : min(22, Int(usual))
                let span = (calendar.isSaturday(day) ? 4.0 * 3600 : member.length) - 3600
                var last: Int?
                for slot in 0..<count {
                    var patient = population.visitor(
                        of: dice.chance(0.93) ? panel : dice.int(0...staff.clinicians - 1), &dice)
                    if let last, dice.chance(0.07),
                        let other = dice.pick(population.households[population.patients[last].household]),
                        !population.patients[other].isDecoy
                    {
                        patient = other
                    }
                    if population.patients[patient].colleague == owner {
                        patient = population.visitor(of: panel, &dice)
                    }
                    if population.patients[patient].isDecoy { continue }
                    last = patient
                    let lunch = Double(slot) * span / Double(count) > 4 * 3600 ? 2400.0 : 0
                    add(
                        patient, day, member.starts + 1500 + Double(slot) * span / Double(count) + lunch, member,
                        calendar, &made, &dice)
                }
            }
            days.append(made)
            for appointment in made { record(appointment, calendar, facts) }
        }
    }

    private mutating func add(
        _ patient: Int, _ day: Int, _ time: Double, _ member: Member, _ calendar: ClinicCalendar,
        _ made: inout [Appointment], _ dice: inout Dice
    ) {
        let isWalkIn = dice.chance(0.03)
        var (bookedOn, bookedAt) = (day, max(7.3 * 3600, time - 3600 * dice.between(0.4, 4)))
        if !isWalkIn, dice.chance(0.78) {
            bookedOn = day - (dice.chance(0.2) ? dice.int(1...3) : min(60, 1 + Int(dice.exponential(18))))
            while !calendar.isOpen(bookedOn) { bookedOn -= 1 }
            bookedAt = 3600 * (calendar.isSaturday(bookedOn) ? dice.between(8, 12) : dice.between(7.6, 16.8))
        }
        if isWalkIn { bookedAt = time - 400 }
        let appointment = Appointment(
            day: day, time: time, patient: patient, clinician: member.index, pod: member.pod,
            booked: (bookedOn, bookedAt), isWalkIn: isWalkIn, isKept: dice.chance(0.93))
        made.append(appointment)
        if bookings.indices.contains(bookedOn) { bookings[bookedOn].append(appointment) }
    }

    private func record(_ appointment: Appointment, _ calendar: ClinicCalendar, _ facts: ClinicFacts) {
        let made = calendar.time(appointment.booked.day, appointment.booked.time + 90)
        let seen = calendar.time(appointment.day, appointment.time)
        let known = appointment.isWalkIn ? seen.adding(seconds: 2400) : made
        let month = seen.adding(seconds: 30 * 86_400)
        facts.relate(appointment.clinician, appointment.patient, from: known, until: month)
        facts.relate(ClinicFacts.pod(appointment.pod), appointment.patient, from: known, until: month)
        facts.relate(ClinicFacts.frontDesk, appointment.patient, from: made, until: seen.adding(seconds: 14 * 86_400))
        if appointment.isKept {
            facts.relate(
                ClinicFacts.billers, appointment.patient, from: seen.adding(seconds: 1800),
                until: seen.adding(seconds: 75 * 86_400))
        }
    }
}
