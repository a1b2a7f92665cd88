import Testing
import WardCore
import WardFHIR
import WardPolicy

@Suite struct `The policy` {
    private let policy = Policy()
    private let types = ResourceType.allCases.map(Optional.some) + [nil]

    /// What may be possible, nothing known of any record.
    private func outlook(
        _ action: Action, on type: ResourceType?, role: Role, purpose: PurposeOfUse, scopes: [Scope]? = nil
    ) -> AccessDecision {
        policy.decide(
            AccessQuestion(
                action: action, type: type, roles: [role], purpose: purpose, scopes: scopes, isFresh: true))
    }

    @Test func `gives administrators no clinical data at all`() {
        for type in ResourceType.allCases {
            for action in Action.allCases {
                for purpose in PurposeOfUse.allCases {
                    let decision = outlook(action, on: type, role: .administrator, purpose: purpose)
                    #expect(decision.denial == .typeNotGranted)
                }
            }
        }
    }

    @Test(arguments: [
        "Observation", "Condition", "DiagnosticReport", "DocumentReference", "Composition", "Binary", "Encounter",
        "MedicationRequest", "AllergyIntolerance", "Procedure", "Bundle", "List", "AuditEvent", "Provenance", "Group",
    ])
    func `shows the front desk no notes and no results`(name: String) throws {
        let type = try #require(ResourceType(name))
        for action in Action.allCases {
            #expect(outlook(action, on: type, role: .frontDesk, purpose: .treatment).denial == .typeNotGranted)
        }
    }

    @Test func `is only ever narrowed by scopes`() throws {
        let texts = [
            "system/*.cruds", "system/Patient.r", "system/Patient.rs", "system/Observation.cud", "system/*.s",
            "system/Appointment.write", "system/*.read", "system/Patient.*",
        ]
        let scopes = try texts.map { try #require(Scope($0)) }
        for role in Role.allCases {
            for type in types {
                for action in Action.allCases {
                    let whole = outlook(action, on: type, role: role, purpose: .treatment)
                    #expect(
                        !outlook(action, on: type, role: role, purpose: .treatment, scopes: []).isPermitted
                            || type == nil)
                    for scope in scopes {
                        let narrowed = outlook(action, on: type, role: role, purpose: .treatment, scopes: [scope])
                        #expect(!narrowed.isPermitted || whole.isPermitted)
                        if let type, whole.isPermitted {
                            #expect(narrowed.isPermitted == scope.allows(action, on: type))
                        }
                    }
                }
            }
        }
    }

    @Test(arguments: [Action.administer, .readAudit])
    func `gives a narrowed token nothing of the system`(action: Action) throws {
        let scope = try #require(Scope("system/*.cruds"))
        for scopes in [[], [scope]] {
            let decision = outlook(
                action, on: nil, role: .administrator, purpose: .systemAdministration, scopes: scopes)
            #expect(decision.denial == .scopeNotGranted)
        }
    }
}

@Suite struct `Scopes` {
    @Test(
        arguments: [
            ("system/Patient.c", [.create]), ("system/Patient.r", [.read, .history]), ("system/Patient.u", [.update]),
            ("system/Patient.d", [.delete]), ("system/Patient.s", [.search]),
            ("system/Patient.rs", [.read, .history, .search]),
            ("system/Patient.cruds", [.create, .read, .history, .update, .delete, .search]),
            ("system/Patient.read", [.read, .history, .search]), ("system/Patient.write", [.create, .update, .delete]),
            ("system/Patient.*", [.create, .read, .history, .update, .delete, .search]),
            ("system/*.cud", [.create, .update, .delete]),
        ] as [(String, Set<Action>)])
    func `are read in both versions`(text: String, actions: Set<Action>) throws {
        let scope = try #require(Scope(text))
        #expect(scope.actions == actions && scope.text == text)
        #expect(scope.type?.name == (text.hasPrefix("system/*") ? nil : "Patient"))
    }

    @Test(arguments: [
        "", "system", "system/", "system/.", "system/Patient", "system/Patient.", "system/.read", "system/.rs",
        "system/Patient.x", "system/Patient.sr", "system/Patient.rr", "system/Patient.cruds ", " system/Patient.r",
        "system/Patient.READ", "system/patient.r", "system/Resource.r", "system/DomainResource.r", "system/Nothing.r",
        "system/**.r", "system/Pat*.r", "system/Patient.r?_id=1", "system/Patient.rs?category=a.b",
        "system/Patient.r.s",
        "user/Patient.r", "patient/Patient.r", "System/Patient.r", "system//Patient.r", "system/Patient/x.r", "openid",
        "fhirUser", "launch", "offline_access", "system/Patient.c\u{301}", "system/Patient.\u{0}", "system/*.*s",
        "system/Patient.readwrite", "system/Patient.rsd",
    ])
    func `of any other form are refused`(text: String) {
        #expect(Scope(text) == nil)
    }

    @Test func `allow their type and actions only`() throws {
        let (patient, observation) = (try #require(ResourceType("Patient")), try #require(ResourceType("Observation")))
        let scope = try #require(Scope("system/Patient.cru"))
        #expect(
            scope.allows(.read, on: patient) && scope.allows(.history, on: patient)
                && scope.allows(.create, on: patient))
        #expect(!scope.allows(.read, on: observation) && !scope.allows(.delete, on: patient))
        #expect(!scope.allows(.search, on: patient) && !scope.allows(.administer, on: patient))
        #expect(scope.allows(.import, on: patient) && !scope.allows(.export, on: patient))
        #expect(!scope.allows(.readAudit, on: patient))
        let everything = try #require(Scope("system/*.rs"))
        #expect(
            ResourceType.allCases.allSatisfy {
                everything.allows(.export, on: $0) && !everything.allows(.import, on: $0)
            })
    }
}
