import WardAudit
import WardCore

/// Plants what others do with accounts that are not theirs, or no longer.
extension Simulation {
    /// One run of an intruder; carried out on its day, beside what the owner of the account does.
    struct Raid: Sendable {
        let day: Int
        let time: Double
        let member: Int
        let station: Station
        let charts: Int
        /// Mean of the seconds between two charts.
        let pause: Double
        let failures: Int
        /// Accounts on which the same was tried before.
        let tried: [Int]
        let incident: Int
    }

    /// Signs in with what was phished: at night or by day, from afar or from next door.
    func stolen() {
        guard let member = dice.pick(staff.members.filter { $0.role.seesPatients && !$0.isLocum }) else { return }
        let last = min(calendar.days - 3, (member.left ?? .max) - 2)
        guard max(settings.warmUp, member.hired + 7) < last else { return }
        let day = dice.int(max(settings.warmUp, member.hired + 7)...last)
        let isHard = dice.chance(0.35)
        let hour = isHard ? dice.between(9, 21) : dice.chance(0.7) ? dice.between(0.5, 5.5) : dice.between(19, 23.5)
        let charts = isHard ? dice.int(8...18) : dice.int(20...160)
        let incident = open(.stolen, member, "\(charts) charts\(isHard ? ", by day, unhurried" : "")")
        let runs = dice.chance(0.3) ? 2 : 1
        let station = intruder()
        for run in 0..<runs where day + run < calendar.days {
            raids[day + run, default: []].append(
                Raid(
                    day: day + run, time: 3600 * hour, member: member.index, station: station, charts: charts / runs,
                    pause: isHard ? dice.between(60, 180) : dice.between(6, 50), failures: dice.poisson(0.6), tried: [],
                    incident: incident))
        }
    }

    /// Accounts of those who left that were forgotten, that are off, and that slept.
    func deadAccounts() {
        for member in staff.members {
            guard let left = member.left else { continue }
            let day = left + dice.int(8...40)
            guard day > settings.warmUp, day < calendar.days - 2 else { continue }
            if member.disabled == nil {
                let incident = open(.deadAccount, member, "left, account forgotten")
                raid(member, day, incident, station: dice.chance(0.6) ? member.home : intruder(), failures: 0)
            } else if dice.chance(0.3) {
                let incident = open(.deadAccount, member, "left, account off: tries only")
                for _ in 0..<dice.int(3...9) {
                    tries.append((day, 3600 * dice.between(18, 23), member.actor.id, member.home.address, incident))
                }
            }
        }
        for member in staff.members where member.isLocum {
            let incident = open(.deadAccount, member, "slept since before the simulation")
            raid(
                member, dice.int(settings.warmUp...calendar.days - 3), incident, station: intruder(),
                failures: dice.poisson(1))
        }
    }

    /// One password tried on many accounts, until one opens.
    func spraying() {
        guard
            let member = dice.pick(
                staff.members.filter {
                    $0.role.seesPatients && $0.left == nil && !$0.isLocum && $0.hired + 7 < calendar.days - 3
                })
        else { return }
        let day = dice.int(max(settings.warmUp, member.hired + 7)...calendar.days - 3)
        let tried = dice.sample(staff.members.filter { $0.isEmployed(day) }.map(\.index), dice.int(6...35))
        let incident = open(.deadAccount, member, "sprayed over \(tried.count)")
        raid(member, day, incident, station: intruder(), failures: 1, tried: tried)
    }

    private func raid(
        _ member: Member, _ day: Int, _ incident: Int, station: Station, failures: Int, tried: [Int] = []
    ) {
        let hour = dice.chance(0.6) ? dice.between(18, 23.4) : dice.between(8, 18)
        raids[day, default: []].append(
            Raid(
                day: day, time: 3600 * hour, member: member.index, station: station, charts: dice.int(4...40),
                pause: dice.between(10, 120), failures: failures, tried: tried, incident: incident))
    }

    private func intruder() -> Station {
        Station(
            device: "browser-\(String(dice.next(), radix: 36))",
            address: dice.chance(0.3)
                ? Staff.line(&dice) : "\(dice.int(100...220)).\(dice.int(1...250)).\(dice.int(1...250)).7")
    }

    /// Carries a raid out.
    func perform(_ raid: Raid) {
        let member = staff.members[raid.member]
        var time = raid.time
        for other in raid.tried {
            scribe.fail(
                day: raid.day, time: time, subject: staff.members[other].actor.id, address: raid.station.address,
                count: dice.int(1...2), incident: raid.incident)
            time += dice.exponential(20)
        }
        for _ in 0..<raid.failures {
            scribe.fail(
                day: raid.day, time: time, subject: member.actor.id, address: raid.station.address, count: 1,
                incident: raid.incident)
            time += dice.between(5, 60)
        }
        var scene = signIn(member, raid.station, raid.day, time, incident: raid.incident)
        // A name that many have, and down the list; or from id to id.
        let names = population.surnames.filter { $0.value.count > 20 }.sorted { $0.key < $1.key }.map(\.value)
        var list = dice.pick(names) ?? []
        let byName = dice.chance(0.6)
        var walk = dice.int(0...population.patients.count - 1)
        for _ in 0..<raid.charts {
            if list.isEmpty { list = dice.pick(names) ?? [0] }
            walk = (walk + dice.int(1...3)) % population.patients.count
            let patient = byName ? list.removeLast() : walk
            incidents[raid.incident].patients.insert(population.patients[patient].id)
            let task = Task(
                at: scene.time, work: .look(dice.int(1...3)), patient: patient,
                way: byName ? (dice.chance(0.3) ? .name : .list) : .id, incident: raid.incident)
            perform(task, &scene)
            scene.time += dice.exponential(raid.pause)
        }
    }
}
