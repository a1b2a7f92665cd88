public import WardCore

extension People {
    /// How many of those who could sign in lack a second factor (45 CFR 164.312(d)).
    public func withoutSecondFactor(at now: Instant) -> Int {
        directory.people.count { person in
            person.isActive(at: now) && !(credentials.credentials(of: person.id)?.isComplete ?? false)
        }
    }
}
