import Testing
import WardAudit
import WardCore
import WardWatch

@Suite struct WatchTests {
    /// A clinic that has worked for a month.
    private func known() -> WatchClinic {
        let clinic = WatchClinic()
        clinic.work(days: 28)
        return clinic
    }

    private let curious = WatchClinic.clinicians[0]
    private let stranger = WatchClinic.patient(555)

    // MARK: Ordinary

    @Test func `seven weeks of work raise nothing`() {
        let clinic = WatchClinic()
        clinic.work(days: 49)
        #expect(clinic.rules() == [])
    }

    @Test func `three mistyped passwords raise nothing`() {
        let clinic = known()
        for _ in 0..<3 { clinic.event(.signInFailed, nil, at: 8, outcome: .failed, subject: curious) }
        clinic.event(.signedIn, curious, at: 8.1)
        #expect(clinic.rules() == [])
    }

    @Test func `a new device at the clinic raises nothing by itself`() {
        let clinic = known()
        clinic.event(.signedIn, curious, at: 9) {
            $0.device = "another"
            $0.isNewDevice = true
            $0.session = "fresh"
        }
        #expect(clinic.rules() == [])
    }

    @Test func `the first sign-in of a new colleague raises nothing`() {
        let clinic = known()
        clinic.facts.set("person/new", WatchedPerson(roles: ["clinician"]))
        clinic.event(.signedIn, "person/new", at: 9, from: "198.51.100.4") { $0.isNewDevice = true }
        #expect(clinic.rules() == [])
    }

    @Test func `the wrong Smith, and the right one right after, raise nothing`() {
        let clinic = known()
        let right = WatchClinic.patient(555 - 97)
        clinic.facts.relate(curious, right)
        clinic.event(.read, curious, at: 10, patients: [stranger])
        clinic.event(.read, curious, at: 10.02, patients: [right])
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `an unrelated look that an appointment follows raises nothing`() {
        let clinic = known()
        clinic.event(.read, curious, at: 10, patients: [stranger])
        clinic.facts.relate(curious, stranger)
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `what is opened in an emergency is looked at with the emergency`() {
        let clinic = known()
        clinic.event(.emergencyOpened, curious, at: 10, patients: [stranger])
        clinic.event(.read, curious, at: 10.1, patients: [stranger]) { $0.emergency = "e1" }
        clinic.wait(after: 12)
        #expect(clinic.rules() == [.emergency])
    }

    @Test func `a search that lists a planted record among others raises nothing`() {
        let clinic = known()
        clinic.facts.set("trap", WatchedPatient(isDecoy: true))
        let listed = ["trap"] + (0..<9).map(WatchClinic.patient)
        clinic.event(.search, WatchClinic.desk[0], at: 10, patients: listed)
        #expect(clinic.rules() == [])
    }

    @Test func `a related member of the own household raises nothing`() {
        let clinic = known()
        clinic.facts.set("kin", WatchedPatient(surname: 9000, household: 9000))
        clinic.facts.relate(curious, "kin")
        clinic.event(.read, curious, at: 10, patients: ["kin"])
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `a program that exports every night raises nothing after its first nights`() {
        let clinic = WatchClinic()
        clinic.facts.set("client/nightly", WatchedPerson(roles: ["integration"]))
        let all = (0..<300).map(WatchClinic.patient)
        clinic.work(days: 10) { _ in clinic.event(.export, "client/nightly", at: 23, patients: all) }
        #expect(clinic.rules().count <= 4 && clinic.rules().allSatisfy { $0 == .massExport })
        clinic.alerts = []
        clinic.work(days: 10) { _ in clinic.event(.export, "client/nightly", at: 23, patients: all) }
        #expect(clinic.rules() == [])
    }

    @Test func `the detector's own events raise nothing, even of an ended account`() {
        let clinic = known()
        clinic.facts.set(curious, WatchedPerson(roles: ["clinician"], isActive: false))
        for kind in [AuditEventKind.alertRaised, .alertAnswered, .watchKept] { clinic.event(kind, curious, at: 9) }
        #expect(clinic.rules() == [])
    }

    @Test func `the end of somebody's sessions raises nothing after their account ended`() {
        let clinic = known()
        clinic.facts.set(curious, WatchedPerson(roles: ["clinician"], isActive: false))
        clinic.event(.sessionEnded, curious, at: 9)
        #expect(clinic.rules() == [])
    }

    @Test func `without enough history a lone look raises nothing`() {
        let clinic = WatchClinic()
        clinic.work(days: 5)
        clinic.event(.read, curious, at: 10, patients: [stranger])
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `an event below the next one is not judged again`() {
        let clinic = known()
        clinic.facts.set("trap", WatchedPatient(isDecoy: true))
        clinic.index = 5
        clinic.event(.read, curious, at: 10, patients: ["trap"])
        #expect(clinic.rules() == [])
    }

    @Test func `a whole check of the log raises nothing`() {
        let clinic = known()
        clinic.event(.auditVerified, nil, at: 3) { $0.decision = "whole" }
        #expect(clinic.rules() == [])
    }

    // MARK: Odd

    @Test func `one look at a stranger by night is found once it had time to explain itself`() {
        let clinic = known()
        #expect(clinic.lookUp(stranger, curious, at: 22.5).isEmpty)
        let place = clinic.index - 1
        clinic.wait(after: 23.8)
        #expect(clinic.rules() == [.noRelationship])
        let alert = clinic.alerts.first
        #expect(alert?.actor == curious && alert?.patient == stranger && alert?.events == [place - 1, place])
        #expect(alert?.explanation.contains { $0.kind == .unrelated } == true)
        #expect(alert?.explanation.allSatisfy { !$0.text.isEmpty } == true)
    }

    @Test(arguments: [
        ("own", WatchRule.ownRecord), ("kin", .familyRecord), ("trap", .decoy),
    ])
    func `some records raise an alert at the first look`(patient: String, rule: WatchRule) {
        let clinic = known()
        clinic.facts.set(
            curious, WatchedPerson(roles: ["clinician"], ownPatient: "own", surname: 9000, household: 9000))
        clinic.facts.set("own", WatchedPatient(surname: 9000, household: 9000))
        clinic.facts.set("kin", WatchedPatient(surname: 1, household: 9000))
        clinic.facts.set("trap", WatchedPatient(isDecoy: true))
        #expect(clinic.event(.read, curious, at: 10, patients: [patient]).map(\.rule) == [rule])
    }

    @Test func `a colleague's and a well-known patient's record name their rule`() {
        let clinic = known()
        clinic.facts.set("colleague", WatchedPatient(surname: 5, colleague: WatchClinic.clinicians[3]))
        clinic.facts.set("star", WatchedPatient(surname: 6, isVIP: true))
        clinic.event(.read, curious, at: 10, patients: ["colleague"])
        clinic.event(.read, WatchClinic.clinicians[1], at: 10, patients: ["star"])
        clinic.wait(after: 12)
        #expect(Set(clinic.rules()) == [.colleagueRecord, .vip])
    }

    @Test func `the account of somebody who left`() {
        let clinic = known()
        clinic.facts.set(curious, WatchedPerson(roles: ["clinician"], isActive: false))
        #expect(clinic.event(.signedIn, curious, at: 9).map(\.rule) == [.terminatedAccount])
    }

    @Test func `an account after a long silence`() {
        let clinic = known()
        clinic.facts.set("person/locum", WatchedPerson(roles: ["clinician"]))
        clinic.event(.signedIn, "person/locum", at: 9)
        clinic.day += 60
        #expect(clinic.event(.signedIn, "person/locum", at: 9).map(\.rule) == [.dormantAccount])
    }

    @Test func `failed sign-ins, counted in one event or in many`() {
        let clinic = known()
        #expect(
            clinic.event(.signInFailed, nil, at: 9, from: "203.0.113.9", outcome: .failed, count: 12).map(\.rule)
                == [.failedSignIns])
        for number in 0..<5 {
            clinic.event(
                .signInFailed, nil, at: 10 + Double(number) / 60, from: "203.0.113.77", outcome: .failed,
                subject: WatchClinic.clinicians[number])
        }
        #expect(clinic.rules() == [.failedSignIns, .failedSignIns])
    }

    @Test func `ids one after another, and many that are not there`() {
        let clinic = known()
        for number in 0..<8 {
            clinic.facts.set("n\(500 + number)", WatchedPatient())
            clinic.event(.read, curious, at: 10 + Double(number) / 120, patients: ["n\(500 + number)"])
        }
        #expect(clinic.rules().contains(.wandering))
    }

    @Test func `a stranger's device and network, far from the usual hours`() {
        let clinic = known()
        clinic.day += 1
        clinic.event(.signedIn, curious, at: 2.5, from: "203.0.113.200") {
            $0.device = "unknown"
            $0.isNewDevice = true
            $0.session = "stolen"
        }
        #expect(clinic.rules() == [.newDevice])
    }

    @Test func `very many unrelated patients in a day`() {
        let clinic = known()
        for number in 500..<560 {
            clinic.event(.read, curious, at: 9 + Double(number - 500) / 10, patients: [WatchClinic.patient(number)])
        }
        #expect(clinic.rules().contains(.burst))
    }

    @Test func `faults and clock jumps`() {
        let clinic = known()
        clinic.event(.storeVerified, nil, at: 3, outcome: .failed)
        clinic.event(.clockJumped, nil, at: 3.1)
        #expect(clinic.rules() == [.logTrouble, .logTrouble])
    }

    // MARK: Learning

    @Test func `decoys, ended accounts and trouble with the log are never learnt away`() {
        let clinic = known()
        #expect(
            WatchRule.allCases.filter { !$0.canLearn }
                == [.backupTrouble, .decoy, .logTrouble, .reviewOverdue, .postureRed, .terminatedAccount])
        for rule in WatchRule.allCases where !rule.canLearn { #expect(!clinic.watch.learn(rule, of: curious)) }
    }

    @Test func `a step of learning is bounded and shown`() {
        let clinic = known()
        for _ in 0..<9 { clinic.watch.learn(.noRelationship, of: curious) }
        #expect(clinic.watch.knowledge.lessons.map(\.steps) == [WatchLesson.most])
        clinic.lookUp(stranger, curious, at: 22.5)
        clinic.lookUp(WatchClinic.patient(556), WatchClinic.clinicians[1], at: 22.6)
        clinic.wait(after: 23.8)
        #expect(clinic.alerts.map(\.actor) == [WatchClinic.clinicians[1]])
    }

    @Test func `what is known outlives a restart`() throws {
        let clinic = known()
        clinic.lookUp(stranger, curious, at: 22.5)
        let bytes = clinic.watch.knowledge.encoded
        let read = try #require(WatchKnowledge(decoding: bytes))
        #expect(read.encoded == bytes)
        clinic.watch = Watch(facts: clinic.facts, knowledge: read)
        clinic.wait(after: 23.8)
        #expect(clinic.rules() == [.noRelationship])
    }

    @Test func `damaged knowledge is refused`() {
        let bytes = known().watch.knowledge.encoded
        #expect(WatchKnowledge(decoding: []) == nil)
        #expect(WatchKnowledge(decoding: Array(bytes.dropLast())) == nil)
        #expect(WatchKnowledge(decoding: bytes + [0]) == nil)
        #expect(WatchKnowledge(decoding: [9] + bytes.dropFirst()) == nil)
    }
}
