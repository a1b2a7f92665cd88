import Testing
import WardAudit
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardStorage
import WardTestKit
import WardVault

@Suite struct `Writers at the same time` {
    @Test(arguments: Engine.allCases)
    func `without If-Match all get their version, one after the other`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn()
        let versions = try await withThrowingTaskGroup(of: Int64.self) { group in
            for number in 0..<12 {
                group.addTask {
                    try await house.put(Chart.patient("p1", family: "F\(number)"), as: principal).result.version
                }
            }
            var versions: [Int64] = []
            for try await version in group { versions.append(version) }
            return versions
        }
        #expect(versions.sorted() == Array(1...12))
        let patient = try ResourceType.named("Patient")
        #expect(try await house.search(patient, as: principal).total == 1)
        try house.checkLog()
    }

    @Test(arguments: Engine.allCases)
    func `with If-Match one wins and the others are told`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn()
        try await house.put(Chart.patient("p1"), as: principal)
        let (wins, refusals) = await withTaskGroup(of: Bool?.self) { group in
            for number in 0..<12 {
                group.addTask {
                    do {
                        try await house.put(Chart.patient("p1", family: "F\(number)"), ifMatch: 1, as: principal)
                        return true
                    } catch let failure as VaultFailure {
                        if case .preconditionFailed = failure { return false }
                        return nil
                    } catch {
                        return nil
                    }
                }
            }
            var (wins, refusals) = (0, 0)
            for await outcome in group {
                wins += outcome == true ? 1 : 0
                refusals += outcome == false ? 1 : 0
            }
            return (wins, refusals)
        }
        #expect(wins == 1 && refusals == 11)
        let patient = try ResourceType.named("Patient")
        let failed = try house.log.events(with: [.record(type: patient, id: "p1"), .kind(.update)], limit: 50)
            .filter { $0.event.outcome == .failed }
        #expect(failed.count == 11)
        try house.checkLog()
    }

    @Test func `of one new patient make one key`() async throws {
        let store = MemoryStore()
        let house = try TestHouse(store)
        let principal = try await house.signIn()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<10 {
                group.addTask { try await house.put(Chart.observation("o\(number)", of: "p1"), as: principal) }
            }
            try await group.waitForAll()
        }
        #expect(try store.snapshot().patientKeys.count == 1)
        let observation = try ResourceType.named("Observation")
        let reopened = try house.reopened()
        let other = try await reopened.signIn("other")
        #expect(try await reopened.search(observation, as: other).disclosure.records.count == 10)
    }

    @Test(arguments: Engine.allCases)
    func `leave an index that equals the rebuilt one`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let principal = try await house.signIn()
        let (patient, observation) = (try ResourceType.named("Patient"), try ResourceType.named("Observation"))
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<6 {
                group.addTask {
                    for step in 0..<25 {
                        let id = (worker * 7 + step * 5) % 12
                        switch (worker + step) % 5 {
                        case 0: _ = try? await house.delete(patient, "p\(id)", as: principal)
                        case 1: _ = try? await house.delete(observation, "o\(id)", as: principal)
                        case 2:
                            _ = try? await house.put(
                                Chart.patient("p\(id)", family: "F\(step % 3)", city: "C\(worker % 2)"), as: principal)
                        default:
                            _ = try? await house.put(
                                Chart.observation("o\(id)", of: "p\(step % 4)", code: "\(step % 3)", value: step),
                                as: principal)
                        }
                    }
                }
            }
        }
        let queries: [(ResourceType, [(String, String)])] = [
            (patient, []), (patient, [("family", "F1")]), (patient, [("address-city", "C0")]), (observation, []),
            (observation, [("subject", "Patient/p1")]), (observation, [("code", "1")]),
            (observation, [("value-quantity", "gt10")]), (observation, [("code:not", "1")]),
            (patient, [("address-city:missing", "true")]),
        ]
        var live: [[String]] = []
        for (type, parameters) in queries {
            live.append(try await house.search(type, parameters, pageSize: 100, as: principal).disclosure.names)
        }
        try house.checkLog()
        // Only now: one log writes to a store at a time.
        await house.log.close()
        let rebuilt = try house.reopened()
        let other = try await rebuilt.signIn("other")
        for (names, (type, parameters)) in zip(live, queries) {
            let cold = try await rebuilt.search(type, parameters, pageSize: 100, as: other)
            #expect(cold.disclosure.names == names && cold.total == names.count, "\(parameters)")
        }
    }
}

@Suite struct `Readers at the same time as writers` {
    private static let patients = 6

    /// Updates only: at each instant there are as many patients as at the first.
    @Test(arguments: Engine.allCases)
    func `see whole versions that only go forward`(engine: Engine) async throws {
        let house = try TestHouse(try engine.make())
        let (writer, reader) = (try await house.signIn("writer"), try await house.signIn("reader"))
        let patient = try ResourceType.named("Patient")
        for id in 0..<Self.patients {
            try await house.put(Chart.patient("p\(id)", family: "F1", city: "1"), as: writer)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<3 {
                group.addTask {
                    for step in 1...12 {
                        let id = "p\((task + step) % Self.patients)"
                        let current = try await house.read(patient, id, as: writer).records[0].version
                        // Another may be first; the value tells its version only if the write is the next one.
                        _ = try? await house.put(
                            Chart.patient(id, family: "F\(current + 1)", city: "\(current + 1)"), ifMatch: current,
                            as: writer)
                    }
                }
            }
            for task in 0..<2 {
                group.addTask {
                    var last: [String: Int64] = [:]
                    for step in 0..<15 {
                        let id = "p\((task + step) % Self.patients)"
                        let disclosure = try await house.read(patient, id, as: reader)
                        let version = disclosure.records[0].version
                        #expect(version >= last[id, default: 1])
                        #expect(disclosure.text.contains(#""family":"F\#(version)""#))
                        last[id] = version
                    }
                }
            }
            group.addTask { for _ in 0..<10 { try await browse(house, as: reader) } }
            try await group.waitForAll()
        }
        try house.checkLog()
    }

    /// Follows a search through its pages: each patient once, although all change meanwhile.
    private func browse(_ house: TestHouse, as principal: Principal) async throws {
        let patient = try ResourceType.named("Patient")
        var answer = try await house.search(patient, pageSize: 2, as: principal)
        #expect(answer.total == Self.patients)
        var ids = answer.disclosure.records.map(\.id)
        while let link = answer.next {
            answer = try await house.vault.page(
                link, type: patient,
                with: try await house.grant(Search.self, on: GrantSubject(types: [patient]), to: principal))
            ids += answer.disclosure.records.map(\.id)
        }
        #expect(Set(ids).count == ids.count)
        #expect(ids.count <= Self.patients)
    }
}
