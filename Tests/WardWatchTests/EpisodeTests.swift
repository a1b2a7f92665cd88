import Testing
import WardAudit
import WardCore
import WardFHIR
import WardWatch

/// Sessions, emergencies, exports and accounts, judged by what came before.
@Suite struct `What is usual` {
    private let doctor = WatchClinic.clinicians[0]

    private func known() -> WatchClinic {
        let clinic = WatchClinic()
        clinic.work(days: 28)
        return clinic
    }

    // MARK: Emergencies

    private func declare(_ clinic: WatchClinic, _ number: Int, at hour: Double, writes: Bool) {
        let (who, patient) = (WatchClinic.clinicians[number % 6], WatchClinic.patient(500 + number))
        clinic.event(.emergencyOpened, who, at: hour, patients: [patient])
        clinic.event(.read, who, at: hour + 0.1, patients: [patient]) { $0.emergency = "e\(number)" }
        if writes { clinic.event(.create, who, at: hour + 0.2, patients: [patient]) { $0.emergency = "e\(number)" } }
    }

    @Test func `the first emergencies of a role alert at once, documented ones of a role that has many do not`() {
        let clinic = known()
        for number in 0..<6 {
            declare(clinic, number, at: 10, writes: true)
            clinic.wait(after: 12)
            clinic.day += 1
        }
        let first = clinic.rules().count { $0 == .emergency }
        #expect((3...5).contains(first) && clinic.rules().allSatisfy { $0 == .emergency })
        clinic.alerts = []
        declare(clinic, 7, at: 10, writes: true)
        clinic.wait(after: 12)
        #expect(clinic.rules() == [])
    }

    @Test func `an emergency that is not documented within the hour alerts then`() {
        let clinic = known()
        for number in 0..<6 {
            declare(clinic, number, at: 10, writes: true)
            clinic.wait(after: 12)
            clinic.day += 1
        }
        clinic.alerts = []
        declare(clinic, 7, at: 10, writes: false)
        #expect(clinic.rules() == [])
        clinic.wait(after: 12)
        #expect(clinic.rules() == [.emergency])
        #expect(clinic.alerts.first?.explanation.contains { $0.kind == .notDocumented } == true)
    }

    // MARK: Networks and devices

    private func at(_ clinic: WatchClinic, _ hour: Double, _ address: String, _ session: String) {
        clinic.event(.sessionUnlocked, doctor, at: hour, from: address) { $0.session = session }
    }

    @Test func `going home raises nothing`() {
        let clinic = known()
        at(clinic, 17, "192.0.2.10", "desk")
        at(clinic, 17.1, "198.51.100.8", "home")
        at(clinic, 17.3, "198.51.100.8", "home")
        #expect(clinic.rules() == [])
    }

    @Test func `from one network to a new one and back within minutes is two people`() {
        let clinic = known()
        at(clinic, 10, "192.0.2.10", "desk")
        at(clinic, 10.1, "198.51.100.8", "other")
        at(clinic, 10.15, "192.0.2.10", "desk")
        #expect(clinic.rules() == [.twoNetworks])
    }

    @Test func `a session that changes its network once raises nothing, one that is in two at once does`() {
        let clinic = known()
        for _ in 0..<3 {
            at(clinic, 10, "192.0.2.10", "desk")
            at(clinic, 18, "198.51.100.8", "home")
            clinic.day += 1
        }
        at(clinic, 10, "192.0.2.10", "moved")
        at(clinic, 10.1, "198.51.100.8", "moved")
        #expect(clinic.rules() == [])
        at(clinic, 10.2, "192.0.2.10", "moved")
        #expect(clinic.rules() == [.twoNetworks])
        #expect(clinic.alerts.first?.explanation.contains { $0.kind == .oneSession } == true)
    }

    @Test func `a telephone beside a desk, on a network known for days, raises nothing`() {
        let clinic = known()
        for _ in 0..<3 {
            at(clinic, 10, "192.0.2.10", "desk")
            at(clinic, 18, "198.51.100.8", "telephone")
            clinic.day += 1
        }
        for turn in 0..<6 {
            at(clinic, 10 + Double(turn) / 20, turn % 2 == 0 ? "192.0.2.10" : "198.51.100.8", turn % 2 == 0 ? "d" : "t")
        }
        #expect(clinic.rules() == [])
    }

    @Test func `a new device on a new network alerts at once`() {
        let clinic = known()
        clinic.event(.signedIn, doctor, at: 9, from: "198.51.100.9") {
            $0.device = "unknown"
            $0.isNewDevice = true
            $0.session = "fresh"
        }
        #expect(clinic.rules() == [.newDevice])
    }

    // MARK: Reports

    private func report(_ clinic: WatchClinic, _ who: String, _ count: Int, at hour: Double, type: String = "Claim") {
        clinic.event(.download, who, at: hour, patients: (0..<count).map(WatchClinic.patient)) {
            $0.type = ResourceType(type)
        }
    }

    private func reporting() -> WatchClinic {
        let clinic = known()
        for _ in 0..<2 {
            report(clinic, WatchClinic.desk[0], 150, at: 10)
            report(clinic, WatchClinic.desk[1], 150, at: 11)
            clinic.day += 21
        }
        #expect(clinic.rules() == [.massExport, .massExport, .massExport, .massExport])
        clinic.alerts = []
        return clinic
    }

    @Test func `the report that a role draws again and again raises nothing after two days of it`() {
        let clinic = reporting()
        report(clinic, WatchClinic.desk[0], 160, at: 10)
        #expect(clinic.rules() == [])
    }

    @Test func `more than that, of another type, or of another role alerts`() {
        let clinic = reporting()
        report(clinic, WatchClinic.desk[0], 300, at: 10)
        report(clinic, WatchClinic.desk[1], 150, at: 11, type: "Patient")
        report(clinic, doctor, 150, at: 12)
        #expect(clinic.rules() == [.massExport, .massExport, .massExport])
    }

    // MARK: Accounts

    @Test func `an account made long ago that was never used alerts with its first use`() {
        let clinic = known()
        clinic.facts.set("person/old", WatchedPerson(roles: ["clinician"], since: Instant(microseconds: 0)))
        clinic.event(.signInFailed, nil, at: 9, outcome: .failed, subject: "person/old")
        #expect(clinic.event(.signedIn, "person/old", at: 9.1).map(\.rule) == [.dormantAccount])
    }

    @Test func `an account made this week raises nothing with its first use`() {
        let clinic = known()
        clinic.facts.set("person/new", WatchedPerson(roles: ["clinician"], since: clinic.time(-48)))
        #expect(clinic.event(.signedIn, "person/new", at: 9).isEmpty)
    }
}
