public import WardCore

extension EgressRegister {
    /// Vendors whose last agreement ends, and destinations whose lawful ground ends, within `seconds` from now; those that
    /// a renewal covers for longer are left out.
    public func ending(within seconds: Int64, at now: Instant) -> [String] {
        let limit = now.adding(seconds: seconds)
        let vendors = vendors.filter { vendor in
            let ends = vendor.agreements.filter { $0.revoked == nil && $0.missingClauses.isEmpty }.map(\.ends).max()
            return ends.map { now < $0 && $0 <= limit } ?? false
        }.map(\.name)
        let destinations = destinations.filter { destination in
            guard case .lawful(_, _, let ends) = destination.ground else { return false }
            return now < ends && ends <= limit
        }.map(\.name)
        return vendors + destinations
    }
}
