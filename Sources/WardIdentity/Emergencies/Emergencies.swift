import Synchronization
import WardAudit
public import WardCore
public import WardPolicy
import WardStorage

/// What an emergency opens at this moment.
public struct EmergencyStanding: Hashable, Sendable {
    public let id: String
    public let ends: Instant
    /// Labels that a reason of their own was given for.
    public let reasons: LabelSet
}

/// Every emergency there was: which ones run, which ones wait for a review.
///
/// None is ever forgotten. At the start each is compared with what the log says of it, so that one taken from the disk,
/// or an older copy put in its place, is noticed.
public final class Emergencies: Sendable {
    private struct Place: Hashable {
        let person: String
        let patient: String
    }

    private struct State {
        var emergencies: [String: Emergency] = [:]
        /// Those that nobody ended, by who may use them for whom; whether their time is over is for the clock to say.
        var open: [Place: [String]] = [:]
        /// Emergencies, and places of new ones, whose change is on its way to the disk.
        var busy: Set<String> = []
        /// Ended, which the log could not take yet; they open nothing meanwhile.
        var ending: [String: Ending] = [:]

        mutating func set(_ emergency: Emergency) {
            emergencies[emergency.id] = emergency
            let place = Place(person: emergency.person, patient: emergency.patient)
            var ids = open[place, default: []].filter { $0 != emergency.id }
            if emergency.ended == nil { ids.append(emergency.id) }
            open[place] = ids.isEmpty ? nil : ids
            if emergency.ended != nil { ending[emergency.id] = nil }
        }

        /// Those of a place that nobody has ended, in the log or on the way to it.
        func running(_ ids: some Sequence<String>, at now: Instant) -> [Emergency] {
            ids.compactMap { ending[$0] == nil ? emergencies[$0] : nil }.filter { $0.isRunning(at: now) }
        }
    }

    /// Somebody ended one, and what the log will say of it.
    struct Ending {
        let time: Instant
        let actor: AuditActor
        let source: RequestSource
        let session: String?
        let isOwn: Bool
    }

    /// Emergencies of one person that may run at once.
    static let most = 5

    private let state: Mutex<State>
    let directory: Directory
    let log: AuditLog
    private let vault: EntryVault

    init(vault: EntryVault, log: AuditLog, directory: Directory) throws(IdentityFailure) {
        self.vault = vault
        self.log = log
        self.directory = directory
        var state = State()
        for bytes in try vault.all(.emergency) {
            guard let emergency = Emergency(decoding: bytes) else { throw .storage }
            state.set(emergency)
        }
        guard try Self.logged(log) == state.emergencies.mapValues(\.events) else { throw .damaged }
        self.state = Mutex(state)
    }

    /// Events that changed an emergency, counted by emergency.
    private static func logged(_ log: AuditLog) throws(IdentityFailure) -> [String: Int] {
        var counts: [String: Int] = [:]
        for kind in [AuditEventKind.emergencyOpened, .emergencyEnded, .emergencyReviewed] {
            do throws(AuditFailure) {
                for logged in try log.events(with: [.kind(kind)], limit: .max) where logged.event.outcome == .success {
                    if let id = logged.event.emergency { counts[id, default: 0] += 1 }
                }
            } catch {
                throw error == .damaged ? .damaged : .storage
            }
        }
        return counts
    }

    // MARK: Looking

    /// What a person may open of a patient's record because of an emergency; nil without a running one.
    ///
    /// Asked anew each time: whoever was taken off the list, or lost their access, has none.
    public func standing(of person: String, for patient: String, at now: Instant) -> EmergencyStanding? {
        let running = state.withLock { state in
            state.running(state.open[Place(person: person, patient: patient)] ?? [], at: now)
        }
        guard
            // One with a reason of its own for some label comes first: it opens everything that the others do.
            let first = running.first(where: { !$0.reason.labels.isEmpty }) ?? running.last,
            isListed(person, at: now)
        else { return nil }
        return EmergencyStanding(id: first.id, ends: first.ends, reasons: first.reason.labels)
    }

    public func emergency(_ id: String) -> Emergency? { state.withLock { $0.emergencies[id] } }

    private func isListed(_ person: String, at now: Instant) -> Bool {
        directory.person(person).map { $0.mayUseEmergencyAccess && $0.isActive(at: now) } ?? false
    }

    /// What a person has open; newest first.
    public func running(of person: String, at now: Instant) -> [Emergency] {
        guard isListed(person, at: now) else { return [] }
        return state.withLock { state in
            state.running(state.open.filter { $0.key.person == person }.values.joined(), at: now)
        }.sorted { ($0.begun, $0.id) > ($1.begun, $1.id) }
    }

    /// All of them: overdue ones first, then those that wait for a review or run, then the others; newest first in each.
    public func list(at now: Instant) -> [Emergency] {
        let sorted = all
        return sorted.filter { $0.isOverdue(at: now) } + sorted.filter { !$0.isOverdue(at: now) && !$0.isReviewed }
            + sorted.filter { !$0.isOverdue(at: now) && $0.isReviewed }
    }

    /// How many wait for somebody to review them.
    public var unreviewed: Int { state.withLock { state in state.emergencies.values.count { !$0.isReviewed } } }

    private var all: [Emergency] {
        state.withLock { Array($0.emergencies.values) }.sorted { ($0.begun, $0.id) > ($1.begun, $1.id) }
    }

    // MARK: Changing

    /// Keeps a new one, in the transaction of its event.
    func add(_ emergency: Emergency, _ event: AuditEvent) async throws(IdentityFailure) {
        let place = "\(emergency.person)/\(emergency.patient)"
        guard state.withLock({ $0.busy.insert(place).inserted }) else { throw .busy }
        defer { state.withLock { _ = $0.busy.remove(place) } }
        let isOpen = running(of: emergency.person, at: emergency.begun).contains {
            $0.patient == emergency.patient && $0.reason.labels == emergency.reason.labels
        }
        guard !isOpen else { throw .alreadyOpen }
        guard running(of: emergency.person, at: emergency.begun).count < Self.most else { throw .tooManyEmergencies }
        try await write(emergency, event)
    }

    /// Changes one, in the transaction of an event.
    func change(
        _ id: String, _ body: (inout Emergency) throws(IdentityFailure) -> AuditEvent
    ) async throws(IdentityFailure) {
        let found: Emergency? = state.withLock { state in
            guard let emergency = state.emergencies[id], state.busy.insert(id).inserted else { return nil }
            return emergency
        }
        guard var emergency = found else { throw self.emergency(id) == nil ? .unknownRequest : .busy }
        defer { state.withLock { _ = $0.busy.remove(id) } }
        let event = try body(&emergency)
        emergency.events += 1
        try await write(emergency, event)
    }

    private func write(_ emergency: Emergency, _ event: AuditEvent) async throws(IdentityFailure) {
        let put = try vault.put(emergency.encoded(), .emergency, key: Array(emergency.id.utf8))
        try await vault.commit(event, to: log, [put])
        state.withLock { $0.set(emergency) }
    }

    /// Keeps an end that the log could not take.
    func hold(_ ending: Ending, of id: String) {
        state.withLock { if $0.emergencies[id]?.ended == nil { $0.ending[id] = ending } }
    }

    /// Ends that the log could not take.
    var ending: [String: Ending] { state.withLock { $0.ending } }

    /// Own emergencies whose review is late from which on nobody may declare another one.
    public static let mostOverdue = 2

    /// How many of somebody's emergencies nobody has reviewed in time, under whichever account they declared them.
    public func overdue(of person: String, at now: Instant) -> Int {
        let late = state.withLock { state in state.emergencies.values.filter { $0.isOverdue(at: now) } }
        return late.count { directory.areOneHuman($0.person, person) }
    }

    /// Those whose time is over and that nobody ended.
    func past(at now: Instant) -> [Emergency] {
        state.withLock { state in state.open.values.joined().compactMap { state.emergencies[$0] } }
            .filter { $0.ends <= now }
    }
}
