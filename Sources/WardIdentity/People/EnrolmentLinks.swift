import Synchronization
import WardAudit
import WardCore
import WardCrypto
import WardFHIR
import WardStorage

/// One-time links by which people come to their first factors, or to new ones after a loss.
///
/// Nobody is ever given a password: whoever opens the link chooses factors of their own. A link is 256 random bits, of
/// which only a hash is kept; it ends with its first use, after 72 hours, or with the next link for the same person.
final class EnrolmentLinks: Sendable {
    static let lifetime: Int64 = 72 * 3600

    struct Link: Sendable {
        let digest: Digest
        let person: String
        let expires: Instant
        /// Whether the factors the person had are to be forgotten.
        let replacesFactors: Bool
    }

    private let links: Mutex<[Digest: Link]>
    private let vault: EntryVault
    private let log: AuditLog

    init(vault: EntryVault, log: AuditLog) throws(IdentityFailure) {
        self.vault = vault
        self.log = log
        var links: [Digest: Link] = [:]
        for bytes in try vault.all(.enrolment) {
            guard let link = Link(decoding: bytes) else { throw .storage }
            links[link.digest] = link
        }
        self.links = Mutex(links)
    }

    /// Makes a link for a person; earlier ones of the same person end.
    func issue(
        for person: Person, replacesFactors: Bool, event: AuditEvent, with others: [EntryWrite] = [], at now: Instant
    ) async throws(IdentityFailure) -> String {
        let token = base64URL(randomBytes(32))
        let link = Link(
            digest: Self.digest(token), person: person.id, expires: now.adding(seconds: Self.lifetime),
            replacesFactors: replacesFactors)
        let earlier = links.withLock { links in links.values.filter { $0.person == person.id } }
        var writes = earlier.map { removal(of: $0) }
        writes.append(try vault.put(link.encoded(), .enrolment, key: link.digest.bytes))
        try await vault.commit(event, to: log, writes + others)
        links.withLock { links in
            for link in earlier { links[link.digest] = nil }
            links[link.digest] = link
        }
        return token
    }

    /// The link of `token`, unless it was used or its time is over.
    func link(_ token: String, at now: Instant) -> Link? {
        links.withLock { $0[Self.digest(token)] }.flatMap { $0.expires > now ? $0 : nil }
    }

    /// What removes a used link; to be part of the transaction that makes use of it.
    func removal(of link: Link) -> EntryWrite { .remove(vault.locator(.enrolment, link.digest.bytes), .enrolment) }

    /// Forgets a link whose removal is durable.
    func forget(_ link: Link) {
        links.withLock { $0[link.digest] = nil }
    }

    /// Takes a link out of use for the time of an attempt, so that of two uses at once one fails.
    func claim(_ link: Link) -> Bool { links.withLock { $0.removeValue(forKey: link.digest) != nil } }

    /// Puts a claimed link back after a use that failed.
    func unclaim(_ link: Link) {
        links.withLock { $0[link.digest] = link }
    }

    /// The unused links of a person.
    func links(of person: String) -> [Link] { links.withLock { $0.values.filter { $0.person == person } } }

    private static func digest(_ token: String) -> Digest { sha256(Array("ward/enrolment/1".utf8), Array(token.utf8)) }
}

extension EnrolmentLinks.Link {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("digest", base64URL(digest.bytes))
        writer.member("person", person)
        writer.member("expires", expires.microseconds)
        writer.member("replaces", replacesFactors ? "yes" : "no")
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root,
            let digest = root["digest"]?.string.flatMap({ base64URLDecoded($0) }).flatMap({ Digest(bytes: $0) }),
            let person = root["person"]?.string, let expires = root["expires"]?.instant,
            let replaces = root["replaces"]?.string
        else { return nil }
        self.init(digest: digest, person: person, expires: expires, replacesFactors: replaces == "yes")
    }
}
