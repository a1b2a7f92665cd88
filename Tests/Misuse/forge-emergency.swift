// An emergency is declared, and rights are asked for, in WardIdentity or nowhere.
import WardCore
import WardIdentity
import WardPolicy

func forge(_ emergency: inout Emergency) {
    _ = EmergencyStanding(id: "e", ends: .now(), reasons: .part2)  // expected-error {{'EmergencyStanding' initializer is inaccessible due to 'internal' protection level}}
    emergency.ended = nil  // expected-error {{cannot assign to property: 'ended' setter is inaccessible}}
}

func act(_ people: People, _ principal: Principal, _ person: Person) async throws {
    _ = try await people.directory.disable("p", by: principal.actor, source: .system, at: .now())  // expected-error {{'disable' is inaccessible due to 'internal' protection level}}
    try await people.sessions.endAll(of: person, because: .byOfficer, by: principal.actor, source: .system)  // expected-error {{'endAll' is inaccessible due to 'internal' protection level}}
    try await people.disable("p", by: principal.actor, source: .system)  // expected-error {{cannot convert value of type 'AuditActor' to expected argument type 'Principal'}}
}
