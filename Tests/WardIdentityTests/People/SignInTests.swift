import Testing
import WardAudit
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardTestKit

@Suite struct `Signing in` {
    @Test func `takes a password and a code together, and nothing less`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna")
        let good = try house.code(member.seed)
        let wrong = try #require(OneTimeCode(typed: "000000"))
        let attempts: [(String, String, OneTimeCode)] = [
            ("anna", "plum tractor violet anchorag", good), ("anna", "", good), ("anna", PeopleHouse.password, wrong),
            ("berta", PeopleHouse.password, good), ("", PeopleHouse.password, good),
            ("anna\u{0}", PeopleHouse.password, good), ("änna", PeopleHouse.password, good),
        ]
        for (login, password, code) in attempts {
            await #expect(throws: IdentityFailure.notRecognised) {
                try await house.signIn(login, password, code: code)
            }
        }
        let signedIn = try await house.signIn("Anna", code: good)
        let principal = try #require(house.principal(signedIn.token))
        #expect(principal.id == member.id && principal.kind == .person && principal.roles == [.clinician])
        #expect(try house.kinds().last == .signedIn)
    }

    @Test func `takes each code once, also when two try at the same time`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna")
        let code = try house.code(member.seed)
        let (people, context, now) = (house.people, house.context, house.now)
        let password = try Password(typed: PeopleHouse.password)
        let results = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    (try? await people.signIn(login: "anna", password, code: code, context: context, at: now)) != nil
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.filter(\.self).count == 1)
        await #expect(throws: IdentityFailure.notRecognised) { try await house.signIn("anna", code: code) }
        // Also after a restart: the step that was used is on disk.
        let reopened = try house.reopened()
        await #expect(throws: IdentityFailure.notRecognised) { try await reopened.signIn("anna", code: code) }
        reopened.pass(30)
        try await reopened.signIn("anna", code: reopened.code(member.seed))
    }

    @Test func `is refused to people who are invited, disabled, past their end or without factors`() async throws {
        let house = try PeopleHouse()
        let (invited, _) = try await house.invited("anna")
        let code = try #require(OneTimeCode(typed: "123456"))
        await #expect(throws: IdentityFailure.notRecognised) { try await house.signIn("anna", code: code) }
        let member = try await house.member("berta")
        try await house.people.disable(member.id, byOperator: PeopleHouse.admin, source: house.source)
        await #expect(throws: IdentityFailure.notRecognised) {
            try await house.signIn("berta", code: house.code(member.seed))
        }
        #expect(house.people.directory.person(member.id)?.state == .disabled)
        #expect(house.people.directory.person(invited.id)?.state == .invited)
        await #expect(throws: IdentityFailure.nameTaken) {
            try await house.people.directory.add(
                login: "BERTA", displayName: "Another", byOperator: PeopleHouse.admin, source: house.source)
        }
    }

    @Test func `by passkey tells who it is, and is bound to page, challenge and person`() async throws {
        let house = try PeopleHouse()
        let (person, link) = try await house.invited("anna")
        let authenticator = SoftAuthenticator(.p256)
        let token = try house.people.beginEnrolment(link, at: house.now).token
        let creation = try house.people.enrolmentOptions(token, party: house.party, at: house.now)
        _ = try await house.people.enrol(
            token, passkey: house.registration(authenticator, options: creation), name: "phone", party: house.party,
            context: house.context, at: house.now)

        let (ticket, other) = (sha256([1]), sha256([2]))
        func options(_ ticket: Digest) -> [UInt8] {
            house.people.passkeyRequest(ticket: ticket, party: house.party, at: house.now)
        }
        func signIn(_ assertion: PasskeyAssertion, _ ticket: Digest) async throws -> SignedIn {
            try await house.people.signIn(
                assertion, ticket: ticket, party: house.party, context: house.context, at: house.now)
        }
        let request = options(ticket)
        _ = options(other)
        let assertion = try house.assertion(authenticator, options: request, person: person.id)
        await #expect(throws: IdentityFailure.notRecognised) { try await signIn(assertion, other) }
        let signedIn = try await signIn(assertion, ticket)
        #expect(house.principal(signedIn.token)?.id == person.id)
        // The challenge is used up.
        await #expect(throws: IdentityFailure.notRecognised) { try await signIn(assertion, ticket) }

        for change in 0..<4 {
            var ceremony = Ceremony.assertion
            var handle: String? = person.id
            switch change {
            case 0: ceremony.origin = "https://evil.example"
            case 1: ceremony.flags = 0x01
            case 2: handle = nil
            default: ceremony.rpID = "evil.example"
            }
            let wrong = try house.assertion(
                authenticator, options: options(ticket), person: handle, ceremony)
            await #expect(throws: IdentityFailure.notRecognised) { try await signIn(wrong, ticket) }
        }
        let stranger = try house.assertion(SoftAuthenticator(.p256), options: options(ticket), person: person.id)
        await #expect(throws: IdentityFailure.notRecognised) { try await signIn(stranger, ticket) }
        let late = try house.assertion(authenticator, options: options(ticket), person: person.id)
        house.pass(301)
        await #expect(throws: IdentityFailure.notRecognised) { try await signIn(late, ticket) }
    }

    @Test func `writes one counted event for many failures, with the account if there is one`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna")
        let wrong = try #require(OneTimeCode(typed: "000000"))
        for login in ["anna", "anna", "anna", "nobody", "nobody"] {
            await #expect(throws: IdentityFailure.notRecognised) { try await house.signIn(login, code: wrong) }
        }
        await house.people.flushFailures()
        let events = try house.log.events(with: [.kind(.signInFailed)], limit: 10).map(\.event)
        #expect(events.map(\.count).sorted() == [2, 3])
        #expect(events.first { $0.count == 3 }?.subject == "person/\(member.id)")
        #expect(events.first { $0.count == 2 }?.subject == nil)
        #expect(events.allSatisfy { $0.actor == nil && $0.outcome == .failed })
    }
}

@Suite struct `Guessing` {
    @Test func `costs more and more time, for accounts that exist and those that do not alike`() async throws {
        let house = try PeopleHouse()
        _ = try await house.member("anna")
        let wrong = try #require(OneTimeCode(typed: "000000"))
        for login in ["anna", "nobody"] {
            house.address = login == "anna" ? "192.0.2.7" : "192.0.2.8"
            var waits: [Int64] = []
            for _ in 0..<20 {
                do throws(IdentityFailure) {
                    _ = try await house.people.signIn(
                        login: login, typed(PeopleHouse.password), code: wrong, context: house.context,
                        at: house.now)
                } catch {
                    if case .throttled(let seconds) = error {
                        waits.append(seconds)
                        house.pass(seconds)
                    } else {
                        #expect(error == .notRecognised)
                    }
                }
            }
            #expect(waits.prefix(4) == [1, 2, 4, 8])
            #expect(waits.allSatisfy { $0 <= 900 })
        }
    }

    @Test func `by a stranger does not hold up a device that has signed in before`() async throws {
        let house = try PeopleHouse()
        let member = try await house.member("anna")
        let wrong = try #require(OneTimeCode(typed: "000000"))
        // From the same address, as behind one router, and from a hundred others.
        for number in 0..<120 {
            house.address = number % 2 == 0 ? "192.0.2.1" : "198.51.100.\(number)"
            _ = try? await house.signIn("anna", code: wrong)
        }
        house.address = "192.0.2.1"
        do throws(IdentityFailure) {
            _ = try await house.people.signIn(
                login: "anna", typed(PeopleHouse.password), code: wrong, context: house.context,
                at: house.now)
            Issue.record("a stranger got in")
        } catch {
            guard case .throttled = error else {
                Issue.record("not slowed: \(error)")
                return
            }
        }
        house.deviceMark = member.mark
        try await house.signIn("anna", code: house.code(member.seed))
        // A mark made for another account, or altered, is no mark.
        house.deviceMark = member.mark + "x"
        await #expect(throws: (any Error).self) { try await house.signIn("anna", code: house.code(member.seed, 1)) }
    }
}

/// For places that throw one kind of failure only.
private func typed(_ text: String) throws(IdentityFailure) -> Password {
    do throws(PasswordFailure) { return try Password(typed: text) } catch { throw .badPassword(error) }
}
