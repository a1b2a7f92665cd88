import Synchronization
import WardCore
public import WardStorage

/// Feeds one connected follower until it leaves.
public struct StandbySession: Sendable {
    private let feed: StandbyFeed
    private let store: any StreamedStore
    private let link: any StandbyLink
    private let flight = Flight()

    /// A message with rows is sent when it has about this size: a question for the lease waits behind it.
    private static let messageSize = 2 << 20
    /// How many bytes may be on their way.
    private static let window = 16 << 20

    public init(_ feed: StandbyFeed, of store: any StreamedStore, over link: any StandbyLink) {
        self.feed = feed
        self.store = store
        self.link = link
    }

    /// Messages that were sent and are not on the follower's disk.
    private final class Flight: Sendable {
        private struct State {
            var number: Int64 = 0
            var sent: [(number: Int64, sequence: Int64?, size: Int)] = []
        }

        private let state = Mutex(State())

        var size: Int { state.withLock { $0.sent.reduce(0) { $0 + $1.size } } }

        func next(_ sequence: Int64?, size: Int) -> Int64 {
            state.withLock { state in
                state.number += 1
                state.sent.append((state.number, sequence, size))
                return state.number
            }
        }

        /// The newest transaction that is on the follower's disk with this message.
        func taken(_ number: Int64) -> Int64? {
            state.withLock { state in
                let done = state.sent.prefix { $0.number <= number }
                state.sent.removeFirst(done.count)
                return done.last { $0.sequence != nil }?.sequence
            }
        }
    }

    /// Runs until the connection ends.
    public func run() async {
        defer { link.cut() }
        var messages = link.received.makeAsyncIterator()
        guard let first = await messages.next(), case .hello(let hello) = StandbyFrame(first) else { return }
        guard hello.store == feed.storeID else { return await refuse("other-store") }
        if hello.isPromoted {
            guard hello.epoch > feed.epoch else { return await refuse("not-newer") }
            // Unless it is written down, who was promoted asks again.
            guard feed.fence(by: hello.epoch) else { return }
            try? await link.send(StandbyFrame.fenced.encoded())
            return
        }
        guard hello.epoch == feed.epoch else { return await refuse("other-epoch") }
        let (connection, signal) = feed.connect()
        defer { feed.disconnect(connection) }
        let pump = Task.detached {
            do { try await push(hello, connection, signal) } catch {}
            link.cut()
        }
        let asking = Task.detached {
            // Five chances for each lease.
            while !Task.isCancelled, let number = feed.ask(connection) {
                guard (try? await link.send(StandbyFrame.ask(number).encoded())) != nil else { break }
                try? await Task.sleep(for: .milliseconds(feed.rules.lease * 200))
            }
            link.cut()
        }
        loop: while let message = await messages.next() {
            switch StandbyFrame(message) {
            case .taken(let number):
                if let sequence = flight.taken(number) { feed.taken(sequence, connection: connection) }
            case .grant(let number): feed.granted(number, connection: connection)
            default: break loop
            }
        }
        pump.cancel()
        asking.cancel()
        link.cut()
        await pump.value
        await asking.value
    }

    private func refuse(_ code: String) async {
        try? await link.send(StandbyFrame.refused(code).encoded())
    }

    private func push(
        _ hello: StandbyHello, _ connection: Int64, _ signal: AsyncStream<Void>
    ) async throws(StandbyFailure) {
        var sequence = hello.sequence
        if hello.instance != 0, feed.canContinue(hello.instance, from: hello.sequence) {
            try await link.send(StandbyFrame.welcome(instance: hello.instance, isContinued: true).encoded())
            feed.taken(hello.sequence, connection: connection)
        } else {
            sequence = try await fill(hello)
        }
        var news = signal.makeAsyncIterator()
        while !Task.isCancelled {
            guard let items = feed.items(after: sequence, connection: connection) else { return }
            if items.isEmpty {
                guard await news.next() != nil else { return }
                continue
            }
            for item in items {
                guard item.sequence == sequence + 1 else { return }
                try await room()
                let number = flight.next(item.sequence, size: item.size)
                try await link.send(
                    StandbyFrame.commit(number: number, sequence: item.sequence, item.changes).encoded())
                sequence = item.sequence
            }
        }
    }

    private func room() async throws(StandbyFailure) {
        while flight.size > Self.window {
            guard (try? await Task.sleep(for: .milliseconds(2))) != nil else { throw .cut }
        }
    }

    /// Sends what the follower lacks, as the store is at one moment; small differences in one message, and so at once.
    private func fill(_ hello: StandbyHello) async throws(StandbyFailure) -> Int64 {
        var cut: (instance: UInt64, sequence: Int64) = (0, 0)
        let snapshot: any SealedStore
        do throws(StorageFailure) { snapshot = try store.snapshot { cut = feed.cut() } } catch { throw .store(error) }
        defer { snapshot.close() }
        try await link.send(StandbyFrame.welcome(instance: cut.instance, isContinued: false).encoded())
        var message: [StoreChange] = []
        var size = 0
        func flush(last: Bool) async throws(StandbyFailure) {
            try await room()
            let number = flight.next(last ? cut.sequence : nil, size: size)
            try await link.send(
                StandbyFrame.rows(number: number, message, sequence: last ? cut.sequence : nil).encoded())
            (message, size) = ([], 0)
        }
        var lacking = LackingRows(snapshot, hello)
        do throws(StorageFailure) {
            guard try snapshot.leafCount() >= hello.logSize else { throw StorageFailure.corrupt }
        } catch {
            await refuse("shorter-log")
            throw .notContinuous
        }
        while true {
            let page: [StoreChange]?
            do throws(StorageFailure) { page = try lacking.next() } catch { throw .store(error) }
            guard let page else { break }
            message += page
            size += page.reduce(0) { $0 + $1.size }
            if size >= Self.messageSize { try await flush(last: false) }
        }
        try await flush(last: true)
        return cut.sequence
    }
}

/// The rows of a store that a copy of an earlier moment lacks, page by page.
///
/// Versions and leaves are never changed, so those after the newest ones are what is new; the rest is small and comes whole.
/// If any was sealed anew since the copy's newest leaf, all versions come again, before any leaf: a copy that has the leaves
/// has them too.
private struct LackingRows {
    private let store: any SealedStore
    private let hello: StandbyHello
    private var step = 0
    private var record: Int64
    private var resealed: Int64 = 0
    private var hasReseals: Bool?
    private var leaf: Int64
    private var pruned: Int64 = 0
    private var segment: Int64
    private var cards: [StoredCard] = []
    private var cardsAfter: Int64
    private var kinds = EntryKind.allCases[...]

    init(_ store: any SealedStore, _ hello: StandbyHello) {
        self.store = store
        self.hello = hello
        record = hello.lastRecord
        cardsAfter = hello.lastRecord
        leaf = hello.logSize
        // The newest one may have been half written then.
        segment = max(0, hello.segments - 1)
    }

    mutating func next() throws(StorageFailure) -> [StoreChange]? {
        while true {
            let page: [StoreChange]
            switch step {
            case 0: page = try versions()
            case 1: page = try reseals()
            case 2: page = try leaves()
            case 3: page = try prunings()
            case 4: page = try chunks()
            case 5:
                var keys: [StoreChange] = []
                try store.eachPatientKey { keys.append(.patientKey($0, wrapped: $1)) }
                page = keys
                step += 1
                if page.isEmpty { continue }
                return page
            case 6:
                guard let kind = kinds.popFirst() else {
                    step += 1
                    continue
                }
                page = try store.entries(kind).map { .entry($0, kind) }
                if page.isEmpty { continue }
                return page
            case 7:
                step += 1
                var rows: [StoreChange] = []
                for key in MetadataKey.allCases where key != .restoration && key != .standby {
                    if let value = try store.metadata(key) { rows.append(.metadata(key, value)) }
                }
                return rows
            default: return nil
            }
            if !page.isEmpty { return page }
            step += 1
        }
    }

    private mutating func versions() throws(StorageFailure) -> [StoreChange] {
        let page = try store.versions(after: RecordNumber(record), limit: 256)
        guard let last = page.last else { return [] }
        record = last.record.value
        while cardsAfter < record {
            let more = try store.cards(after: RecordNumber(cardsAfter), limit: 256)
            guard let end = more.last else {
                cardsAfter = .max
                break
            }
            cards += more
            cardsAfter = end.record.value
        }
        let own = Dictionary(cards.map { ($0.record, $0.card) }) { first, _ in first }
        cards.removeAll { $0.record.value <= record }
        return page.map { .version($0, card: own[$0.record]) }
    }

    private mutating func reseals() throws(StorageFailure) -> [StoreChange] {
        if hasReseals == nil {
            let size = try store.metadata(.resealed)?.reduce(Int64(0)) { $0 << 8 | Int64($1) } ?? 0
            hasReseals = size > hello.logSize
        }
        guard hasReseals == true else { return [] }
        if resealed < hello.lastRecord {
            let page = try store.versions(after: RecordNumber(resealed), limit: 256)
                .filter { $0.record.value <= hello.lastRecord }
            guard let first = page.first, let last = page.last else { return [] }
            resealed = last.record.value
            let cards = try store.cards(after: RecordNumber(first.record.value - 1), limit: page.count)
            let own = Dictionary(cards.map { ($0.record, $0.card) }) { first, _ in first }
            return page.map { .resealed($0.record, at: $0.locator, body: $0.body, card: own[$0.record]) }
        }
        return []
    }

    private mutating func leaves() throws(StorageFailure) -> [StoreChange] {
        let page = try store.leaves(from: leaf, limit: 1024)
        if let last = page.last { leaf = last.index + 1 }
        return page.map { .leaf($0) }
    }

    /// Payloads that the copy may still have and that the log has let go of.
    private mutating func prunings() throws(StorageFailure) -> [StoreChange] {
        while pruned < hello.logSize {
            let page = try store.leaves(from: pruned, limit: Int(min(1024, hello.logSize - pruned)))
            guard let last = page.last else { return [] }
            pruned = last.index + 1
            let gone = page.filter(\.isPruned).map { StoreChange.payloadPruned($0.index) }
            if !gone.isEmpty { return gone }
        }
        return []
    }

    private mutating func chunks() throws(StorageFailure) -> [StoreChange] {
        var (found, number): ([StoreChange], Int64) = ([], 0)
        while let sealed = try store.auditChunk(segment: segment, chunk: number) {
            found.append(.auditChunk(segment: segment, chunk: number, sealed: sealed))
            number += 1
        }
        segment += 1
        return found
    }
}
