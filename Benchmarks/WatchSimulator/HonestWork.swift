/// How much of the honest work has no part in anything on record: printed beside the results.
public struct HonestWork: Sendable {
    public private(set) var opened: [String: Int] = [:]
    public private(set) var unrelated: [String: Int] = [:]
    /// Wrong charts opened by a slip.
    public internal(set) var typos = 0

    mutating func count(_ role: String, isRelated: Bool) {
        opened[role, default: 0] += 1
        if !isRelated { unrelated[role, default: 0] += 1 }
    }
}
