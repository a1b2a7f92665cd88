internal import Synchronization

/// Finds what a resource is found by: the values of all search parameters of its type (FHIR R4 search.html).
///
/// Depends on the resource and the arguments alone. A value that cannot be read is ``SearchValue/undecidable``, never
/// left out, so that an index built from this misses nothing.
public enum SearchExtractor {
    /// The values of the resource at `index`, without duplicates, in no particular order.
    ///
    /// Absolute references below `ownBase`, the server's base URL without a slash at its end, are local. Dates without
    /// a zone count in the zone `zoneOffsetMinutes` east of UTC.
    public static func values(
        of tape: JSONTape, at index: Int = JSONTape.rootIndex, type: ResourceType, ownBase: String?,
        zoneOffsetMinutes: Int = 0
    ) -> [IndexedValue] {
        let reader = ValueReader(
            tape: tape, resource: index, ownBase: ownBase.map { Array($0.utf8) }, zoneOffsetMinutes: zoneOffsetMinutes)
        var walk = ExtractionWalk(program: programs.program(for: type), reader: reader)
        walk.run()
        return unique(walk.found)
    }

    /// Parameters of `type` whose expressions are not understood; their values are always undecidable.
    public static func unreadableParameters(of type: ResourceType) -> [UInt16] {
        programs.program(for: type).unreadable
    }

    private static func unique(_ values: [IndexedValue]) -> [IndexedValue] {
        if values.count > 128 {
            var seen = Set<IndexedValue>(minimumCapacity: values.count)
            return values.filter { seen.insert($0).inserted }
        }
        var kept: [IndexedValue] = []
        kept.reserveCapacity(values.count)
        for value in values
        where !kept.contains(where: { $0.parameter == value.parameter && $0.value == value.value }) {
            kept.append(value)
        }
        return kept
    }

    private static let programs = ExtractionPrograms()
}

/// Programs by type, each compiled when it is first asked for.
private final class ExtractionPrograms: Sendable {
    private let known = Mutex<[ExtractionProgram?]>(Array(repeating: nil, count: 256))

    func program(for type: ResourceType) -> ExtractionProgram {
        known.withLock { known in
            if let program = known[Int(type.code)] { return program }
            let program = ExtractionCompiler.program(for: type)
            known[Int(type.code)] = program
            return program
        }
    }
}
