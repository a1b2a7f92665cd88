import Testing
import WardAudit
import WardCore
import WardIdentity
import WardPolicy
import WardTestKit

@Suite struct `Sign-in at the same time` {
    @Test func `as the removal of a client leaves no token of it alive`() async throws {
        let house = try TestHouse()
        let authenticator = house.authenticator
        let (principal, other) = (try await house.signIn("a"), try await house.signIn("b"))
        let kept = try await authenticator.issueToken(for: other, source: TestHouse.source)
        let issued = await withTaskGroup(of: [String].self) { group in
            for _ in 0..<6 {
                group.addTask {
                    var tokens: [String] = []
                    for _ in 0..<10 {
                        let token = try? await authenticator.issueToken(for: principal, source: TestHouse.source)
                        if let token { tokens.append(token) }
                        #expect(authenticator.principal(bearer: kept, now: .now())?.id == "b")
                    }
                    return tokens
                }
            }
            group.addTask {
                let source = TestHouse.source
                await #expect(throws: Never.self) { try await authenticator.remove("a", by: source) }
                #expect(authenticator.clients.map(\.name) == ["b"])
                return []
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(issued.allSatisfy { authenticator.principal(bearer: $0, now: .now()) == nil })
        #expect(authenticator.principal(bearer: kept, now: .now())?.id == "b")
        try house.checkLog()
    }

    @Test func `with one assertion succeeds once`() async throws {
        let house = try TestHouse()
        let pair = try #require(ClientKeyPair(client: "a"))
        try await house.authenticator.add(
            "a", role: .clinician, purpose: .treatment, key: pair.publicKey, by: TestHouse.source)
        for _ in 0..<4 {
            let assertion = try await pair.assertion(audience: TestHouse.audience)
            let winners = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let principal = try? await house.authenticator.authenticate(
                            assertion: assertion, audiences: [TestHouse.audience], scope: nil, source: TestHouse.source)
                        return principal != nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
        }
    }

    @Test func `as failures are written loses none and counts none twice`() async throws {
        let house = try TestHouse()
        await withTaskGroup(of: Void.self) { group in
            for stranger in 0..<4 {
                group.addTask {
                    for _ in 0..<200 {
                        house.authenticator.countFailure(source: RequestSource(address: "\(stranger)", request: ""))
                    }
                }
            }
            group.addTask { for _ in 0..<20 { await house.authenticator.flushFailures() } }
        }
        await house.authenticator.flushFailures()
        #expect(try house.events().map(\.count).reduce(0, +) == 800)
    }
}
