import Synchronization
import Testing
import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardTestKit

/// Published examples: "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk"
/// (Amazon S3 API Reference), and "get-vanilla..." of the AWS Signature Version 4 test suite.
@Suite struct `Signature Version 4` {
    private static let time = Instant(microseconds: 1_369_353_600_000_000)
    private static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    private static let s3 = SignatureV4(
        credentials: StorageCredentials(
            id: "AKIAIOSFODNN7EXAMPLE", secret: Array("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".utf8)),
        region: "us-east-1")
    private static let suite = SignatureV4(
        credentials: StorageCredentials(
            id: "AKIDEXAMPLE", secret: Array("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".utf8)), region: "us-east-1",
        service: "service")

    private func signature(
        _ method: String, _ path: String, query: [(String, String)] = [], headers: [(String, String)] = [],
        payload: String = Self.empty
    ) -> String {
        let fixed = [
            ("host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", payload),
            ("x-amz-date", "20130524T000000Z"),
        ]
        let value = Self.s3.authorization(
            method: method, path: path, query: query, headers: headers + fixed, payload: payload, time: Self.time)
        return String(value.split(separator: "=").last ?? "")
    }

    @Test func `of the published S3 examples is what is published`() {
        #expect(
            signature("GET", "/test.txt", headers: [("Range", "bytes=0-9")])
                == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        #expect(
            signature(
                "PUT", "/test$file.text",
                headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
                payload: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
                == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
        #expect(
            signature("GET", "/", query: [("lifecycle", "")])
                == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        #expect(
            signature("GET", "/", query: [("max-keys", "2"), ("prefix", "J")])
                == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test func `of the published test suite is what is published`() {
        func value(_ query: [(String, String)]) -> String {
            Self.suite.authorization(
                method: "GET", path: "/", query: query,
                headers: [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")], payload: Self.empty,
                time: Instant(microseconds: 1_440_938_160_000_000))
        }
        let start =
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature="
        #expect(value([]) == start + "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
        #expect(
            value([("Param2", "value2"), ("Param1", "value1")])
                == start + "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
    }

    @Test func `changes with everything that is signed`() {
        let plain = signature("GET", "/a")
        let others = [
            signature("PUT", "/a"), signature("GET", "/b"), signature("GET", "/a", query: [("x", "")]),
            signature("GET", "/a", headers: [("x-amz-object-lock-mode", "COMPLIANCE")]),
            signature("GET", "/a", payload: "0"),
        ]
        #expect(Set(others + [plain]).count == 6)
    }

    @Test func `never shows the key`() {
        let credentials = StorageCredentials(id: "id", secret: Array("secretword".utf8))
        #expect("\(credentials) \(String(reflecting: credentials))".contains("secretword") == false)
        #expect(StorageCredentials(file: Array("id\nsecret\n".utf8)) != nil)
        for file in [
            "", "id", "id\n", "id\nse cret\n", "id\nsecret\nmore\n",
            "id\nsecret\n\(String(repeating: "t", count: 3001))\n",
            "id\nsecret\n\(String(repeating: "t", count: 20))\nmore\n",
            "id\nsecret\ntoken with blanks in it\n", "i\u{e9}\nsecret",
        ] {
            #expect(StorageCredentials(file: Array(file.utf8)) == nil)
        }
    }
}

@Suite struct `Object storage` {
    private func house(_ answers: [String]) async throws -> (EgressHouse, ObjectStore) {
        let house = try EgressHouse(network: PlannedNetwork(script: answers))
        try await house.ready(EgressHouse.destination(kind: .storage, host: "mail.example.com", port: 443))
        let credentials = StorageCredentials(id: "id", secret: Array("secret".utf8))
        return (
            house,
            ObjectStore(broker: house.broker, destination: "out", bucket: "b") { () throws(EgressFailure) in credentials
            }
        )
    }

    private func failure(_ answers: [String], limit: Int = 100) async throws -> EgressFailure? {
        let (_, store) = try await house(answers)
        do throws(EgressFailure) {
            _ = try await store.get("k", limit: limit)
            return nil
        } catch { return error }
    }

    @Test func `keeps its connection for the next request, and signs each`() async throws {
        let (house, store) = try await house([
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "abc",
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        ])
        try await store.put("a/b c", [1, 2], lock: ObjectLock(until: Instant(microseconds: 1_900_000_000_000_000)))
        #expect(try await store.get("a/b c", limit: 3) == [97, 98, 99])
        #expect(try await store.get("gone", limit: 3) == nil)
        #expect(house.network.attempts == 1)
        let said = house.network.streams[0].written
        #expect(said.hasPrefix("PUT /b/a/b%20c HTTP/1.1\r\nhost: mail.example.com\r\n"))
        #expect(
            said.contains(
                "x-amz-object-lock-mode: COMPLIANCE\r\nx-amz-object-lock-retain-until-date: 2030-03-17T17:46:40Z\r\n"))
        #expect(said.contains("SignedHeaders=content-md5;host;x-amz-content-sha256;x-amz-date;x-amz-object-lock-mode;"))
        await store.close()
        #expect(house.broker.openCount == 0)
    }

    @Test func `says again what is safe to say twice, and nothing that holds only the first time`() async throws {
        // One answer for each connection: a kept one has ended when it is used again.
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        let (house, store) = try await house([answer])
        try await store.put("a", [1])
        try await store.put("a", [1])
        #expect(house.network.attempts == 2)
        // It may have been heard: said again, it would be refused for its own effect.
        await #expect(throws: EgressFailure.peerClosed) { try await store.put("b", [1], isNew: true) }
        #expect(house.network.attempts == 2)
        #expect(house.network.streams[1].written.contains("if-none-match: *\r\n"))
        try await store.put("b", [1], isNew: true)
        #expect(house.network.attempts == 3)
    }

    @Test func `sends the token of a session, under the signature, and takes a new one from then on`() async throws {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        let house = try EgressHouse(network: PlannedNetwork(script: [answer, answer]))
        try await house.ready(EgressHouse.destination(kind: .storage, host: "mail.example.com", port: 443))
        let token = Mutex("first-token-of-a-session")
        let store = ObjectStore(broker: house.broker, destination: "out", bucket: "b") { () throws(EgressFailure) in
            guard let read = StorageCredentials(file: Array("id\nsecret\n\(token.withLock { $0 })\n".utf8)) else {
                throw .withoutSecret
            }
            return read
        }
        try await store.put("a", [1])
        token.withLock { $0 = "second-token-of-a-session" }
        try await store.put("a", [1])
        let said = house.network.streams[0].written
        #expect(said.contains("x-amz-security-token: first-token-of-a-session\r\n"))
        #expect(said.contains("x-amz-security-token: second-token-of-a-session\r\n"))
        #expect(said.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"))
        token.withLock { $0 = "" }
        // Back to a key of its own: no token.
        try await store.put("a", [1])
        #expect(house.network.streams.map(\.written).joined().ranges(of: "x-amz-security-token: ").count == 2)
    }

    @Test func `keeps no connection until somebody cuts it for its age`() async throws {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        let (house, store) = try await house([answer, answer, answer])
        try await store.put("a", [1])
        try await store.put("b", [1])
        #expect(house.network.attempts == 1)
        house.clock.move(seconds: EgressLimits.age - 2 * EgressLimits.idle)
        try await store.put("c", [1])
        #expect(house.network.attempts == 2)
        await house.broker.close()
        #expect(try house.events(.egressClosed).allSatisfy { $0.outcome == .success })
    }

    @Test func `reads a listing`() async throws {
        let body =
            "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Contents><Key>a&amp;b&#x41;</Key><Size>7</Size></Contents>"
            + "<Contents><Key>c</Key><Size>0</Size></Contents></ListBucketResult>"
        let (_, store) = try await house(["HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"])
        let found = try await store.list("a")
        #expect(found.map(\.key) == ["a&bA", "c"] && found.map(\.size) == [7, 0])
    }

    @Test(arguments: [
        "<html></html>", "<ListBucketResult>", "<!DOCTYPE x><ListBucketResult></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>&evil;</Key><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
    ])
    func `refuses a listing that is not one`(_ body: String) async throws {
        let (_, store) = try await house(["HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"])
        await #expect(throws: EgressFailure.malformedAnswer) { _ = try await store.list() }
    }

    @Test(arguments: ["", "/", "a//b", "../x", "a/..", "./a", String(repeating: "a", count: 1025)])
    func `has no names that lead elsewhere`(_ key: String) async throws {
        let (house, store) = try await house([])
        await #expect(throws: EgressFailure.malformedAnswer) { try await store.put(key, []) }
        #expect(house.network.attempts == 0)
    }

    @Test(arguments: [
        "HTTP/1.1 301 Moved\r\nlocation: https://elsewhere/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 307 Moved\r\nlocation: https://elsewhere/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
    ])
    func `follows no redirect, and takes no failure for an object`(_ answer: String) async throws {
        let status = try #require(Int(answer.dropFirst(9).prefix(3)))
        #expect(try await failure([answer]) == .answered(status))
    }

    @Test(arguments: [
        "", "x", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 99 x\r\n\r\n",
        "HTTP/1.1 2000 x\r\n\r\n",
        "HTTP/1.1 101 x\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 9999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\na\n0\n\n", "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", "HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n66\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na",
    ])
    func `takes no answer that HTTP does not allow, or that is too large or cut short`(_ answer: String) async throws {
        let failure = try #require(try await failure([answer]))
        #expect([.malformedAnswer, .peerClosed, .tooLarge].contains(failure))
    }

    @Test func `goes through nothing that is not covered`() async throws {
        let (house, store) = try await house(["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
        try await store.put("a", [1])
        _ = try await house.register.revoke("posthaste", by: EgressHouse.actor, source: EgressHouse.source)
        await #expect(throws: EgressFailure.refused(.agreementRevoked)) { try await store.put("a", [1]) }
        #expect(house.network.attempts == 1 && house.network.streams[0].isCut)
    }
}

@Suite struct `Webhooks` {
    @Test func `say that something changed, signed, and nothing else`() async throws {
        let house = try EgressHouse(network: PlannedNetwork(script: ["HTTP/1.1 204 OK\r\n\r\n"]))
        try await house.addVendor()
        try await house.sign()
        let kept = try await house.add(EgressHouse.destination(kind: .webhook, port: 443, path: "/in?x=1"))
        try await Webhook(broker: house.broker, destination: "out").send()
        let said = house.network.streams[0].written
        #expect(
            said.hasPrefix("POST /in?x=1 HTTP/1.1\r\nhost: mail.example.com\r\n")
                && said.hasSuffix("\r\n\r\n{\"changed\":true}"))
        let field = try #require(said.split(separator: "\r\n").first { $0.hasPrefix("ward-signature: t=") })
        let seconds = try #require(Int64(field.dropFirst(18).prefix { $0 != "," }))
        let signature = Webhook.signature(Array("{\"changed\":true}".utf8), at: seconds, secret: kept.secret)
        #expect(field == "ward-signature: \(signature)")
        #expect(house.broker.openCount == 0)
    }

    @Test func `take a redirect for a failure`() async throws {
        let house = try EgressHouse(
            network: PlannedNetwork(script: [
                "HTTP/1.1 302 x\r\nlocation: https://elsewhere/\r\ncontent-length: 0\r\n\r\n"
            ]))
        try await house.ready(EgressHouse.destination(kind: .webhook, port: 443))
        await #expect(throws: EgressFailure.answered(302)) {
            try await Webhook(broker: house.broker, destination: "out").send()
        }
        #expect(house.network.attempts == 1)
    }
}
