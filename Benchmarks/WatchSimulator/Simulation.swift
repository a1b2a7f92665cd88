public import WardAudit
public import WardCore

/// Months of a clinic, day by day, as its log would hold them, with planted incidents that are known.
///
/// One seed gives the same events everywhere. Nothing here knows how a detector works.
public final class Simulation {
    public let settings: SimulationSettings
    public let facts: ClinicFacts
    public internal(set) var incidents: [Incident] = []
    public internal(set) var honest = HonestWork()
    /// Days that have been simulated.
    public private(set) var day = 0

    let calendar: ClinicCalendar
    let population: Population
    var staff: Staff
    let appointments: Appointments
    var scribe: Scribe
    var dice: Dice
    /// Of each day, the work of each member.
    var tasks: [[Int: [Task]]]
    var raids: [Int: [Raid]] = [:]
    /// Sign-ins that fail: day, second, whose, from where, and the incident.
    var tries: [(day: Int, time: Double, subject: String, address: String, incident: Int)] = []
    /// Patients of whom the laboratory reports on a day.
    var arrivals: [Int: [Int]] = [:]
    var present: [Int] = []
    /// Incidents of each member, so that they are spread.
    var burden: [Int: Int] = [:]
    private var size: Int64 = 0

    static let interface = AuditActor(id: "client/laboratory", name: "laboratory", role: "integration")

    public init(_ settings: SimulationSettings) {
        self.settings = settings
        var dice = Dice(seed: settings.seed)
        calendar = ClinicCalendar(days: settings.days, dice: &dice)
        let clinicians = Staff.clinicians(of: settings.people)
        var population = Population(count: settings.patients, clinicians: clinicians, dice: &dice)
        staff = Staff(people: settings.people, days: settings.days, population: &population, dice: &dice)
        self.population = population
        facts = ClinicFacts(population, staff, calendar)
        appointments = Appointments(population, staff, calendar, facts: facts, dice: &dice)
        scribe = Scribe(calendar: calendar)
        tasks = Array(repeating: [:], count: settings.days)
        self.dice = dice
        relateCareTeams()
        earlierWork()
        plant()
    }

    /// Days on which the clinic works, of those since `first`.
    public func clinicDays(since first: Int = 0) -> Int { (first..<calendar.days).filter { calendar.isOpen($0) }.count }

    /// Days since the first one.
    public func day(of time: Instant) -> Int { calendar.day(of: time) }

    public func start(of day: Int) -> Instant { calendar.time(day, 0) }

    /// The events of the next day, in the order of the log; nil when the time is over.
    public func nextDay() -> [LoggedEvent]? {
        guard day < calendar.days else { return nil }
        plan(day)
        for member in tasks[day].keys.sorted() {
            let work = (tasks[day][member] ?? []).enumerated().sorted {
                ($0.element.at, $0.offset) < ($1.element.at, $1.offset)
            }.map(\.element)
            work.isEmpty ? () : spend(member, work)
        }
        tasks[day] = [:]
        for raid in raids[day] ?? [] { perform(raid) }
        for attempt in tries where attempt.day == day {
            scribe.fail(
                day: day, time: attempt.time, subject: attempt.subject, address: attempt.address, count: 1,
                incident: attempt.incident)
        }
        report(day)
        day += 1
        return scribe.take(before: day).map { draft in
            let logged = LoggedEvent(index: size, event: draft.event)
            size += 1
            if let incident = draft.incident {
                incidents[incident].events.append((logged.index, draft.event.time))
                incidents[incident].first = min(incidents[incident].first, draft.event.time)
                incidents[incident].last = max(incidents[incident].last, draft.event.time)
            }
            return logged
        }
    }

    // MARK: People at work

    /// One member's day: sessions, locks, and the tasks one after another.
    private func spend(_ index: Int, _ work: [Task]) {
        if dice.chance(0.004) {
            staff.members[index].desk.device = "browser-desk-\(index)-\(day)"
        } else if dice.chance(0.0015) {
            staff.members[index].home.device = "browser-home-\(index)-\(day)"
        }
        let member = staff.members[index]
        var place = member.desk
        if member.role.isCare, dice.chance(0.15) {
            let room = dice.int(1...12)
            place = Station(device: "browser-room-\(room)", address: "10.0.4.\(200 + room)")
        }
        var home = member.home
        let moves = mixed(UInt64(index) << 16 | UInt64(day / 31))
        home.address = "\(24 + mixed(UInt64(index)) % 70).\(mixed(UInt64(index)) % 250).\(moves % 250).\(moves % 199)"
        if dice.chance(0.012) { home.address = Staff.line(&dice) }
        var scene: Scribe.Scene?
        var isHome = false
        for task in work {
            // Whoever went home in the evening does not come back for what is left of the day.
            if task.isAtHome, task.at > 18 * 3600 { isHome = true }
            let station = task.isAtHome || isHome ? home : place
            let time = max(task.at, scene?.time ?? 0)
            if let open = scene, open.session.station == station, time - open.session.last < 4 * 3600,
                time - open.session.since < 12 * 3600
            {
                scene?.time = time
                if time - open.session.last > 900, var back = scene {
                    back.time = time - 4
                    scribe.write(.sessionUnlocked, in: unlabelled(back), decision: "passkey")
                }
            } else {
                if let open = scene, dice.chance(0.6) { end(open) }
                scene = arrive(index, station, max(time - dice.between(15, 90), scene?.time ?? 0), first: time)
            }
            guard var now = scene else { continue }
            now = Scribe.Scene(day: day, time: now.time, member: member, session: now.session, incident: task.incident)
            perform(task, &now)
            let session = SignedIn(
                number: now.session.number, station: station, since: now.session.since, last: now.time)
            scene = Scribe.Scene(day: day, time: now.time, member: member, session: session, incident: nil)
        }
        if let open = scene, dice.chance(0.6) { end(open) }
    }

    private func unlabelled(_ scene: Scribe.Scene) -> Scribe.Scene {
        Scribe.Scene(day: scene.day, time: scene.time, member: scene.member, session: scene.session, incident: nil)
    }

    private func end(_ scene: Scribe.Scene) {
        var last = unlabelled(scene)
        last.time += dice.between(30, 300)
        scribe.write(.sessionEnded, in: last, decision: "signed-out")
    }

    private func arrive(_ index: Int, _ station: Station, _ time: Double, first: Double) -> Scribe.Scene {
        let member = staff.members[index]
        var time = time
        if dice.chance(member.mistypes) {
            scribe.fail(
                day: day, time: time, subject: member.actor.id, address: station.address,
                count: dice.chance(0.1) ? dice.int(3...5) : dice.int(1...2), incident: nil)
            time += dice.between(8, 25)
        }
        var scene = signIn(member, station, day, time, incident: nil)
        scene.time = max(first, scene.time)
        return scene
    }

    func signIn(_ member: Member, _ station: Station, _ day: Int, _ time: Double, incident: Int?) -> Scribe.Scene {
        let number = String(dice.next() >> 16, radix: 16)
        let session = SignedIn(number: number, station: station, since: time, last: time)
        var scene = Scribe.Scene(day: day, time: time, member: member, session: session, incident: incident)
        let isNew = staff.members[member.index].known.insert(station.device).inserted
        scribe.write(
            .signedIn, in: scene, decision: dice.chance(0.7) ? "passkey" : "password-and-code", isNewDevice: isNew)
        scene.time += 3
        return scene
    }

    // MARK: Machines

    /// Results come in by day, and at night the schedule is exchanged; once in a quarter all leaves as an export.
    private func report(_ day: Int) {
        for patient in arrivals[day] ?? [] {
            let time = 3600 * dice.between(6, 20)
            scribe.run(
                .create, day: day, time: time, actor: Self.interface, type: "DiagnosticReport",
                records: scribe.fresh("DiagnosticReport", patient, &dice), patients: [population.patients[patient].id])
        }
        arrivals[day] = nil
        for appointment in appointments.on(day + 1) {
            scribe.run(
                .read, day: day, time: 3600 * dice.between(1.5, 2.2), actor: Self.interface, type: "Appointment",
                records: Array(scribe.records("Appointment", of: appointment.patient, in: population).prefix(1)),
                patients: [population.patients[appointment.patient].id])
        }
        let date = calendar.date(day)
        if date.day == 2, date.month % 3 == 1 {
            scribe.run(
                .export, day: day, time: 3 * 3600, actor: Self.interface, type: nil, records: [],
                patients: population.patients.map(\.id))
        }
    }

    // MARK: Before the first day

    private func relateCareTeams() {
        let end = calendar.time(calendar.days + 1, 0)
        for member in staff.members {
            guard let panel = member.panel else { continue }
            let from = calendar.time(member.hired, 0)
            let until = member.left.map { calendar.time($0, 0) } ?? end
            for patient in population.panels[panel] where population.patients[patient].isInCareTeam {
                facts.relate(member.index, patient, from: from, until: until)
            }
        }
    }

    /// Claims that are still open when the simulation begins.
    private func earlierWork() {
        for day in 0..<min(14, calendar.days) where calendar.isOpen(day) {
            let billers = staff.members.filter { $0.role == .biller && works($0, day) }
            for _ in 0..<90 {
                guard let biller = dice.pick(billers), let visit = dice.pick(appointments.on(-dice.int(1...12))) else {
                    continue
                }
                tasks[day][biller.index, default: []].append(
                    Task(at: 3600 * dice.between(8.2, 16.2), work: .claim, patient: visit.patient))
            }
        }
    }
}
