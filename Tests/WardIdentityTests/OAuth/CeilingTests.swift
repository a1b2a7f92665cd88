import Testing
import WardAudit
import WardCore
import WardFHIR
import WardIdentity
import WardPolicy

/// What the policy says to the principal of an app, asked as the gate asks about a person.
@Suite struct `An app` {
    private let house: OAuthHouse

    init() throws { house = try OAuthHouse() }

    private func acting(_ roles: [Role], _ scope: String, patient: String? = nil) async throws -> Principal {
        let (_, principal) = try await house.member("m\(roles.count)", roles)
        let app = try await house.app()
        let code = try await house.code(app, principal, patient: patient, ["scope": scope])
        return try #require(try house.principal(try await house.exchange(code, app).access))
    }

    private func isPermitted(
        _ principal: Principal, _ action: Action, _ type: String?, facts: RecordFacts? = nil
    ) -> Bool {
        Policy().decide(
            AccessQuestion(
                action: action, type: type.flatMap { ResourceType($0) }, roles: principal.roles,
                purpose: principal.purpose, scopes: principal.scopes, isFresh: principal.isFresh(at: house.now),
                facts: facts)
        ).isPermitted
    }

    @Test func `does what the person may on the patient of its launch, and nothing beside`() async throws {
        let app = try await acting([.clinician], "patient/Observation.rs user/Patient.rs", patient: "p1")
        let mine = RecordFacts(patients: ["p1"], relationships: .careTeam, isInContext: true)
        let elsewhere = RecordFacts(patients: ["p2"], relationships: .careTeam, isInContext: false)
        let stranger = RecordFacts(patients: ["p1"], isInContext: true)
        #expect(isPermitted(app, .read, "Observation", facts: mine))
        #expect(!isPermitted(app, .read, "Observation", facts: elsewhere))
        // In its context, and of no patient of this person.
        #expect(!isPermitted(app, .read, "Observation", facts: stranger))
        #expect(isPermitted(app, .read, "Patient", facts: elsewhere))
        #expect(!isPermitted(app, .update, "Observation", facts: mine))
        #expect(!isPermitted(app, .read, "Condition", facts: mine))
        for action in [Action.administer, .readAudit, .export, .import] { #expect(!isPermitted(app, action, nil)) }
    }

    @Test(arguments: [Role.administrator, .auditor, .securityOfficer])
    func `of somebody without patient data has none, whatever it was granted`(role: Role) async throws {
        let app = try await acting([role], "user/*.cruds")
        let facts = RecordFacts(patients: ["p1"], relationships: .careTeam, isInContext: true)
        for type in ["Patient", "Observation"] { #expect(!isPermitted(app, .read, type, facts: facts)) }
        for action in [Action.administer, .readAudit] { #expect(!isPermitted(app, action, nil)) }
    }

    @Test func `with scopes that are about no record reads none`() async throws {
        let app = try await acting([.clinician], "openid profile")
        let facts = RecordFacts(patients: ["p1"], relationships: .careTeam, isInContext: true)
        #expect(app.scopes?.isEmpty == true && !isPermitted(app, .read, "Patient", facts: facts))
    }
}
