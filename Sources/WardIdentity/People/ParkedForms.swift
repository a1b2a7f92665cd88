import Synchronization
public import WardAudit
public import WardCore
import WardFHIR
import WardStorage

/// A form that came while its session was locked, or without a fresh proof: kept until the person is back and sends it.
public struct ParkedForm: Sendable {
    public struct Field: Sendable {
        public let name: String
        public let value: PHI<String>

        package init(name: String, value: PHI<String>) {
            self.name = name
            self.value = value
        }
    }

    /// Seconds for which it is kept at most; the end of its session ends it before.
    public static let lifetime: Int64 = 43_200
    /// Bytes of all names and values together.
    public static let largest = 65_536

    /// 16 random characters.
    public let id: String
    public let person: String
    /// Number of the session it came in, and alone may be sent in.
    public let session: String
    /// Path that it was sent to.
    public let path: String
    public let fields: [Field]
    public let created: Instant

    var ends: Instant { created.adding(seconds: Self.lifetime) }
}

/// Forms that wait for their person; sealed in the store, so that a restart loses nobody's work.
///
/// One leaves once: whoever sends or drops it takes it out, and the end of its session removes it with the session.
public final class ParkedForms: Sendable {
    /// Forms of one person that are kept at once; beyond them the oldest goes.
    static let most = 5

    private let state: Mutex<[String: ParkedForm]>
    private let vault: EntryVault
    private let log: AuditLog

    init(vault: EntryVault, log: AuditLog) throws(IdentityFailure) {
        self.vault = vault
        self.log = log
        var forms: [String: ParkedForm] = [:]
        for bytes in try vault.all(.parkedForm) {
            guard let form = ParkedForm(decoding: bytes) else { throw .storage }
            forms[form.id] = form
        }
        state = Mutex(forms)
    }

    /// What waits for whoever holds this session; newest first.
    public func forms(of session: Session, at now: Instant = .now()) -> [ParkedForm] {
        state.withLock { forms in
            forms.values.filter { $0.session == session.number && $0.person == session.person && $0.ends > now }
        }.sorted { ($0.created, $0.id) > ($1.created, $1.id) }
    }

    /// One form, for the session it came in; nil for any other.
    public func form(_ id: String, in session: Session, at now: Instant = .now()) -> ParkedForm? {
        forms(of: session, at: now).first { $0.id == id }
    }

    /// Keeps a form; the event names where it was sent to and none of what stands in it.
    ///
    /// - Parameter template: the page's name, for the log.
    /// - Throws: ``IdentityFailure/tooLarge``, ``IdentityFailure/auditUnavailable``.
    public func park(
        _ path: String, _ fields: [ParkedForm.Field], template: StaticString, session: Session, person: Person,
        source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> ParkedForm {
        let form = ParkedForm(
            id: Directory.newID(), person: person.id, session: session.number, path: path, fields: fields, created: now)
        let content = form.content
        guard content.count <= ParkedForm.largest else { throw .tooLarge }
        // Sent twice, by two clicks: it waits once.
        if let same = forms(of: session, at: now).first(where: { $0.content == content }) { return same }
        let put = try vault.put(form.encoded(), .parkedForm, key: Array(form.id.utf8))
        // Taken out under the lock that finds them: nobody sends one that goes, and two who park drop each its own.
        let dropped = state.withLock { forms in
            let own = forms.values.filter { $0.person == person.id }
                .sorted { ($0.created, $0.id) > ($1.created, $1.id) }
            let dropped = own.dropFirst(Self.most - 1)
            for old in dropped { forms[old.id] = nil }
            return dropped
        }
        do throws(IdentityFailure) {
            try await vault.commit(
                event(.formKept, form, person.actor, source, now, "\(template)"), to: log,
                [put] + dropped.map(removal))
        } catch {
            state.withLock { forms in
                for old in dropped { forms[old.id] = old }
            }
            throw error
        }
        state.withLock { $0[form.id] = form }
        return form
    }

    /// Takes a form out, to be sent or dropped; of two who try at once, one gets it.
    ///
    /// - Throws: ``IdentityFailure/unknownRequest`` for what is not there, or not in this session.
    public func take(
        _ id: String, in session: Session, by person: Person, sending: Bool, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) -> ParkedForm {
        let found: ParkedForm? = state.withLock { forms in
            guard let form = forms[id], form.session == session.number, form.person == person.id, form.ends > now
            else { return nil }
            forms[id] = nil
            return form
        }
        guard let form = found else { throw .unknownRequest }
        do throws(IdentityFailure) {
            try await vault.commit(
                event(.formEnded, form, person.actor, source, now, sending ? "sent" : "dropped"), to: log,
                [removal(form)])
        } catch {
            state.withLock { $0[id] = form }
            throw error
        }
        return form
    }

    /// Forgets the forms of sessions that end; to be part of the transaction that ends them.
    func removals(ofSessions numbers: Set<String>) -> [EntryWrite] {
        state.withLock { forms in
            let gone = forms.values.filter { numbers.contains($0.session) }
            for form in gone { forms[form.id] = nil }
            return gone.map(removal)
        }
    }

    /// Forgets what is past its time, or whose session is gone.
    func sweep(at now: Instant, isThere: (String) -> Bool) async {
        let past = state.withLock { Array($0.values) }.filter { $0.ends <= now || !isThere($0.session) }
        for form in past {
            guard state.withLock({ $0.removeValue(forKey: form.id) }) != nil else { continue }
            let event = event(.formEnded, form, nil, .system, now, form.ends <= now ? "time-over" : "session-ended")
            do throws(IdentityFailure) {
                try await vault.commit(event, to: log, [removal(form)])
            } catch {
                // Tried again with the next sweep; nobody is shown it meanwhile.
                state.withLock { $0[form.id] = form }
            }
        }
    }

    private func removal(_ form: ParkedForm) -> EntryWrite {
        .remove(vault.locator(.parkedForm, Array(form.id.utf8)), .parkedForm)
    }

    private func event(
        _ kind: AuditEventKind, _ form: ParkedForm, _ actor: AuditActor?, _ source: RequestSource, _ now: Instant,
        _ decision: String
    ) -> AuditEvent {
        var event = AuditEvent(
            kind: kind, time: now, outcome: .success, actor: actor, purpose: nil, source: source, decision: decision)
        event.session = form.session
        if actor == nil { event.subject = "person/\(form.person)" }
        return event
    }
}

extension ParkedForm {
    /// What it is about, whenever it came.
    fileprivate var content: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        write(to: &writer)
        writer.endObject()
        return writer.bytes
    }

    private func write(to writer: inout JSONWriter) {
        writer.member("path", path)
        writer.key("fields")
        writer.beginArray()
        for field in fields {
            writer.string(field.name)
            field.value.exposed { writer.string($0) }
        }
        writer.endArray()
    }

    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("id", id)
        writer.member("person", person)
        writer.member("session", session)
        writer.member("created", created.microseconds)
        write(to: &writer)
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard
            let root = (try? JSONTape(parsing: bytes))?.root, let id = root["id"]?.string,
            let person = root["person"]?.string, let session = root["session"]?.string,
            let created = root["created"]?.instant, let path = root["path"]?.string
        else { return nil }
        let texts = root.strings("fields")
        guard texts.count.isMultiple(of: 2) else { return nil }
        let fields = stride(from: 0, to: texts.count, by: 2).map { place in
            Field(name: texts[place], value: PHI(texts[place + 1]))
        }
        self.init(id: id, person: person, session: session, path: path, fields: fields, created: created)
    }
}
