package import WardCore
package import WardIdentity

extension OAuth {
    /// Whom an app acts for; nil for tokens that are not good at this moment.
    package func principal(token: Substring, proven request: DPoPRequest?, at now: Instant) -> Principal? {
        if case .good(let principal) = standing(token: token, proven: request, at: now) { principal } else { nil }
    }
}
