import Testing
import WardAudit
import WardCore
import WardFHIR
import WardWatch
import WatchSimulator

/// A clinic small enough for tests, with every kind of incident in it.
struct SimulationTests {
    private struct Clinic: Sendable {
        let settings: SimulationSettings
        let incidents: [Incident]
        let honest: HonestWork
        let facts: ClinicFacts
        let start: Instant

        func day(of time: Instant) -> Int { Int((time.microseconds - start.microseconds) / 86_400_000_000) }
    }

    private static func simulate(_ seed: UInt64) -> (simulation: Clinic, events: [LoggedEvent]) {
        let simulation = Simulation(SimulationSettings(seed: seed, months: 2, people: 24, patients: 4000))
        var events: [LoggedEvent] = []
        while let day = simulation.nextDay() { events += day }
        let clinic = Clinic(
            settings: simulation.settings, incidents: simulation.incidents, honest: simulation.honest,
            facts: simulation.facts, start: simulation.start(of: 0))
        return (clinic, events)
    }

    private static let one = simulate(9)

    private static func line(_ logged: LoggedEvent) -> String {
        let event = logged.event
        return "\(logged.index) \(event.kind) \(event.time.microseconds) \(event.actor?.id ?? "-") \(event.patients) "
            + "\(event.session ?? "-") \(event.device ?? "-") \(event.source.address) \(event.records.map(\.id))"
    }

    @Test func `one seed gives one log`() {
        let again = Self.simulate(9)
        #expect(again.events.map(Self.line) == Self.one.events.map(Self.line))
        #expect(again.simulation.incidents.map(\.actor) == Self.one.simulation.incidents.map(\.actor))
    }

    @Test func `another seed gives another`() {
        #expect(Self.simulate(10).events.prefix(500).map(Self.line) != Self.one.events.prefix(500).map(Self.line))
    }

    @Test func `places follow each other and time does not go back`() {
        let events = Self.one.events
        #expect(events.map(\.index) == (0..<Int64(events.count)).map { $0 })
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.event.time <= $1.event.time })
    }

    @Test func `every kind of incident is planted`() {
        let kinds = Set(Self.one.simulation.incidents.filter { !$0.events.isEmpty }.map(\.kind))
        #expect(kinds == Set(SnoopingKind.allCases))
    }

    @Test func `labels name events of that actor, in that time, with somebody looked at`() {
        let events = Self.one.events
        for incident in Self.one.simulation.incidents {
            for label in incident.events {
                let event = events[Int(label.index)].event
                #expect(event.time == label.time)
                #expect(event.time >= incident.first && event.time <= incident.last)
                #expect(event.kind == .signInFailed || event.actor?.id == incident.actor)
            }
            let seen = Set(incident.events.flatMap { events[Int($0.index)].event.patients })
            #expect(incident.patients.isEmpty || incident.events.isEmpty || !incident.patients.isDisjoint(with: seen))
        }
    }

    @Test func `nothing is planted while a detector learns`() {
        let simulation = Self.one.simulation
        let planted = simulation.incidents.filter { !$0.events.isEmpty }
        #expect(planted.allSatisfy { simulation.day(of: $0.first) >= simulation.settings.warmUp })
    }

    @Test func `no event belongs to two incidents`() {
        let labels = Self.one.simulation.incidents.flatMap { $0.events.map(\.index) }
        #expect(Set(labels).count == labels.count)
    }

    @Test func `what is planted is a small part`() {
        let labels = Self.one.simulation.incidents.reduce(0) { $0 + $1.events.count }
        #expect(labels > 100 && labels * 10 < Self.one.events.count)
    }

    @Test func `insiders look in the sessions that they work in`() {
        let insiders = Self.one.simulation.incidents.filter {
            ![.stolen, .deadAccount].contains($0.kind) && !$0.events.isEmpty
        }
        let labels = Set(insiders.flatMap { $0.events.map(\.index) })
        let sessions = Set(Self.one.events.filter { labels.contains($0.index) }.compactMap(\.event.session))
        let honest = Set(Self.one.events.filter { !labels.contains($0.index) }.compactMap(\.event.session))
        #expect(!sessions.isEmpty)
        // Only sign-ins and ends of a look from home may be all there is beside it.
        #expect(sessions.count { honest.contains($0) } * 10 >= sessions.count * 9)
    }

    @Test func `the clinic rests on Sundays and works on weekdays`() {
        let simulation = Self.one.simulation
        var days: [Int: Int] = [:]
        for logged in Self.one.events where logged.event.actor?.id.hasPrefix("person/") ?? false {
            days[simulation.day(of: logged.event.time), default: 0] += 1
        }
        let sundays = (0..<simulation.settings.days).filter { $0 % 7 == 6 }.map { days[$0] ?? 0 }
        let tuesdays = (0..<simulation.settings.days).filter { $0 % 7 == 1 }.map { days[$0] ?? 0 }
        #expect(sundays.reduce(0, +) * 10 < tuesdays.reduce(0, +))
        #expect(tuesdays.sorted()[tuesdays.count / 2] > 1000)
    }

    @Test func `part of the honest work has no part in the care on record`() {
        let honest = Self.one.simulation.honest
        for role in ["front-desk", "nurse", "clinician"] {
            let share = Double(honest.unrelated[role] ?? 0) / Double(max(1, honest.opened[role] ?? 0))
            #expect(share > 0.005 && share < 0.4)
        }
        #expect(honest.typos > 0)
    }

    @Test func `denials and unknown devices are not only those of intruders`() {
        let labels = Set(Self.one.simulation.incidents.flatMap { $0.events.map(\.index) })
        let honest = Self.one.events.filter { !labels.contains($0.index) }.map(\.event)
        #expect(honest.contains { $0.outcome == .denied })
        #expect(honest.contains { $0.isNewDevice })
        #expect(honest.contains { $0.kind == .signInFailed })
        #expect(honest.contains { $0.kind == .emergencyOpened })
    }

    @Test func `facts are those of the time that the reader has reached`() throws {
        let (simulation, events) = Self.one
        let booked = try #require(
            events.first { logged in
                guard logged.event.kind == .create, logged.event.type?.name == "Appointment",
                    let patient = logged.event.patients.first, let actor = logged.event.actor?.id
                else { return false }
                simulation.facts.advance(to: events[0].event.time)
                return !simulation.facts.isRelated(actor, to: patient)
            })
        let (actor, patient) = (try #require(booked.event.actor?.id), try #require(booked.event.patients.first))
        simulation.facts.advance(to: booked.event.time.adding(seconds: 3600))
        #expect(simulation.facts.isRelated(actor, to: patient))
    }

    @Test func `who lives together lives in one street, and a street has many homes`() {
        let patients = (0..<4000).compactMap { Self.one.simulation.facts.patient("pt-\(100_000 + $0)") }
        let homes = Dictionary(grouping: patients, by: \.household)
        #expect(homes.values.allSatisfy { Set($0.map(\.street)).count == 1 })
        let streets = Dictionary(grouping: patients, by: \.street).mapValues { Set($0.map(\.household)).count }
        #expect(streets.count > 20 && streets.values.contains { $0 > 10 })
    }

    @Test func `most of the staff who are patients are known as colleagues, by account or by name`() {
        let facts = Self.one.simulation.facts
        let colleagues = (0..<4000).compactMap { facts.patient("pt-\(100_000 + $0)")?.colleague }
        #expect(Set(colleagues).count >= 8)
        #expect(colleagues.allSatisfy { facts.person($0) != nil })
    }

    @Test func `whoever went home in the evening hardly ever works at the clinic again that day`() {
        let labels = Set(
            Self.one.simulation.incidents.filter { [.stolen, .deadAccount].contains($0.kind) }
                .flatMap { $0.events.map(\.index) })
        var places: [String: [String]] = [:]
        for logged in Self.one.events where !labels.contains(logged.index) {
            guard let actor = logged.event.actor?.id, actor.hasPrefix("person/"),
                logged.event.time.microseconds / 3_600_000_000 % 24 >= 19
            else { continue }
            let key = "\(actor) \(Self.one.simulation.day(of: logged.event.time))"
            let place = logged.event.source.address.hasPrefix("10.0.") ? "clinic" : "home"
            if places[key]?.last != place { places[key, default: []].append(place) }
        }
        let returns = places.values.count { $0.count > 2 }
        #expect(returns * 20 < places.count)
    }

    @Test func `of people and patients whom nobody knows there are no facts`() {
        let facts = Self.one.simulation.facts
        #expect(facts.person("person/nobody") == nil)
        #expect(facts.patient("pt-1") == nil)
        #expect(!facts.isRelated("person/nobody", to: "pt-100001"))
    }
}

struct DiceTests {
    @Test func `one seed gives one sequence`() {
        var (one, two, other) = (Dice(seed: 1), Dice(seed: 1), Dice(seed: 2))
        let first = (0..<100).map { _ in one.next() }
        #expect((0..<100).map { _ in two.next() } == first)
        #expect((0..<100).map { _ in other.next() } != first)
    }

    @Test func `numbers stay in their range and have the mean asked for`() {
        var dice = Dice(seed: 3)
        #expect((0..<10_000).allSatisfy { _ in (3...7).contains(dice.int(3...7)) })
        let counts = (0..<5000).map { _ in Double(dice.poisson(4)) }
        #expect(abs(counts.reduce(0, +) / 5000 - 4) < 0.15)
        let normal = (0..<5000).map { _ in dice.normal(10, 2) }
        #expect(abs(normal.reduce(0, +) / 5000 - 10) < 0.15)
    }

    @Test func `of nothing nothing is picked`() {
        var dice = Dice(seed: 4)
        #expect(dice.pick([Int]()) == nil)
        #expect(dice.sample([1, 2], 5).count == 2)
    }
}
