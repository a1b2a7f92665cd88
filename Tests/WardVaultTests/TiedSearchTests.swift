import Foundation
import Testing
import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// Chains, `_has`, sorting and includes against a slow reading that shares nothing with the index, as every role.
@Suite(.serialized) struct `Search through other records` {
    private struct Scene {
        let house: TestHouse
        let loader: Principal
        let actors: [(role: Role, principal: Principal)]
        /// Names of what each may find, by asking for each type alone.
        let visible: [Role: Set<String>]
    }

    private func scene(_ world: TiedWorld) async throws -> Scene {
        let house = try TestHouse()
        let loader = try await house.signIn("loader")
        for record in world.records { try await house.put(record.text, as: loader) }
        for patient in ["pat0", "pat1", "pat2"] {
            try await house.put(
                #"{"resourceType":"CareTeam","id":"team-\#(patient)","status":"active","subject":{"reference":"#
                    + #""Patient/\#(patient)"},"participant":[{"member":{"reference":"Practitioner/doc"}}]}"#,
                as: loader)
        }
        var actors: [(role: Role, principal: Principal)] = [(.integration, loader)]
        for role in [
            Role.administrator, .auditor, .biller, .clinician, .frontDesk, .nurse, .privacyOfficer, .securityOfficer,
        ] {
            actors.append((role, try await house.signIn(person: role.rawValue, [role], practitioner: "doc")))
        }
        for role in [Role.patient, .proxy] {
            actors.append((role, try await house.signIn(person: role.rawValue, [role], patients: ["pat0"])))
        }
        var visible: [Role: Set<String>] = [:]
        for (role, principal) in actors {
            for type in TiedWorld.links.keys {
                let found = try await house.tryFind(.named(type), as: principal)
                visible[role, default: []].formUnion(found?.matches ?? [])
            }
        }
        return Scene(house: house, loader: loader, actors: actors, visible: visible)
    }

    private func isHidden(_ step: TiedStep, _ type: String, _ principal: Principal) throws -> Bool {
        let policy = Policy()
        for (type, code) in step.parameters(of: type) where code != "_id" {
            // Behind a step without a type it may be a parameter of any.
            for name in type.map({ [$0] }) ?? TiedWorld.links.keys.sorted() {
                let type = try ResourceType.named(name)
                guard let parameter = Definitions.r4.searchParameter(code, of: type) else { continue }
                let question = AccessQuestion(
                    action: .search, type: type, roles: [principal.role], purpose: principal.purpose)
                let profiles = policy.decide(question).profiles
                if !policy.isSearchable(parameter.number, of: type, under: profiles) { return true }
            }
        }
        return false
    }

    @Test func `finds what a slow reading finds, for every role, and nothing through what is hidden`() async throws {
        let seed = ProcessInfo.processInfo.environment["WARD_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...9_999_999)
        let questions = 120 * (ProcessInfo.processInfo.environment["WARD_QUERIES"].flatMap { Int($0) } ?? 1)
        print("tied search: seed \(seed), \(questions) questions a role, set WARD_SEED to repeat")
        var world = TiedWorld(seed: seed, size: 8)
        let scene = try await scene(world)
        #expect(scene.visible[.integration]?.count ?? 0 > scene.visible[.clinician]?.count ?? 0)
        #expect(!(scene.visible[.clinician] ?? []).isEmpty)
        var (hits, narrowed, failures) = (0, 0, 0)
        for _ in 0..<questions where failures < 10 {
            let type = world.type()
            let steps = (0..<world.number(1...2)).map { _ in world.question(type, depth: world.number(0...4)) }
            let parameters = steps.map { (String($0.asked.name), $0.asked.value) }
            for (role, principal) in scene.actors {
                let visible = scene.visible[role] ?? []
                let found = try await scene.house.tryFind(.named(type), parameters, as: principal)
                guard let found else {
                    // Refused by name: the type, or a parameter that this role cannot see.
                    let isRefusedType = try await scene.house.tryFind(.named(type), as: principal) == nil
                    let isOfHidden = try steps.contains { try isHidden($0, type, principal) }
                    if !isRefusedType, !isOfHidden {
                        failures += 1
                        Issue.record("\(role) was refused \(type)?\(parameters)")
                    }
                    continue
                }
                let matching = world.records.filter { record in
                    record.type == type && visible.contains(record.name)
                        && steps.allSatisfy { world.answers(record, $0, seeing: visible) }
                }
                let expected = Set(matching.map(\.name))
                hits += expected.count
                let all = Set(world.records.map(\.name))
                let unfiltered = world.records.filter { record in
                    expected.contains(record.name)
                        != (record.type == type && visible.contains(record.name)
                            && steps.allSatisfy { world.answers(record, $0, seeing: all) })
                }
                narrowed += unfiltered.count
                let isPartly = try steps.contains { try isHidden($0, type, principal) }
                let isRight =
                    isPartly
                    ? found.matches.isSubset(of: expected) : found.matches == expected && found.total == expected.count
                if !isRight {
                    failures += 1
                    Issue.record(
                        "\(role) \(type)?\(parameters): found \(found.matches.sorted()), right is \(expected.sorted())")
                }
            }
        }
        print("tied search: \(hits) hits, \(narrowed) that only what is hidden would have made")
        #expect(failures > 0 || hits > questions && narrowed > questions / 4)
    }

    @Test func `sorts by any parameter as a slow reading does`() async throws {
        let seed = ProcessInfo.processInfo.environment["WARD_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...9_999_999)
        print("sorting: seed \(seed), set WARD_SEED to repeat")
        var world = TiedWorld(seed: seed, size: 8)
        let scene = try await scene(world)
        for _ in 0..<60 {
            let type = world.type()
            let keys = world.sortKeys(type)
            let value = keys.map { ($0.isDescending ? "-" : "") + $0.code }.joined(separator: ",")
            for (role, principal) in scene.actors {
                guard
                    let answer = try? await scene.house.search(
                        .named(type), [("_sort", value)], pageSize: 1000, as: principal)
                else { continue }
                let names = answer.disclosure.records.map { "\($0.type.name)/\($0.id)" }
                let visible = (scene.visible[role] ?? []).filter { $0.hasPrefix(type + "/") }
                #expect(names == world.sorted(visible, by: keys), "\(role) \(type)?_sort=\(value)")
            }
        }
    }
}
