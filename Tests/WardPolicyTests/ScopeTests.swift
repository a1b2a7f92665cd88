import Testing
import WardCore
import WardFHIR
import WardPolicy

@Suite struct `Scopes of people and apps` {
    @Test(
        arguments: [
            ("patient/Observation.rs", .patient, []), ("user/Patient.read", .user, []), ("user/*.cruds", .user, []),
            ("patient/*.*", .patient, []), ("system/Patient.r", .system, []),
            (
                "patient/Observation.rs?category=laboratory", .patient,
                [SearchPair(name: "category", value: "laboratory")]
            ),
            (
                "patient/Observation.rs?category=http%3A%2F%2Fx%7Cy", .patient,
                [SearchPair(name: "category", value: "http://x|y")]
            ),
            (
                "user/Condition.s?clinical-status=active&code=urn:s|c", .user,
                [SearchPair(name: "clinical-status", value: "active"), SearchPair(name: "code", value: "urn:s|c")]
            ),
        ] as [(String, Scope.Context, [SearchPair])])
    func `are read`(text: String, context: Scope.Context, constraint: [SearchPair]) throws {
        let scope = try Scope(parsing: text)
        #expect(scope.context == context && scope.constraint == constraint && scope.text == text)
    }

    @Test(
        arguments: [
            ("", .unknownContext), ("openid", .unknownContext), ("launch/patient", .unknownContext),
            ("Patient/Observation.rs", .unknownContext), ("patient", .unknownContext),
            ("patient/Observation", .unknownActions), ("patient/Observation.", .unknownActions),
            ("patient/Observation.sr", .unknownActions), ("patient/Observation.rr", .unknownActions),
            ("patient/Observation.READ", .unknownActions), ("patient/Observation.x", .unknownActions),
            ("patient/observation.rs", .unknownType), ("patient/.rs", .unknownType), ("patient/**.rs", .unknownType),
            ("patient/Observation.r.s", .unknownType), ("user/Resource.r", .unknownType),
            ("patient/Observation.rs?", .malformedConstraint),
            ("patient/Observation.rs?category", .malformedConstraint),
            ("patient/Observation.rs?category=", .malformedConstraint),
            ("patient/Observation.rs?category=a&", .malformedConstraint),
            ("patient/Observation.rs?category=%", .malformedConstraint),
            ("patient/Observation.rs?category=%4", .malformedConstraint),
            ("patient/Observation.rs?category=%+1", .malformedConstraint),
            ("patient/Observation.rs?category=%00", .malformedConstraint),
            ("patient/Observation.rs?category=%FF", .malformedConstraint),
            ("patient/Observation.rs?category=a b", .malformedConstraint),
            ("patient/Observation.rs?nothing=1", .unknownParameter),
            ("patient/Observation.rs?category:in=x", .unknownParameter),
            ("patient/Observation.rs?subject.name=x", .unknownParameter),
            ("patient/Observation.rs?_count=1", .unknownParameter),
            ("patient/Observation.rs?_has:x=1", .unknownParameter),
            ("patient/Observation.rs?_tag=x", .constraintNotEnforceable),
            ("patient/Observation.rs?_security=x", .constraintNotEnforceable),
            ("patient/Observation.rs?_text=x", .constraintNotEnforceable),
            ("patient/Observation.rs?code-value-quantity=a$b", .constraintNotEnforceable),
            ("patient/Observation.cruds?category=x", .constraintNotEnforceable),
            ("patient/Observation.c?category=x", .constraintNotEnforceable),
            ("patient/*.rs?category=x", .constraintNotEnforceable),
        ] as [(String, ScopeFailure)])
    func `that cannot be held are refused`(text: String, failure: ScopeFailure) {
        #expect(throws: failure) { try Scope(parsing: text) }
    }

    @Test(arguments: ["patient/Observation.rs", "user/*.cruds", "system/Observation.rs?category=laboratory"])
    func `never widen what a backend client's would`(text: String) throws {
        let observation = try #require(ResourceType("Observation"))
        #expect(Scope(text) == nil)
        #expect(!(try Scope(parsing: text).allows(.read, on: observation)))
        let question = AccessQuestion(
            action: .read, type: observation, roles: [.integration], purpose: .treatment,
            scopes: [try Scope(parsing: text)], facts: RecordFacts())
        #expect(Policy().decide(question).isPermitted == text.hasPrefix("user/"))
    }

    @Test func `hold context and constraint of each scope on its own`() throws {
        let observation = try #require(ResourceType("Observation"))
        let scopes = [
            try Scope(parsing: "patient/Observation.rs?category=laboratory"),
            try Scope(parsing: "user/Observation.rs?category=vital-signs"), try Scope(parsing: "patient/Condition.rs"),
        ]
        func decide(_ context: Bool, _ met: UInt64, _ action: Action = .read) -> AccessDecision {
            let facts = RecordFacts(relationships: .careTeam, isInContext: context, metConstraints: met)
            return Policy().decide(
                AccessQuestion(
                    action: action, type: observation, roles: [.clinician, .app], purpose: .treatment, scopes: scopes,
                    facts: facts))
        }
        #expect(decide(true, 1).isPermitted && decide(false, 2).isPermitted && decide(true, 3).isPermitted)
        for refused in [decide(false, 1), decide(true, 0), decide(false, 0), decide(true, 4), decide(true, 3, .update)]
        {
            #expect(refused.denial == .scopeNotGranted)
        }
        let open = AccessQuestion(
            action: .search, type: observation, roles: [.clinician, .app], purpose: .treatment, scopes: scopes)
        #expect(Policy().decide(open).isPermitted && Policy().decide(open).isConditional)
    }
}
