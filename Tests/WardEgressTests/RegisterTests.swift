import Testing
import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardStorage
import WardTestKit

@Suite struct `The register of vendors` {
    @Test func `covers a destination whose vendor signed everything`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        #expect(house.refusal() == nil)
        let proof = try house.register.proof(for: "out", kind: .mail, at: house.clock.now)
        #expect(proof.recipient == "posthaste" && proof.refusal(at: house.clock.now) == nil)
    }

    @Test(arguments: AgreementClause.allCases)
    func `covers nothing while one clause is missing`(_ clause: AgreementClause) async throws {
        let house = try EgressHouse()
        try await house.addVendor()
        try await house.sign(EgressHouse.agreement(clauses: Set(AgreementClause.allCases).subtracting([clause])))
        try await house.add()
        #expect(house.refusal() == .clauseMissing(clause))
        #expect(clause.citation.hasPrefix("164."))
    }

    @Test func `has a citation of its own for each clause`() {
        #expect(Set(AgreementClause.allCases.map(\.citation)).count == AgreementClause.allCases.count)
    }

    @Test func `covers a service that is named, not another of the same vendor`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        try await house.add(
            EgressHouse.destination("sms", ground: .agreement(vendor: "posthaste", service: "sms")))
        #expect(house.refusal("sms") == .serviceNotCovered)
    }

    @Test func `covers a region that is named, not another`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        try await house.add(EgressHouse.destination("abroad", region: "eu-west-1"))
        #expect(house.refusal("abroad") == .regionNotCovered)
    }

    @Test func `says what ends soon, service by service`() async throws {
        let house = try EgressHouse()
        try await house.addVendor()
        func ending() -> [String] {
            house.register.ending(within: 30 * EgressHouse.day, at: house.clock.now).map { "\($0.kind) \($0.name)" }
        }
        #expect(ending().isEmpty)
        try await house.sign(EgressHouse.agreement(services: ["mail"], days: 400))
        try await house.sign(EgressHouse.agreement(services: ["kms"], days: 10))
        #expect(ending().isEmpty)
        let kms = Destination.Ground.agreement(vendor: "posthaste", service: "kms")
        try await house.add(EgressHouse.destination("out"))
        try await house.add(EgressHouse.destination("keys", kind: .kms, ground: kms))
        #expect(ending() == ["destination keys"])
        // Renewed from the day on which the other ends; not if there is a day between.
        try await house.sign(EgressHouse.agreement(services: ["kms"], from: 11, days: 400))
        #expect(ending() == ["destination keys"])
        try await house.sign(EgressHouse.agreement(services: ["kms"], from: 9, days: 300))
        #expect(ending().isEmpty)
        let soon = house.clock.now.adding(seconds: 5 * EgressHouse.day)
        try await house.add(EgressHouse.destination("law", ground: .lawful(.treatment, reason: "x", ends: soon)))
        #expect(ending() == ["destination law"])
        house.clock.move(seconds: 6 * EgressHouse.day)
        #expect(ending().isEmpty)
    }

    @Test func `begins and ends with the agreement, to the microsecond`() async throws {
        let house = try EgressHouse()
        let agreement = EgressHouse.agreement(from: 1, days: 2)
        try await house.addVendor()
        try await house.sign(agreement)
        try await house.add()
        func refusal(_ time: Instant) -> EgressRefusal? {
            do throws(EgressRefusal) {
                _ = try house.register.proof(for: "out", kind: .mail, at: time)
                return nil
            } catch { return error }
        }
        let (first, end) = (agreement.effective, agreement.ends)
        #expect(refusal(Instant(microseconds: first.microseconds - 1)) == .agreementNotYet)
        #expect(refusal(first) == nil)
        #expect(refusal(Instant(microseconds: end.microseconds - 1)) == nil)
        #expect(refusal(end) == .agreementEnded)
    }

    @Test func `covers nothing without a vendor, an agreement or a destination`() async throws {
        let house = try EgressHouse()
        #expect(house.refusal() == .unknownDestination)
        await #expect(throws: RegisterFault.unknownVendor) { try await house.add() }
        try await house.addVendor()
        try await house.add()
        #expect(house.refusal() == .noAgreement)
        #expect(house.refusal(kind: .storage) == .wrongKind)
    }

    @Test func `ends a proof when the agreement is revoked, and another one does not revive it`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        let proof = try house.register.proof(for: "out", kind: .mail, at: house.clock.now)
        #expect(try await house.register.revoke("posthaste", by: EgressHouse.actor, source: EgressHouse.source) == 1)
        #expect(proof.refusal(at: house.clock.now) == .agreementRevoked)
        #expect(house.refusal() == .agreementRevoked)
        try await house.sign()
        #expect(house.refusal() == nil)
        #expect(proof.refusal(at: house.clock.now) == .agreementRevoked)
    }

    @Test func `ends a proof when its destination is removed or made anew elsewhere`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        let proof = try house.register.proof(for: "out", kind: .mail, at: house.clock.now)
        try await house.register.removeDestination("out", by: EgressHouse.actor, source: EgressHouse.source)
        #expect(proof.refusal(at: house.clock.now) == .unknownDestination)
        try await house.add(EgressHouse.destination(host: "other.example.com"))
        #expect(proof.refusal(at: house.clock.now) == .unknownDestination)
    }

    @Test func `covers by a later agreement when an earlier one has ended`() async throws {
        let house = try EgressHouse()
        try await house.addVendor()
        try await house.sign(EgressHouse.agreement(days: 1))
        try await house.sign(EgressHouse.agreement(days: 60))
        try await house.add()
        house.clock.move(seconds: 2 * EgressHouse.day)
        #expect(house.refusal() == nil)
        house.clock.move(seconds: 60 * EgressHouse.day)
        #expect(house.refusal() == .agreementEnded)
    }

    @Test func `knows lawful categories up to the day that was recorded`() async throws {
        let house = try EgressHouse()
        let ends = Instant.now().adding(seconds: EgressHouse.day)
        for category in Destination.LawfulCategory.allCases {
            try await house.add(
                EgressHouse.destination(
                    category.rawValue, ground: .lawful(category, reason: "asked in writing", ends: ends)))
            #expect(house.refusal(category.rawValue) == nil)
        }
        let proof = try house.register.proof(for: "treatment", kind: .mail, at: house.clock.now)
        #expect(proof.purpose == .treatment && proof.destination.recordedBy == "person/officer")
        house.clock.move(seconds: 2 * EgressHouse.day)
        #expect(house.refusal("treatment") == .lawfulGroundEnded)
        #expect(proof.refusal(at: house.clock.now) == .lawfulGroundEnded)
    }

    @Test func `is what it was after a restart, and each change is an event that names its entry`() async throws {
        let house = try EgressHouse()
        try await house.ready(
            EgressHouse.destination(
                security: .startTLS, address: IPAddress("10.0.0.9"), authority: "-----BEGIN CERTIFICATE-----\nx\n"))
        try await house.add(EgressHouse.destination("hook", kind: .webhook, path: "/in?x=1"))
        _ = try await house.register.revoke("posthaste", by: EgressHouse.actor, source: EgressHouse.source)
        let again = try house.reopened()
        #expect(again.register.vendors == house.register.vendors)
        #expect(again.register.destinations == house.register.destinations)
        #expect(again.register.destination("hook")?.secret.count == 32)
        for kind in [AuditEventKind.vendorAdded, .agreementSigned, .destinationAdded, .agreementRevoked] {
            let events = try house.events(kind)
            #expect(!events.isEmpty && events.allSatisfy { $0.entries.count == 1 && $0.actor == EgressHouse.actor })
        }
    }

    @Test func `refuses what a name, host, port, day or text may not be, and names the field`() async throws {
        let house = try EgressHouse()
        try await house.addVendor()
        await #expect(throws: RegisterFault.taken(.name)) { try await house.addVendor() }
        for name in ["", "a b", "a/b", "ü", String(repeating: "a", count: 65)] {
            await #expect(throws: RegisterFault.bad(.name)) { try await house.addVendor(name) }
        }
        for host in ["", "Mail.example.com", "a..b", "-a.b", "a_b.c", "1.2.3", "a.b:25", "a b", "[::1]", "300.1.1.1"] {
            await #expect(throws: RegisterFault.bad(.host)) { try await house.add(EgressHouse.destination(host: host)) }
        }
        for port in [0, -1, 65_536] {
            await #expect(throws: RegisterFault.bad(.port)) { try await house.add(EgressHouse.destination(port: port)) }
        }
        await #expect(throws: RegisterFault.bad(.security)) {
            try await house.add(EgressHouse.destination(kind: .storage, security: .startTLS))
        }
        for path in ["", "x", "/a b", "/a\r\nHost: x", "/#"] {
            await #expect(throws: RegisterFault.bad(.path)) {
                try await house.add(EgressHouse.destination(kind: .webhook, path: path))
            }
        }
        let ends = Instant.now().adding(seconds: 10)
        await #expect(throws: RegisterFault.bad(.reason)) {
            try await house.add(EgressHouse.destination(ground: .lawful(.treatment, reason: "", ends: ends)))
        }
        await #expect(throws: RegisterFault.bad(.date)) {
            try await house.add(
                EgressHouse.destination(ground: .lawful(.treatment, reason: "x", ends: Instant(microseconds: 0))))
        }
        await #expect(throws: RegisterFault.bad(.date)) { try await house.sign(EgressHouse.agreement(days: -1)) }
        await #expect(throws: RegisterFault.bad(.service)) { try await house.sign(EgressHouse.agreement(services: [])) }
        await #expect(throws: RegisterFault.bad(.region)) {
            try await house.sign(EgressHouse.agreement(regions: ["a b"]))
        }
        await #expect(throws: RegisterFault.unknownVendor) { try await house.sign(vendor: "nobody") }
        #expect(house.register.destinations.isEmpty)
    }

    @Test func `cannot be read with another key`() async throws {
        let house = try EgressHouse()
        try await house.ready()
        #expect(throws: RegisterFault.storage) {
            _ = try EgressHouse(store: house.store, keys: house.keys, material: .random())
        }
    }
}

@Suite struct `Addresses` {
    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.9",
        "224.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
        "64:ff9b:1::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::",
        "2002:a9fe:a9fe::1", "3fff::1", "4000::1", "::127.0.0.1",
    ])
    func `of this machine, private networks and special purposes are not public`(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(!address.isPublic)
    }

    @Test(arguments: [
        "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.167.1.1", "198.17.1.1",
        "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::5", "2001:4860:4860::8888", "::ffff:8.8.8.8",
    ])
    func `of the public network are public, and read back as they are written`(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.isPublic && IPAddress(address.text) == address)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "0x7f.0.0.1", "2130706433", "1.2.3.4 ", "+1.2.3.4", ":",
        ":::", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7::8", "::1.2.3",
        "::1%eth0",
        "[::1]", "1.2.3.4::", "::+1",
    ])
    func `that are not written as addresses are none`(_ text: String) { #expect(IPAddress(text) == nil) }
}
