import Synchronization
import Testing
import WardCore
import WardCrypto
import WardEgress

@Suite struct `A boot file` {
    private static let key = "arn:aws:kms:us-east-1:123456789012:key/0a1b"
    private static let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    private let signing = SigningKey()

    private static func destination(
        _ name: String = "keys", kind: Destination.Kind = .kms, host: String = "kms.example.com", port: Int = 443,
        region: String = "us-east-1", service: String = "kms", address: IPAddress? = .v4(0x0A00_0001),
        authority: String? = pem
    ) -> Destination {
        EgressHouse.destination(
            name, kind: kind, host: host, port: port, region: region,
            ground: .agreement(vendor: "posthaste", service: service), address: address, authority: authority)
    }

    private func made(_ destination: Destination = destination(), key: String = key) -> BootFile? {
        BootFile(store: "s", destination: destination, key: key, signedBy: signing)
    }

    @Test func `says what the destination says, and reads back to the byte`() throws {
        for destination in [Self.destination(), Self.destination(address: nil, authority: nil)] {
            let boot = try #require(made(destination))
            #expect(BootFile(boot.bytes) == boot && boot.signer == signing.publicKey && boot.store == "s")
            #expect(boot.agrees(with: destination))
            #expect(boot.place.address == destination.address && boot.place.authority == destination.authority)
        }
    }

    @Test func `is not a boot file with any bit changed`() throws {
        let whole = try #require(made()).bytes
        for place in whole.indices {
            var changed = whole
            changed[place] ^= 1
            #expect(BootFile(changed) == nil)
        }
        for cut in whole.indices { #expect(BootFile(Array(whole[..<cut])) == nil) }
        for more in ["\n", "x 1\n", "signature AAAA\n"] { #expect(BootFile(whole + Array(more.utf8)) == nil) }
    }

    @Test func `is made for a key service alone, with a key of its region`() {
        #expect(made(Self.destination(kind: .storage)) == nil && made(Self.destination(service: "s3")) == nil)
        let lawful = Destination.Ground.lawful(.treatment, reason: "x", ends: Instant.now().adding(seconds: 60))
        #expect(made(EgressHouse.destination("keys", kind: .kms, ground: lawful)) == nil)
        for key in [
            "", "x", "arn:aws:kms:eu-west-1:1:key/a", "arn:aws:kms:us-east-1:1:alias/a", "arn:aws:s3:us-east-1:1:key/a",
            "arn:aws:kms:us-east-1:1:key/a b", "arn:aws:kms:us-east-1:1:key/a\nhost evil",
            "arn:aws:kms:us-east-1:1:2:key/a",
        ] {
            #expect(made(key: key) == nil)
        }
    }

    @Test func `agrees with nothing but the destination that it was made for`() throws {
        let boot = try #require(made())
        #expect(!boot.agrees(with: nil))
        for other in [
            Self.destination("other"), Self.destination(host: "evil.example.com"), Self.destination(port: 444),
            Self.destination(region: "eu-west-1"), Self.destination(service: "s3"), Self.destination(address: nil),
            Self.destination(address: .v4(1)), Self.destination(authority: nil), Self.destination(kind: .storage),
        ] {
            #expect(!boot.agrees(with: other))
        }
    }
}

@Suite struct `A key service` {
    private static let key = "arn:aws:kms:us-east-1:123456789012:key/0a1b"

    private func service(_ answers: [String]) throws -> (PlannedNetwork, KeyManagementService) {
        let network = PlannedNetwork(script: answers)
        let destination = EgressHouse.destination(
            "keys", kind: .kms, host: "mail.example.com", port: 443,
            ground: .agreement(vendor: "posthaste", service: "kms"))
        let boot = try #require(
            BootFile(store: "s", destination: destination, key: Self.key, signedBy: SigningKey()))
        let credentials = StorageCredentials(id: "AKID", secret: Array("secretword".utf8))
        return (
            network,
            KeyManagementService(boot, transport: network) { () throws(EgressFailure) in credentials }
        )
    }

    private func answer(_ status: Int, _ body: String) -> String {
        "HTTP/1.1 \(status) X\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private func failure(_ answers: [String]) async throws -> KeyServiceFailure? {
        let (_, service) = try service(answers)
        do throws(KeyServiceFailure) {
            _ = try await service.decrypt([1, 2, 3], context: ["a": "b"])
            return nil
        } catch {
            return error
        }
    }

    @Test func `is asked under TLS, signed, with its context, and never with a secret`() async throws {
        let (network, service) = try service([answer(200, #"{"KeyId":"\#(Self.key)","CiphertextBlob":"AQID"}"#)])
        #expect(try await service.encrypt([9, 8, 7], context: ["ward-store": "s"]) == [1, 2, 3])
        let said = network.streams[0].written
        #expect(said.hasPrefix("POST / HTTP/1.1\r\nhost: mail.example.com\r\n") && network.streams[0].plain.isEmpty)
        #expect(said.contains("x-amz-target: TrentService.Encrypt\r\n"))
        #expect(said.contains("/us-east-1/kms/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target,"))
        #expect(said.contains(#""Plaintext":"CQgH""#) && said.contains(#""EncryptionContext":{"ward-store":"s"}"#))
        #expect(!said.contains("secretword"))
    }

    @Test func `that refuses, or is another, opens nothing`() async throws {
        for (type, expected) in [
            ("DisabledException", KeyServiceFailure.keyDisabled), ("KMSInvalidStateException", .keyDisabled),
            ("NotFoundException", .keyMissing), ("InvalidCiphertextException", .otherKey),
            ("IncorrectKeyException", .otherKey), ("AccessDeniedException", .denied),
            ("com.amazonaws.kms#AccessDeniedException", .denied),
            ("", .egress(.answered(400))),
        ] {
            #expect(try await failure([answer(400, #"{"__type":"\#(type)"}"#)]) == expected)
        }
        #expect(
            try await failure([answer(200, #"{"KeyId":"arn:aws:kms:us-east-1:1:key/x","Plaintext":"AQID"}"#)])
                == .otherKey)
    }

    @Test func `that is asked too often, by anybody, is asked again`() async throws {
        let good = answer(200, #"{"KeyId":"\#(Self.key)","Plaintext":"AQID"}"#)
        for passing in [
            answer(400, #"{"__type":"ThrottlingException"}"#), answer(429, ""), answer(503, ""),
            answer(400, #"{"__type":"com.amazonaws.kms#LimitExceededException"}"#),
        ] {
            #expect(try await failure([passing, good]) == nil)
        }
        #expect(
            try await failure([answer(400, #"{"__type":"ValidationException"}"#), good]) == .egress(.answered(400)))
    }

    @Test(arguments: [
        "", "x", "[]", "{}", #"{"KeyId":"x"}"#, #"{"Plaintext":""}"#, #"{"Plaintext":"!"}"#, #"{"Plaintext":5}"#,
        #"{"CiphertextBlob":"AQID"}"#,
    ])
    func `that answers something else opens nothing`(_ body: String) async throws {
        #expect(try await failure([answer(200, body)]) == .egress(.malformedAnswer))
    }

    @Test func `is followed nowhere and asked again when a connection broke`() async throws {
        #expect(
            try await failure(["HTTP/1.1 307 X\r\nlocation: https://evil/\r\ncontent-length: 0\r\n\r\n"])
                == .egress(.answered(307)))
        let (network, service) = try service([""])
        await #expect(throws: KeyServiceFailure.egress(.peerClosed)) {
            _ = try await service.decrypt([1], context: [:])
        }
        #expect(network.attempts == 3)
    }

    @Test func `at a private address is not asked`() async throws {
        let (network, service) = try service([])
        network.state.withLock { $0.names = ["mail.example.com": [.v4(0x0808_0808), .v4(0x0A00_0001)]] }
        await #expect(throws: KeyServiceFailure.egress(.addressNotAllowed)) {
            _ = try await service.decrypt([1], context: [:])
        }
        #expect(network.attempts == 0)
    }

    @Test func `is a destination that an agreement for kms covers, and nothing else`() async throws {
        let house = try EgressHouse()
        try await house.addVendor()
        try await house.sign(EgressHouse.agreement(services: ["s3"]))
        let kms = Destination.Ground.agreement(vendor: "posthaste", service: "kms")
        let lawful = Destination.Ground.lawful(.treatment, reason: "x", ends: Instant.now().adding(seconds: 60))
        for ground in [lawful, .agreement(vendor: "posthaste", service: "s3")] {
            await #expect(throws: RegisterFault.bad(.service)) {
                try await house.add(EgressHouse.destination("loose", kind: .kms, ground: ground))
            }
        }
        try await house.add(EgressHouse.destination("keys", kind: .kms, ground: kms))
        #expect(house.refusal("keys", kind: .kms) == .serviceNotCovered)
        try await house.sign(EgressHouse.agreement(services: ["kms"]))
        #expect(house.refusal("keys", kind: .kms) == nil && house.refusal("keys", kind: .storage) == .wrongKind)
    }
}
