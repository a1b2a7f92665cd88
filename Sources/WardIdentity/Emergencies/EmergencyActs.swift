public import WardAudit
public import WardCore
import WardPolicy

/// What is done with emergencies: declaring, ending, reviewing.
extension Emergencies {
    /// Whether somebody may declare one, a fresh proof aside: by role and by being listed.
    public func mayDeclare(_ principal: Principal, at now: Instant = .now()) -> Bool {
        directory.permits(.openEmergency, principal, at: now)
            && directory.person(principal.id)?.mayUseEmergencyAccess == true
    }

    /// Opens one patient's record to somebody for an hour.
    ///
    /// The event that tells of it is the alert of the officers; entry and event are one transaction.
    ///
    /// - Throws: ``IdentityFailure/notPermitted`` for people who are not listed or whose roles do not include it,
    ///   ``IdentityFailure/stepUpNeeded``, ``IdentityFailure/reasonNeeded``, ``IdentityFailure/alreadyOpen``,
    ///   ``IdentityFailure/reviewsOverdue`` while too many of their own were not reviewed in time,
    ///   ``IdentityFailure/badName`` for what cannot be a `Patient` id.
    @discardableResult
    public func declare(
        for patient: String, reason: Emergency.Reason, text: PHI<String>, by principal: Principal,
        source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> Emergency {
        guard Self.isID(patient) else { throw .badName }
        guard directory.person(principal.id)?.mayUseEmergencyAccess ?? false else {
            try await directory.refuse("open-emergency/not-listed", principal, source, now) { $0.patients = [patient] }
            throw .notPermitted
        }
        let person = try await directory.require(.openEmergency, of: principal, source: source, at: now)
        let told = try Self.told(text, atLeast: Emergency.shortestText)
        guard overdue(of: person.id, at: now) < Self.mostOverdue else {
            try await directory.refuse("open-emergency/reviews-overdue", principal, source, now) {
                $0.patients = [patient]
            }
            throw .reviewsOverdue
        }
        let emergency = Emergency(
            id: Directory.newID(), person: person.id, patient: patient, reason: reason, text: told, begun: now)
        var event = event(.emergencyOpened, emergency, by: person.actor, source, now, reason.rawValue)
        event.session = principal.session
        try await add(emergency, event)
        return emergency
    }

    /// Ends one early: whoever declared it, or an officer who may review it.
    public func end(
        _ id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let isOwn = emergency(id)?.person == principal.id && principal.kind == .person && principal.app == nil
        if !isOwn { try await directory.require(.reviewEmergency, of: principal, source: source, at: now) }
        guard emergency(id)?.isRunning(at: now) ?? false else { throw .unknownRequest }
        let ending = Ending(
            time: now, actor: principal.actor, source: source, session: principal.session, isOwn: isOwn)
        do throws(IdentityFailure) {
            try await end(id, ending)
        } catch {
            // It is over whatever becomes of the log; what could not be written is tried again.
            if error == .auditUnavailable { hold(ending, of: id) }
            throw error
        }
    }

    private func end(_ id: String, _ ending: Ending) async throws(IdentityFailure) {
        try await change(id) { emergency throws(IdentityFailure) in
            guard emergency.ended == nil else { throw .unknownRequest }
            emergency.ended = ending.time
            emergency.endedBy = ending.actor.id
            var event = event(
                .emergencyEnded, emergency, by: ending.actor, ending.source, ending.time,
                ending.isOwn ? "by-person" : "by-officer")
            event.session = ending.session
            return event
        }
    }

    /// Tries again what the log could not take.
    func finishEnds() async {
        for (id, ending) in self.ending { try? await end(id, ending) }
    }

    /// Notes the end of those whose time is over; what they opened was closed at that moment already.
    public func sweep(at now: Instant) async {
        for emergency in past(at: now) {
            try? await change(emergency.id) { emergency throws(IdentityFailure) in
                guard emergency.ended == nil else { throw .unknownRequest }
                emergency.ended = emergency.ends
                return event(.emergencyEnded, emergency, by: nil, .system, now, "time-over")
            }
        }
    }

    // MARK: Reviewing

    /// Records what somebody else finds about one that is over.
    ///
    /// - Throws: ``IdentityFailure/secondPersonNeeded`` for one's own, also under another account,
    ///   ``IdentityFailure/stillRunning``,
    ///   ``IdentityFailure/reasonNeeded`` without a note, ``IdentityFailure/unknownRequest`` for what is decided.
    public func review(
        _ id: String, outcome: Emergency.Outcome, note: PHI<String>, by principal: Principal, source: RequestSource,
        at now: Instant = .now()
    ) async throws(IdentityFailure) {
        let reviewer = try await directory.require(.reviewEmergency, of: principal, source: source, at: now)
        guard !(emergency(id).map { directory.areOneHuman($0.person, reviewer.id) } ?? false) else {
            try await directory.refuse("review-emergency/own", principal, source, now) { $0.emergency = id }
            throw .secondPersonNeeded
        }
        try await review(id, outcome, note, by: reviewer.actor, session: principal.session, source, now)
    }

    /// Records a review at the machine itself.
    public func review(
        _ id: String, outcome: Emergency.Outcome, note: PHI<String>, byOperator actor: AuditActor,
        source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) {
        try await review(id, outcome, note, by: actor, session: nil, source, now)
    }

    private func review(
        _ id: String, _ outcome: Emergency.Outcome, _ note: PHI<String>, by actor: AuditActor, session: String?,
        _ source: RequestSource, _ now: Instant
    ) async throws(IdentityFailure) {
        let told = try Self.told(note, atLeast: 1)
        try await change(id) { emergency throws(IdentityFailure) in
            guard !emergency.isReviewed else { throw .unknownRequest }
            guard !emergency.isRunning(at: now) else { throw .stillRunning }
            emergency.reviews.append(
                Emergency.Review(reviewer: actor.id, outcome: outcome, note: told, time: now))
            var event = event(.emergencyReviewed, emergency, by: actor, source, now, outcome.rawValue)
            event.session = session
            return event
        }
    }

    /// What the person did about the patient while it ran, newest first; reading it is in the log before it is shown.
    ///
    /// - Returns: at most 1,000 events, and whether there are more.
    public func activity(
        in id: String, by principal: Principal, source: RequestSource, at now: Instant = .now()
    ) async throws(IdentityFailure) -> (events: [LoggedEvent], isCutOff: Bool) {
        let officer = try await directory.require(
            .reviewEmergency, of: principal, needsFreshness: false, source: source, at: now)
        guard let emergency = emergency(id) else { throw .unknownRequest }
        var reading = AuditEvent(
            kind: .auditRead, time: now, outcome: .success, actor: officer.actor, purpose: .operations,
            source: source, decision: "review-emergency")
        reading.patients = [emergency.patient]
        reading.emergency = id
        reading.session = principal.session
        do throws(AuditFailure) { _ = try await log.append(reading) } catch { throw .auditUnavailable }
        return try await scan(emergency)
    }

    /// Not on the event loop of the request: a thousand events may be opened.
    @concurrent private func scan(
        _ emergency: Emergency
    ) async throws(IdentityFailure) -> (events: [LoggedEvent], isCutOff: Bool) {
        let end = emergency.ended ?? emergency.ends
        let facets: [AuditFacet] = [.actor("person/\(emergency.person)"), .patient(emergency.patient)]
        var found: [LoggedEvent] = []
        var before = Int64.max
        while found.count <= 1000 {
            let page: [LoggedEvent]
            do throws(AuditFailure) { page = try log.events(with: facets, before: before, limit: 200) } catch {
                throw error == .damaged ? .damaged : .storage
            }
            found += page.filter { (emergency.begun...end).contains($0.event.time) }
            // Clocks of two requests may differ by a little; an hour is far more than that.
            // Those of a spool stand later in the log than their time says.
            let oldest = page.last { $0.event.spooled == nil }?.event.time
            guard page.count == 200, let last = page.last,
                oldest.map({ $0 > emergency.begun.adding(seconds: -3600) }) ?? true
            else { break }
            before = last.index
        }
        return (Array(found.prefix(1000)), found.count > 1000)
    }

    // MARK: Parts

    private func event(
        _ kind: AuditEventKind, _ emergency: Emergency, by actor: AuditActor?, _ source: RequestSource,
        _ now: Instant, _ decision: String
    ) -> AuditEvent {
        var event = AuditEvent(
            kind: kind, time: now, outcome: .success, actor: actor,
            purpose: kind == .emergencyReviewed ? .operations : .treatment, source: source, decision: decision,
            patients: [emergency.patient])
        event.emergency = emergency.id
        if actor?.id != "person/\(emergency.person)" { event.subject = "person/\(emergency.person)" }
        return event
    }

    /// A text without blanks around it, unless there is too little or too much of it.
    private static func told(_ text: PHI<String>, atLeast letters: Int) throws(IdentityFailure) -> PHI<String> {
        let (trimmed, count, bytes) = text.exposed { text in
            let start = text.drop(while: \.isWhitespace)
            let trimmed = String(start.reversed().drop(while: \.isWhitespace).reversed())
            return (trimmed, trimmed.count, trimmed.utf8.count)
        }
        guard count >= letters, bytes <= Emergency.longestText else { throw .reasonNeeded }
        return PHI(trimmed)
    }

    /// FHIR R4 datatypes.html#id.
    private static func isID(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: true
                default: false
                }
            }
    }
}
