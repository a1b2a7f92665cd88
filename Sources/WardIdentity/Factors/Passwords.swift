/// What a new password has to be (NIST SP 800-63B-4 §3.1.1.2): long, and not among the first that anybody tries.
///
/// No rules of composition, no expiry, no hints.
public enum Passwords {
    /// Shortest password in code points (§3.1.1.2: 15 where it stands alone; Ward asks for it beside a second factor too).
    public static let minimumLength = 15

    /// What a password has to cost somebody who guesses by lists and habits.
    ///
    /// 2^40 guesses at a fifth of a second are 7,000 years of one processor. Four random words pass.
    static let minimumBits = 40.0

    /// What is known about the person who chooses.
    public struct Context: Sendable {
        let names: [String]

        /// - Parameter clinic: as patients know it.
        public init(loginName: String, displayName: String, clinic: String) {
            names = [loginName, displayName, clinic, "ward"]
        }
    }

    /// Refuses a password that is too short or expected.
    ///
    /// The entire password is judged, never a word in it (§3.1.1.2): one that is *only* common words, names, repetitions
    /// and sequences, with digits or signs around, is as good as listed.
    public static func check(_ password: Password, context: Context) throws(PasswordFailure) {
        guard password.length >= minimumLength else { throw .tooShort }
        let estimate = password.withText { text in
            let whole = PasswordEstimate(text, names: context.names)
            let squeezed = PasswordEstimate(text, names: context.names, withoutSeparators: true)
            return squeezed.bits < whole.bits ? squeezed : whole
        }
        guard estimate.bits < minimumBits else { return }
        throw estimate.reason
    }
}
