import Synchronization
public import WardAudit
public import WardCore

/// An app that asked while the session it acts in was locked.
public struct LockedApp: Sendable {
    let grant: AppGrant
}

/// Apps that act until sign-out stop while their session is locked: nobody is there to answer for what they do.
///
/// Whether it is locked is judged by the person's own requests; what an app asks keeps no session open.
extension OAuth {
    /// Seconds after which one more refused request of an app is in the log.
    static let lockedNoteInterval: Int64 = 900

    /// Whether a grant rests because its session is locked; one that may go on after sign-out never does.
    func isLocked(_ grant: AppGrant, at now: Instant) -> Bool {
        guard !grant.isOffline else { return false }
        return sessions.isLocked(grant.session, of: grant.person, at: now) ?? true
    }

    /// Puts a refusal into the log, once for each app and quarter of an hour: an app that polls must not fill it.
    public func noteRefusal(of locked: LockedApp, source: RequestSource, at now: Instant = .now()) async {
        let id = locked.grant.id
        let isNew = state.withLock { state in
            if let told = state.toldLocked[id], told.adding(seconds: Self.lockedNoteInterval) > now { return false }
            state.toldLocked[id] = now
            return true
        }
        guard isNew else { return }
        var event = event(.requestRefused, locked.grant, source: source, at: now, decision: "session-locked")
        event.outcome = .denied
        // Nothing was answered that this would have to precede; if the log is down, the next request tries again.
        if (try? await log.append(event)) == nil { state.withLock { $0.toldLocked[id] = nil } }
    }
}
