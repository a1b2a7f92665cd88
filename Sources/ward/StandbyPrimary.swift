import ArgumentParser
import NIOCore
import WardContinuity
import WardCore
import WardCrypto
import WardSQLite
import WardStorage
import WardTelemetry

/// How a store is opened that a standby may follow.
enum StandbyAccess: Sendable {
    /// Not at all while one follows it: for commands where no server runs.
    case none
    /// Under the lease.
    case serving(address: String?, isSynchronous: Bool, wait: Int64, fallsBack: Bool)
    /// Without it, since somebody says that the standby is no more.
    case ending
    /// By the standby itself, which has waited the lease out.
    case promotion
}

/// Options of a server that a standby follows.
struct StandbyServeOptions: ParsableArguments {
    @Option(name: .long, help: "HOST:PORT where the paired standby connects (ward standby pair).")
    var standbyListen: String?

    @Flag(name: .long, help: "Answer a commit only when the standby has it on disk.")
    var standbySynchronous = false

    @Option(name: .long, help: "Seconds that a commit waits for lease and standby before it is refused.")
    var standbyWait: Int64 = 5

    @Option(
        name: .long,
        help:
            "With --standby-synchronous, when the standby does not answer in time: refuse, or asynchronous with an alert."
    )
    var standbyAway = "refuse"

    func access() throws -> StandbyAccess {
        guard (1...60).contains(standbyWait) else { throw CommandFailure("--standby-wait is 1 to 60") }
        guard ["refuse", "asynchronous"].contains(standbyAway) else {
            throw CommandFailure("--standby-away is refuse or asynchronous")
        }
        guard standbyListen != nil || (!standbySynchronous && standbyAway == "refuse") else {
            throw CommandFailure("--standby-synchronous and --standby-away need --standby-listen")
        }
        if let standbyListen { _ = try StandbyWire.place(standbyListen) }
        return .serving(
            address: standbyListen, isSynchronous: standbySynchronous, wait: standbyWait,
            fallsBack: standbyAway == "asynchronous")
    }
}

/// A store that is written under the lease of its standby: listens for it, and waits until it has granted one.
final class StandbyPrimary: Sendable {
    let feed: StandbyFeed
    private let channel: any Channel

    /// For the log's line of how the server was started.
    var words: String {
        let rules = feed.rules
        return "\(rules.isSynchronous ? "synchronous" : "asynchronous"), lease \(rules.lease) s, wait \(rules.wait) s"
            + (rules.fallsBack ? ", falls back" : "")
    }

    private init(_ feed: StandbyFeed, _ channel: any Channel) {
        self.feed = feed
        self.channel = channel
    }

    /// Called before the first write of this process; returns when it may write.
    ///
    /// - Returns: nil for a store that nobody follows.
    static func enter(
        _ folder: DataFolder, _ header: StoreHeader, _ store: SQLiteStore, _ key: SealingKey, _ access: StandbyAccess
    ) async throws -> StandbyPrimary? {
        if case .promotion = access { return nil }
        try refuseFenced(folder)
        guard let record = try StandbyRecord(of: store, key), let follower = record.follower else {
            if case .serving(.some, _, _, _) = access {
                Terminal.note("no standby is paired: nobody will connect (ward standby pair)")
            }
            return nil
        }
        if case .ending = access { return nil }
        guard case .serving(let address?, let isSynchronous, let wait, let fallsBack) = access else {
            throw CommandFailure(
                "a standby follows this store: it is written by its server alone, under the lease "
                    + "(ward serve --standby-listen HOST:PORT); see docs/standby.md")
        }
        guard let identity = record.identity else {
            throw CommandFailure("what the store knows of its standby is not complete", isDamage: true)
        }
        let log = OperationalLog(isQuiet: false)
        let feed = StandbyFeed(
            store: header.id, epoch: record.epoch,
            rules: StandbyRules(
                lease: record.leaseSeconds, isSynchronous: isSynchronous, wait: wait, fallsBack: fallsBack),
            fenced: { epoch in
                guard (try? PrivateFile.replace(folder.standbyFence, Array("\(epoch)\n".utf8))) != nil else {
                    log.error("a standby was promoted, and the mark of it cannot be written to the data folder")
                    return false
                }
                log.error("a standby was promoted in the place of this store; it is never written again")
                return true
            }
        ) { notice in tell(notice, log) }
        store.guardCommits(by: feed)
        let channel = try await StandbyWire.listen(
            address, StandbyWire.Ends(own: identity, peer: follower, silence: record.leaseSeconds)
        ) { link in
            await StandbySession(feed, of: store, over: link).run()
        }
        let primary = StandbyPrimary(feed, channel)
        log.info("waiting for the lease of the standby")
        // A synchronous one can write nothing before the standby has all.
        while !feed.holdsLease || (isSynchronous && !fallsBack && feed.status.follower != .following) {
            try refuseFenced(folder)
            try await Task.sleep(for: .milliseconds(20))
        }
        log.info("the lease is held")
        return primary
    }

    private static func refuseFenced(_ folder: DataFolder) throws {
        guard !PrivateFile.exists(folder.standbyFence) else {
            throw CommandFailure(
                "a standby was promoted in the place of this store, which is never written again; keep it as evidence of "
                    + "what had not been carried over, and make this machine a standby with an empty folder")
        }
    }

    private static func tell(_ notice: StandbyFeed.Notice, _ log: OperationalLog) {
        switch notice {
        case .followerCame: log.info("the standby has connected")
        case .followerLeft: log.error("the standby is gone; writing stops when the lease is over")
        case .following: log.info("the standby has everything")
        case .refusing: log.error("no lease, or the standby does not keep up: nothing is written")
        case .taking: log.info("the lease is held again")
        case .fellBack: log.error("the standby does not answer in time; commits are answered without it")
        }
    }

    func close() async { try? await channel.close() }
}

/// A store that was promoted tells its old primary so, until that has written it down.
struct StandbyHerald: Sendable {
    let house: House
    let log: OperationalLog

    func run() async {
        guard let record = try? StandbyRecord(of: house.store, house.standbyKey), let former = record.former,
            let identity = record.identity
        else { return }
        let ends = StandbyWire.Ends(own: identity, peer: former.fingerprint, silence: 15)
        while !Task.isCancelled {
            if let link = try? await StandbyWire.connect(former.address, ends),
                await StandbyFollower.tell(store: house.header.id, epoch: record.epoch, over: link)
            {
                return log.info("the primary of before knows that this store took its place")
            }
            try? await Task.sleep(for: .seconds(3))
        }
    }
}
