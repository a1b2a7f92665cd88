import WardCore
import WardFHIR
import WardIndex

/// Entry point of libFuzzer: the first byte picks the reader, the rest is its input.
///
/// Besides not crashing, what parses must write back to what parses to the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let rest = Array(input.dropFirst())
    switch input[0] % 5 {
    case 0: resource(rest)
    case 1: query(rest)
    case 2: _ = try? IndexCard(decoding: rest)
    case 3: patch(rest)
    default: path(rest)
    }
    return 0
}

private func resource(_ bytes: [UInt8]) {
    guard let tape = try? JSONTape(parsing: bytes) else { return }
    var compact: [UInt8] = []
    tape.writeCompact(JSONTape.rootIndex, into: &compact)
    guard let again = try? JSONTape(parsing: compact) else { fatalError("compact form does not parse") }
    var twice: [UInt8] = []
    again.writeCompact(JSONTape.rootIndex, into: &twice)
    guard compact == twice else { fatalError("compact form is not stable") }
    guard let valid = try? ResourceValidator.validated(tape) else { return }
    _ = SearchExtractor.values(of: tape, at: valid.index, type: valid.type, ownBase: nil)
    let rewritten = ResourceRewriter.rewritten(
        tape, at: valid.index, id: "1", versionId: "1", lastUpdated: .init(microseconds: 0))
    guard let stored = try? JSONTape(parsing: rewritten), (try? ResourceValidator.validated(stored)) != nil else {
        fatalError("a valid resource is not valid as stored")
    }
}

private func query(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    let pairs = text.split(separator: "&").map { part in
        let halves = part.split(separator: "=", maxSplits: 1).map(String.init)
        return SearchPair(name: halves.first ?? "", value: halves.count > 1 ? halves[1] : "")
    }
    let context = SearchContext(
        baseURL: "https://localhost/fhir", now: .init(microseconds: 0), zoneOffsetMinutes: 0)
    for name in ["Patient", "Observation"] {
        guard let type = ResourceType(name) else { continue }
        _ = try? SearchQuery.parse(type: type, parameters: pairs, handling: .strict, context: context)
        guard let compartment = SearchCompartment(type, "1") else { continue }
        _ = try? SearchQuery.parse(
            type: nil, parameters: pairs, handling: .lenient, context: context, compartment: compartment)
    }
}

/// Up to the first zero byte a patch of either kind, after it the resource, or else a usual one.
private func patch(_ bytes: [UInt8]) {
    let halves = bytes.split(separator: 0, maxSplits: 1)
    let usual = Array(#"{"resourceType":"Patient","id":"1","name":[{"given":["A","B"],"_given":[null,{"id":"b"}]}]}"#.utf8)
    guard let first = halves.first, let changes = try? JSONTape(parsing: Array(first)),
        let document = try? JSONTape(parsing: halves.count > 1 ? Array(halves[1]) : usual)
    else { return }
    for patch in [try? RecordPatch(json: changes), try? RecordPatch(parameters: changes)] {
        guard let result = try? patch?.applied(to: document, now: .init(microseconds: 0)) else { continue }
        guard (try? JSONTape(parsing: result)) != nil else { fatalError("what a patch makes does not parse") }
    }
}

private func path(_ bytes: [UInt8]) {
    _ = try? FHIRPathExpression(String(decoding: bytes, as: UTF8.self))
}
