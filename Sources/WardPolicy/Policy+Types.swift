public import WardFHIR

extension Policy {
    /// Whether a role sees anything of a type, whatever it does with it.
    public func isReachable(_ type: ResourceType, by role: Role) -> Bool {
        tables.index(of: role).map { tables.reaches($0, type.code) } ?? false
    }
}
