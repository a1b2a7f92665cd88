// An emergency is declared, and rights are asked for, in WardIdentity or nowhere.
import WardCore
import WardIdentity

func forge(_ people: People, _ principal: Principal, _ emergency: Emergency) async throws {
    _ = EmergencyStanding(id: "e", ends: .now(), reasons: .part2)  // expected-error {{'EmergencyStanding' initializer is inaccessible due to 'internal' protection level}}
    emergency.ended = nil  // expected-error {{cannot assign to property: 'emergency' is a 'let' constant}}
    people.emergencies.change("e") { _ in }  // expected-error {{'change' is inaccessible due to 'internal' protection level}}
    people.directory.disable("p", by: principal.actor, source: .system, at: .now())  // expected-error {{'disable' is inaccessible due to 'internal' protection level}}
    people.sessions.endAll(of: people.directory.people[0], because: .byOfficer, by: principal.actor, source: .system)  // expected-error {{'endAll' is inaccessible due to 'internal' protection level}}
}
