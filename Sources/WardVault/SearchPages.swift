import Synchronization
import WardCore
import WardCrypto
import WardFHIR
import WardIndex

/// Results of searches that have further pages, and the sealed links that lead to them.
///
/// A result is fixed when its first page is answered: later pages never repeat or skip. It lives 15 minutes, for the
/// principal who asked. A link names no value and cannot be edited.
final class SearchPages: Sendable {
    static let lifetime: Int64 = 900
    /// Hits kept over all results: 16 bytes each and the locator's 16.
    private static let capacity = 2_000_000

    struct Result: Sendable {
        let query: SearchQuery
        let type: ResourceType?
        let hits: [SearchHit]
        let total: Int?
        let pageSize: Int
        let principal: String
        let expires: Instant

        /// Hits, and the records and codes that its criteria name.
        var size: Int { hits.count + query.plans.reduce(0) { $0 + $1.criterion.setSize } }
    }

    private struct State {
        var results: [Locator: Result] = [:]
        var order: [Locator] = []
        var held = 0
    }

    private let sealing: SealingKey
    private let state = Mutex(State())

    init(_ material: KeyMaterial) {
        sealing = SealingKey(material)
    }

    /// Keeps a result; answers its handle.
    func keep(_ result: Result) -> Locator? {
        guard let handle = Locator(bytes: randomBytes(16)) else { return nil }
        let now = Instant.now()
        state.withLock { state in
            state.results[handle] = result
            state.order.append(handle)
            state.held += result.size
            while let oldest = state.order.first, let held = state.results[oldest],
                oldest != handle, held.expires <= now || state.held > Self.capacity
            {
                state.order.removeFirst()
                state.results[oldest] = nil
                state.held -= held.size
            }
        }
        return handle
    }

    /// A sealed link text for a page.
    func link(_ handle: Locator, offset: Int, principal: String) -> String? {
        (try? sealing.seal(handle.bytes + bigEndian(Int64(offset)), boundTo: context(principal))).map(base64URL)
    }

    /// The result and offset behind a link; nil if it is altered, foreign or expired.
    func result(of link: String, principal: String) -> (handle: Locator, result: Result, offset: Int)? {
        guard
            let sealed = base64URLDecoded(link), let bytes = try? sealing.open(sealed, boundTo: context(principal)),
            bytes.count == 24, let handle = Locator(bytes: bytes[..<16]),
            let result = state.withLock({ $0.results[handle] }), result.principal == principal, result.expires > .now()
        else { return nil }
        let offset = bytes[16...].reduce(Int64(0)) { $0 << 8 | Int64($1) }
        guard offset >= 0, offset <= result.hits.count else { return nil }
        return (handle, result, Int(offset))
    }

    /// A sealed link to the versions before a record number.
    func link(_ question: HistoryQuestion, before: Int64, principal: String) -> String? {
        var bytes = bigEndian(before) + bigEndian(Int64(question.type.map { Int64($0.code) } ?? -1))
        bytes += bigEndian(Int64(question.count)) + bigEndian(question.since ?? .min)
        bytes += bigEndian(question.at?.lowerBound ?? .max) + bigEndian(question.at?.upperBound ?? .min)
        return (try? sealing.seal(bytes, boundTo: Array("ward/history/1 \(principal)".utf8))).map(base64URL)
    }

    /// What a link of ``link(_:before:principal:)`` leads to; nil if it is altered or foreign.
    func place(of link: String, principal: String) -> (question: HistoryQuestion, before: Int64)? {
        guard let sealed = base64URLDecoded(link),
            let bytes = try? sealing.open(sealed, boundTo: Array("ward/history/1 \(principal)".utf8)),
            bytes.count == 48
        else { return nil }
        let parts = stride(from: 0, to: 48, by: 8).map { start in
            bytes[start..<start + 8].reduce(Int64(0)) { $0 << 8 | Int64($1) }
        }
        let type = parts[1] < 0 ? nil : ResourceType(code: UInt8(truncatingIfNeeded: parts[1]))
        guard parts[1] < 0 || type != nil, parts[0] > 0 else { return nil }
        return (
            HistoryQuestion(
                type: type, since: parts[3] == .min ? nil : parts[3],
                at: parts[4] <= parts[5] ? parts[4]...parts[5] : nil,
                count: Int(parts[2])), parts[0]
        )
    }

    private func context(_ principal: String) -> [UInt8] { Array("ward/page/1 \(principal)".utf8) }
}
