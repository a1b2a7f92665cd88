import Glibc
import Testing
import WardAudit
import WardClinic
import WardCore
import WardCrypto
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardSQLite
import WardStorage
import WardTestKit
import WardVault

@Suite struct `An exchange of patients' keys that is cut short, and others who work meanwhile` {
    @Test(arguments: Engine.allCases)
    func `it goes on after a restart from every step`(engine: Engine) async throws {
        let ward = try await ShredWard(try engine.make())
        let content = try await ward.content()
        try await ward.begin()
        var house = ward.house
        var restarts = 0
        while true {
            // One step each, and a start that checks everything.
            let state = try #require(try await house.vault.reseal(rest: { _ in false }))
            house = try house.reopened()
            #expect(try await house.vault.verifyAtStart().isWhole)
            #expect(try await ward.content(house) == content)
            restarts += 1
            if !state.isUnfinished { break }
        }
        #expect(restarts > 3)
        let officer = try await house.signIn("v", role: .administrator, purpose: .systemAdministration)
        #expect(try await house.verify(as: officer).isWhole)
        #expect(try house.vault.resealing()?.resealed == Int64(try ward.sealed().count - 1))
    }

    @Test func `it goes on after a failure at every call to the store`() async throws {
        var number = 0
        while true {
            number += 1
            let inner = MemoryStore()
            let store = FailingStore(inner)
            let ward = try await ShredWard(store)
            let content = try await ward.content()
            try await ward.begin()
            store.expect(.step(number, .engine(10)))
            let failed: Bool
            do {
                try await ward.house.vault.reseal(rest: { _ in true })
                failed = false
            } catch {
                failed = true
            }
            let reached = store.steps >= number
            store.expect(.none)
            // What is on disk opens by itself, and is ended by the next process.
            let house = try TestHouse(inner, keys: ward.house.keys, buildsIndex: false)
            #expect(try await house.vault.verifyAtStart().isWhole, "\(number)")
            try house.vault.rebuildIndex()
            #expect(try await ward.content(house) == content, "\(number)")
            try await house.vault.reseal(rest: { _ in true })
            #expect(try house.vault.resealing()?.faults == [], "\(number)")
            #expect(try await ward.content(house) == content, "\(number)")
            #expect(try ward.wrapped().values.allSatisfy { $0.count == 67 }, "\(number)")
            if !reached { break }
            #expect(failed || number > 0)
        }
        #expect(number > 40)
    }

    @Test func `commits whose end is not known leave nothing undone`() async throws {
        let inner = MemoryStore()
        let store = FailingStore(inner)
        let ward = try await ShredWard(store)
        let content = try await ward.content()
        try await ward.begin()
        store.expect(.commits(.engine(10), afterEffect: true))
        for _ in 0..<3 {
            await #expect(throws: ResealFailure.log) { try await ward.house.vault.reseal(rest: { _ in true }) }
        }
        store.expect(.none)
        #expect(try await ward.house.vault.reseal(rest: { _ in true })?.faults == [])
        #expect(try await ward.content() == content)
        #expect(try await ward.house.verify(as: try await ward.officer("v")).isWhole)
        #expect(try await ward.house.reopened().vault.verifyAtStart().isWhole)
    }

    @Test(arguments: Engine.allCases)
    func `what is written between its steps is kept, and is under the new keys`(engine: Engine) async throws {
        let ward = try await ShredWard(try engine.make())
        try await ward.begin()
        var turn = 0
        while try ward.house.vault.resealing()?.isUnfinished == true {
            turn += 1
            try await ward.house.vault.reseal(rest: { _ in false })
            if turn < 12 {
                try await ward.house.put(Chart.observation("new-\(turn)", of: "p1", value: turn), as: ward.principal)
                try await ward.house.put(Chart.patient("late-\(turn)"), as: ward.principal)
                try await ward.house.put(Chart.patient("p2", family: "Turn-\(turn)"), as: ward.principal)
                #expect(try await ward.names("Observation", [("subject", "Patient/p1")]).count == 2 + turn)
                #expect(try await ward.names("Patient", [("family", "Turn-\(turn)")]) == ["Patient/p2/\(turn + 2)"])
            }
        }
        #expect(turn > 3)
        let old = try ward.wrapped().values.filter { $0.count > 67 }
        #expect(old.isEmpty)
        let house = try ward.house.reopened()
        #expect(try await house.vault.verifyAtStart().isWhole)
        let officer = try await house.signIn("v", role: .administrator, purpose: .systemAdministration)
        #expect(try await house.verify(as: officer).isWhole)
    }

    @Test(.timeLimit(.minutes(5)), arguments: Engine.allCases)
    func `readers and writers never notice it`(engine: Engine) async throws {
        let ward = try await ShredWard(try engine.make())
        let isOver = Flag()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for writer in 0..<2 {
                group.addTask {
                    var count = 0
                    while !isOver.isSet {
                        count += 1
                        try await ward.house.put(
                            Chart.observation("w\(writer)", of: "p\(writer + 1)", value: count), as: ward.principal)
                    }
                    return count
                }
            }
            for reader in 1...2 {
                group.addTask {
                    var count = 0
                    while !isOver.isSet {
                        count += 1
                        let found = try await ward.house.read(.named("Patient"), "p\(reader)", as: ward.principal)
                        #expect(found.text.contains("Married-p\(reader)"))
                        #expect(try await ward.names("Observation", [("subject", "Patient/p\(reader)")]).count >= 2)
                    }
                    return count
                }
            }
            group.addTask {
                for _ in 0..<6 {
                    let done = try #require(try await ward.exchange())
                    #expect(done.faults == [])
                }
                isOver.set()
                return 1
            }
            for try await count in group { #expect(count > 0) }
        }
        #expect(try await ward.house.verify(as: try await ward.officer("v")).isWhole)
        #expect(try ward.wrapped().values.allSatisfy { $0.count == 67 })
    }

    @Test func `a verification in the middle finds nothing`() async throws {
        let ward = try await ShredWard()
        try await ward.begin()
        var turn = 0
        while try ward.house.vault.resealing()?.isUnfinished == true {
            turn += 1
            try await ward.house.vault.reseal(rest: { _ in false })
            #expect(try await ward.house.verify(as: try await ward.officer("v\(turn)")).isWhole)
        }
    }

    @Test func `what lay there before is in no file of the store afterwards`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/ward.db"
        let ward = try await ShredWard(FailingStore(try SQLiteStore(path: path), in: folder))
        // Longer than a page, so that it lies in pages of its own, too.
        let long = String(repeating: "Langenscheidt ", count: 2000)
        try await ward.house.put(Chart.patient("p1", family: long), as: ward.principal)
        let (sealed, wrapped) = (try ward.sealed(), try ward.wrapped())
        try await ward.exchange()
        #expect(try !ward.house.store.isErasureDue())
        let files = try ["", "-wal"].map { try PrivateFile.read(path + $0, secret: false, limit: 1 << 26) }
        for (record, body) in try ward.sealed() {
            #expect(files.contains { $0.holds(Array(body.suffix(28))) })
            guard let old = sealed[record], old != body else { continue }
            #expect(!files.contains { $0.holds(Array(old.suffix(28))) }, "\(record)")
            #expect(!files.contains { $0.holds(Array(old.dropFirst(14).prefix(28))) }, "\(record)")
        }
        for old in wrapped.values { #expect(!files.contains { $0.holds(old) }) }
        ward.house.store.close()
    }
}

extension [UInt8] {
    /// Whether a part of it is `needle`.
    fileprivate func holds(_ needle: [UInt8]) -> Bool {
        unsafe withUnsafeBytes { all -> Bool in
            unsafe needle.withUnsafeBytes { part -> Bool in
                guard let first = unsafe part.first, let base = all.baseAddress, let wanted = part.baseAddress else {
                    return false
                }
                var at = 0
                while all.count - at >= part.count,
                    let hit = unsafe memchr(base + at, Int32(first), all.count - at)
                {
                    let place = unsafe base.distance(to: UnsafeRawPointer(hit))
                    if all.count - place >= part.count, unsafe memcmp(base + place, wanted, part.count) == 0 {
                        return true
                    }
                    at = place + 1
                }
                return false
            }
        }
    }
}
