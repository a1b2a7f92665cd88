public import WardCore

/// Something whose ground ends soon.
public struct RegisterEnding: Hashable, Sendable {
    public enum Kind: String, Sendable { case destination, vendor }

    public let kind: Kind
    public let name: String
    public let ends: Instant
}

extension EgressRegister {
    /// What ends within `seconds` from now: destinations that nothing covers after that, and vendors without a destination
    /// whose last agreement ends.
    ///
    /// Each destination by what covers it: another service's agreement of the same vendor does not hide its end.
    public func ending(within seconds: Int64, at now: Instant) -> [RegisterEnding] {
        let limit = now.adding(seconds: seconds)
        let destinations = destinations
        var found: [RegisterEnding] = []
        var used: Set<String> = []
        for destination in destinations {
            if case .agreement(let vendor, _) = destination.ground { used.insert(vendor) }
            guard let ends = covered(destination, at: now), ends <= limit else { continue }
            found.append(RegisterEnding(kind: .destination, name: destination.name, ends: ends))
        }
        for vendor in vendors where !used.contains(vendor.name) {
            let ends = vendor.agreements.filter { $0.revoked == nil && $0.missingClauses.isEmpty }.map(\.ends).max()
            guard let ends, now < ends, ends <= limit else { continue }
            found.append(RegisterEnding(kind: .vendor, name: vendor.name, ends: ends))
        }
        return found
    }

    /// Until when a destination is covered without a gap, from now on; nil where nothing covers it now.
    private func covered(_ destination: Destination, at now: Instant) -> Instant? {
        var end: Instant?
        var moment = now
        // An agreement that begins before the one of today ends takes its place.
        while let proof = try? proof(for: destination.name, kind: destination.kind, at: moment),
            end.map({ proof.ends > $0 }) ?? true
        {
            end = proof.ends
            moment = proof.ends
        }
        return end
    }
}
