import Testing
import WardCore
import WardFHIR
import WardPolicy

/// The policy once more, as sentences of a table instead of code.
private enum Oracle {
    /// role | types | actions | purposes; what is not in a line is denied.
    static let table = """
        clinician | * | create delete history read search update | TREAT HOPERAT PATRQT
        integration | * | create delete export history import read search update | TREAT HPAYMT HOPERAT PATRQT
        front-desk | Appointment AppointmentResponse Coverage Patient RelatedPerson | create history read search update \
        | TREAT HPAYMT HOPERAT PATRQT
        front-desk | HealthcareService InsurancePlan Location Organization Practitioner PractitionerRole Schedule Slot \
        | history read search | TREAT HPAYMT HOPERAT PATRQT
        administrator | - | administer manage-people manage-keys read-audit | HSYSADMIN
        security-officer | - | manage-sessions read-alerts manage-keys read-audit | HSYSADMIN
        privacy-officer | - | account-disclosures read-audit review-access review-emergency | HOPERAT PATRQT
        auditor | - | read-audit | HOPERAT
        clinician nurse | - | open-emergency | TREAT
        integration | - | import export | TREAT HPAYMT HOPERAT PATRQT
        """

    static let lines = table.split(separator: "\n").map { line in
        line.split(separator: "|").map { $0.split(separator: " ").map(String.init) }
    }

    static func permits(_ role: Role, _ action: Action, _ type: String?, _ purpose: PurposeOfUse) -> Bool {
        lines.contains { line in
            line[0].contains(role.rawValue) && line[2].contains(action.rawValue) && line[3].contains(purpose.rawValue)
                && (type.map { line[1].contains($0) || line[1].contains("*") } ?? line[1].contains("-"))
        }
    }
}

@Suite struct `The policy` {
    private let policy = Policy()
    private let types = ResourceType.allCases.map(Optional.some) + [nil]

    @Test(arguments: Role.allCases)
    func `is its table, for every type, action and purpose`(role: Role) {
        var permitted = 0
        for type in types {
            for action in Action.allCases {
                for purpose in PurposeOfUse.allCases {
                    let decision = policy.decide(action, on: type, role: role, purpose: purpose, scopes: nil)
                    let expected = Oracle.permits(role, action, type?.name, purpose)
                    if decision.isPermitted != expected {
                        Issue.record("\(role) \(action) \(type?.name ?? "-") \(purpose): \(decision)")
                    }
                    permitted += decision.isPermitted ? 1 : 0
                    #expect(!decision.reason.isEmpty)
                }
            }
        }
        // Counted by hand: types x actions x purposes.
        let counts: [Role: Int] = [
            .administrator: 4, .auditor: 1, .clinician: 146 * 6 * 3 + 1, .frontDesk: 5 * 5 * 4 + 8 * 3 * 4,
            .integration: 146 * 8 * 4 + 2 * 4, .nurse: 1, .privacyOfficer: 4 * 2, .securityOfficer: 4,
        ]
        #expect(permitted == counts[role, default: 0])
    }

    @Test func `gives administrators no clinical data at all`() {
        for type in ResourceType.allCases {
            #expect(!policy.isReachable(type, by: .administrator))
            for action in Action.allCases {
                for purpose in PurposeOfUse.allCases {
                    let decision = policy.decide(
                        action, on: type, role: .administrator, purpose: purpose, scopes: nil)
                    #expect(decision == .deny("administrator/type-not-granted"))
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
        #expect(!policy.isReachable(type, by: .frontDesk))
        let decision = policy.decide(.read, on: type, role: .frontDesk, purpose: .treatment, scopes: nil)
        #expect(decision == .deny("front-desk/type-not-granted"))
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
                    let whole = policy.decide(action, on: type, role: role, purpose: .treatment, scopes: nil)
                    #expect(
                        !policy.decide(action, on: type, role: role, purpose: .treatment, scopes: []).isPermitted
                            || type == nil)
                    for scope in scopes {
                        let narrowed = policy.decide(
                            action, on: type, role: role, purpose: .treatment, scopes: [scope])
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
            let decision = policy.decide(
                action, on: nil, role: .administrator, purpose: .systemAdministration, scopes: scopes)
            #expect(decision == .deny("scope-not-granted"))
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
