import Testing
import WardAudit
import WardCore
import WardFHIR
import WardWatch

/// Single looks, and what explains them.
@Suite struct `A look` {
    private let curious = WatchClinic.clinicians[0]

    /// A clinic that has worked for a month, with somebody in everybody's street and a few whom the curious look for.
    private func known() -> WatchClinic {
        let clinic = WatchClinic()
        clinic.facts.set(
            curious, WatchedPerson(roles: ["clinician"], surname: 9000, household: 9000, street: 77))
        clinic.facts.set("neighbour", WatchedPatient(surname: 1, household: 2, street: 77))
        clinic.facts.set("elsewhere", WatchedPatient(surname: 1, household: 2, street: 78))
        clinic.facts.set("namesake", WatchedPatient(surname: 9000, household: 3, street: 78))
        clinic.facts.set("colleague", WatchedPatient(surname: 5, colleague: WatchClinic.clinicians[3]))
        clinic.facts.set("star", WatchedPatient(surname: 6, isVIP: true))
        clinic.work(days: 28)
        #expect(clinic.rules() == [])
        return clinic
    }

    private static let tied: [(patient: String, rule: WatchRule)] = [
        ("neighbour", .neighbourRecord), ("namesake", .sameSurname), ("colleague", .colleagueRecord), ("star", .vip),
    ]

    @Test(arguments: tied)
    func `at somebody with a tie, looked up, with nothing written, names the tie`(patient: String, rule: WatchRule) {
        let clinic = known()
        clinic.lookUp(patient, curious, at: 10)
        clinic.wait(after: 12)
        #expect(clinic.rules() == [rule])
        #expect(clinic.alerts.first?.patient == patient && clinic.alerts.first?.actor == curious)
        #expect(clinic.alerts.first?.explanation.contains { $0.kind == .lookedUp } == true)
        #expect(clinic.alerts.first?.explanation.contains { $0.kind == .nothingWritten } == true)
    }

    @Test(arguments: tied)
    func `at somebody with a tie and a part in the care, looked up, is found too`(patient: String, rule: WatchRule) {
        let clinic = known()
        clinic.facts.relate(curious, patient)
        clinic.lookUp(patient, curious, at: 10)
        clinic.wait(after: 12)
        #expect(clinic.rules() == [rule])
        #expect(clinic.alerts.first?.explanation.contains { $0.kind == .partOnRecord } == true)
    }

    @Test(arguments: tied)
    func `that something is written after raises nothing, whatever the tie`(patient: String, rule: WatchRule) {
        let clinic = known()
        clinic.facts.relate(curious, patient)
        clinic.lookUp(patient, curious, at: 10, writes: true)
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `at somebody of another street raises nothing`() {
        let clinic = known()
        clinic.lookUp("elsewhere", curious, at: 10)
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `once, without a tie, raises nothing where such looks are work`() {
        let clinic = known()
        clinic.lookUp(WatchClinic.patient(560), WatchClinic.desk[0], at: 10)
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `at a list of namesakes is a look at the one who is opened`() {
        let clinic = known()
        clinic.lookUp(WatchClinic.patient(1), WatchClinic.desk[0], at: 10, writes: true, among: ["star", "colleague"])
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `again and again on other days adds up`() {
        let clinic = known()
        let patient = WatchClinic.patient(570)
        for _ in 0..<3 {
            clinic.lookUp(patient, curious, at: 10)
            clinic.wait(after: 12)
            clinic.day += 1
        }
        #expect(clinic.rules() == [.noRelationship])
        #expect(clinic.alerts.first?.explanation.contains { $0.kind == .repeated && $0.value >= 2 } == true)
    }

    @Test func `again and again in one day is one look`() {
        let clinic = known()
        for hour in [9.0, 11, 13, 15] { clinic.lookUp(WatchClinic.patient(570), curious, at: hour) }
        clinic.wait(after: 17)
        #expect(clinic.rules() == [])
    }

    @Test func `of several at one patient names those who came first as well`() {
        let clinic = known()
        let patient = WatchClinic.patient(580)
        for (place, actor) in WatchClinic.clinicians.prefix(4).enumerated() {
            clinic.lookUp(patient, actor, at: 9 + Double(place) / 4)
        }
        clinic.wait(after: 12)
        #expect(Set(clinic.alerts.compactMap(\.actor)) == Set(WatchClinic.clinicians.prefix(4)))
        #expect(clinic.alerts.allSatisfy { $0.patient == patient })
        #expect(clinic.alerts.contains { $0.explanation.contains { $0.kind == .crowd } })
    }

    @Test func `of several who each wrote something raises nothing`() {
        let clinic = known()
        for (place, actor) in WatchClinic.clinicians.prefix(4).enumerated() {
            clinic.lookUp(WatchClinic.patient(580), actor, at: 9 + Double(place) / 4, writes: true)
        }
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `of the wrong Smith, left within a minute, raises nothing though both are strangers`() {
        let clinic = known()
        clinic.facts.set("wrong", WatchedPatient(surname: 555, household: 2, street: 77))
        clinic.facts.set("right", WatchedPatient(surname: 555, household: 4, street: 90))
        clinic.event(.read, curious, at: 10, patients: ["wrong"])
        clinic.event(.read, curious, at: 10.01, patients: ["right"])
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `a few a day, day after day, is wandering`() {
        let clinic = known()
        for day in 0..<8 {
            for place in 0..<3 {
                clinic.lookUp(WatchClinic.patient(500 + day * 3 + place), curious, at: 9 + Double(place))
            }
            clinic.wait(after: 15)
            clinic.day += 1
        }
        #expect(clinic.rules().contains(.wandering))
    }
}
