import WardCore
import WardCrypto

/// Recognises browsers that have signed in to an account before, so that guessing elsewhere does not hold them up.
///
/// A mark is `id.time.mac` in a cookie of its own: no table, no fingerprint, and worth nothing for signing in.
struct DeviceMarks: Sendable {
    /// Seconds after which a mark that was not renewed by a sign-in is forgotten.
    static let lifetime: Int64 = 180 * 86_400

    private let key: MacKey

    init(key: MacKey) {
        self.key = key
    }

    /// A mark for an account, renewing `old` if it is one.
    func mark(account: String, renewing old: String?, at now: Instant) -> DeviceMark {
        let known = old.flatMap { self.id(of: $0, account: account, at: now) }
        let id = known ?? base64URL(randomBytes(12))
        let time = String(now.microseconds / 1_000_000)
        return DeviceMark(text: "\(id).\(time).\(mac(account, id, time))", id: id, isNew: known == nil)
    }

    /// The device's id if the mark was made for this account and is not too old.
    func id(of mark: String, account: String, at now: Instant) -> String? {
        let parts = mark.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, mark.utf8.count < 200, let seconds = Int64(parts[1]) else { return nil }
        guard
            constantTimeEquals(Array(parts[2].utf8), Array(mac(account, parts[0], parts[1]).utf8)),
            Instant(microseconds: seconds * 1_000_000).adding(seconds: Self.lifetime) > now
        else { return nil }
        return parts[0]
    }

    private func mac(_ account: String, _ id: String, _ time: String) -> String {
        base64URL(key.tag(Array("device".utf8), Array(account.utf8), Array(id.utf8), Array(time.utf8)).bytes)
    }
}

/// A browser that somebody signs in with.
struct DeviceMark: Sendable {
    /// What its cookie holds.
    let text: String
    /// Names the browser of this account in the log.
    let id: String
    /// Whether it carried no mark of this account until now.
    let isNew: Bool
}
