import Testing
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardIdentity
import WardPolicy
import WardTestKit

/// An emergency is the person's own: what they open in it stays closed to their apps.
@Suite struct `An app of somebody in an emergency` {
    private static let redirect = "https://app.example/callback"
    private static let origin = "https://localhost:8443"

    /// A token of an app that may do whatever the person may, as that person allowed it.
    private func acting(for person: Principal, in house: TestHouse) async throws -> Principal {
        let oauth = house.people.oauth
        let metadata = """
            {"client_name":"Chart","redirect_uris":["\(Self.redirect)"],"token_endpoint_auth_method":"none"}
            """
        let app = try await oauth.apps.register(Array(metadata.utf8), source: TestHouse.source)
        try await oauth.apps.approve(
            app.id, byOperator: AuditActor(id: "operator", name: "operator", role: "operator"),
            source: TestHouse.source)
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        let asked = [
            "response_type": "code", "client_id": app.id, "redirect_uri": Self.redirect, "state": "s",
            "scope": "user/*.cruds", "aud": TestHouse.base,
            "code_challenge": base64URL(sha256(Array(verifier.utf8)).bytes), "code_challenge_method": "S256",
        ]
        let id = try oauth.begin(
            asked.map { SearchPair(name: $0.key, value: $0.value) }, base: TestHouse.base, issuer: Self.origin,
            source: TestHouse.source)
        let address = try await oauth.allow(
            id, ticked: ["user/*.cruds"], patient: nil, by: person, issuer: Self.origin, source: TestHouse.source)
        let code = try #require(address.split(separator: "?").last?.split(separator: "&").first?.dropFirst(5))
        let shown = [
            "grant_type": "authorization_code", "code": String(code), "redirect_uri": Self.redirect,
            "code_verifier": verifier, "client_id": app.id,
        ]
        let request = try TokenRequest(
            form: shown.map { SearchPair(name: $0.key, value: $0.value) }, hasBasic: false,
            proof: DPoPRequest(proof: nil, method: "POST", addresses: []), source: TestHouse.source, audiences: [],
            issuer: Self.origin, base: TestHouse.base)
        let answer = try JSONTape(parsing: try await oauth.token(request)).root
        let token = try #require(answer["access_token"]?.string)
        return try #require(oauth.principal(token: token[...], proven: nil, at: .now()))
    }

    @Test func `opens nothing by it, neither before nor after nor for its own reason`() async throws {
        let house = try TestHouse()
        let loader = try await house.signIn("loader")
        try await house.put(Chart.patient("p1"), as: loader)
        try await house.put(Chart.observation("o1", of: "p1"), as: loader)
        try await house.put(labelled(Chart.observation("o3", of: "p1"), "42CFRPart2"), as: loader)
        let doctor = try await house.signIn(person: "doc", [.clinician], mayUseEmergencyAccess: true)
        let observation = try ResourceType.named("Observation")
        func sees(_ id: String, _ principal: Principal) async throws -> Bool {
            if case .shown = try await house.tryRead(observation, id, as: principal) { true } else { false }
        }
        let before = try await acting(for: doctor, in: house)
        for reason in [Emergency.Reason.lifeThreatening, .part2] {
            try await house.people.emergencies.declare(
                for: "p1", reason: reason, text: PHI("Chest pain in room two"), by: doctor, source: TestHouse.source)
        }
        #expect(try await sees("o1", doctor))
        #expect(try await sees("o3", doctor))
        let found = try await house.tryFind(observation, as: doctor)
        #expect(found?.matches.count == 2)
        let after = try await acting(for: doctor, in: house)
        for app in [before, after] {
            for id in ["o1", "o3"] { #expect(try await !sees(id, app)) }
            let found = try await house.tryFind(observation, as: app)
            #expect((found?.matches ?? []).isEmpty && (found?.total ?? 0) == 0)
            let kept = try await house.tryPut(Chart.observation("o1", of: "p1", value: 71), as: app)
            if case .shown = kept { Issue.record("an app wrote in an emergency") }
            // What the app may see of this patient without an emergency it still sees.
            guard case .shown = try await house.tryRead(.named("Patient"), "p1", as: app) else {
                Issue.record("not even the patient")
                return
            }
        }
        let marked = try house.events().filter { $0.emergency != nil && $0.actor?.app != nil }
        #expect(marked.isEmpty)
    }

    @Test func `declares, ends and reviews none`() async throws {
        let house = try TestHouse()
        let doctor = try await house.signIn(
            person: "doc", [.clinician, .privacyOfficer], mayUseEmergencyAccess: true)
        let app = try await acting(for: doctor, in: house)
        await #expect(throws: IdentityFailure.self) {
            try await house.people.emergencies.declare(
                for: "p1", reason: .lifeThreatening, text: PHI("Chest pain in room two"), by: app,
                source: TestHouse.source)
        }
        let emergency = try await house.people.emergencies.declare(
            for: "p1", reason: .urgentCare, text: PHI("Chest pain in room two"), by: doctor, source: TestHouse.source)
        await #expect(throws: IdentityFailure.self) {
            try await house.people.emergencies.end(emergency.id, by: app, source: TestHouse.source)
        }
        await #expect(throws: IdentityFailure.self) {
            _ = try await house.people.emergencies.activity(in: emergency.id, by: app, source: TestHouse.source)
        }
        #expect(house.people.emergencies.running(of: doctor.id, at: .now()).map(\.id) == [emergency.id])
    }
}
