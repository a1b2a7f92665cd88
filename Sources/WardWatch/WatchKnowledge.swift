/// What the detector has learnt: counts that fade, by account, role and hour, and the last event it has seen.
public struct WatchKnowledge: Sendable {
    /// Place in the log of the next event to judge: those below were judged.
    public internal(set) var next: Int64 = 0

    public init() {}
}
