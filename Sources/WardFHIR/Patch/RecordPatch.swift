public import WardCore

/// Changes to a resource, as a JSON Patch (RFC 6902) or a FHIRPath Patch (FHIR R4 fhirpatch.html). All are carried out
/// or none.
public struct RecordPatch: Sendable {
    enum Steps: Sendable {
        case json([JSONPatchStep])
        case path([PathPatchStep])
    }

    let steps: Steps

    /// Most operations of one patch.
    public static let stepLimit = 1000
    /// Most operations of a FHIRPath Patch: each reads the whole record.
    public static let pathStepLimit = 100
    /// Most bytes that one patch may add, copies included, and most of the result.
    public static let sizeLimit = 16 << 20
    /// Most levels of the result: those of any resource.
    static let depthLimit = JSONLimits.standard.depth

    /// Reads a JSON Patch document.
    public init(json tape: JSONTape) throws(PatchFailure) {
        guard tape.root.kind == .array else { throw PatchFailure(operation: 0, reason: .notAPatch) }
        let nodes = tape.root.elements
        guard nodes.count <= Self.stepLimit else { throw PatchFailure(operation: nodes.count, reason: .tooMany) }
        var steps: [JSONPatchStep] = []
        for (number, node) in nodes.enumerated() {
            do throws(PatchFailure.Reason) { steps.append(try JSONPatchStep(node)) } catch {
                throw PatchFailure(operation: number, reason: error)
            }
        }
        self.steps = .json(steps)
    }

    /// Reads the Parameters of a FHIRPath Patch.
    public init(parameters tape: JSONTape) throws(PatchFailure) {
        guard tape.root["resourceType"]?.string == "Parameters" else {
            throw PatchFailure(operation: 0, reason: .notAPatch)
        }
        let nodes = tape.root["parameter"]?.elements ?? []
        guard nodes.count <= Self.pathStepLimit else { throw PatchFailure(operation: nodes.count, reason: .tooMany) }
        var steps: [PathPatchStep] = []
        for (number, node) in nodes.enumerated() {
            do throws(PatchFailure.Reason) { steps.append(try PathPatchStep(node)) } catch {
                throw PatchFailure(operation: number, reason: error)
            }
        }
        self.steps = .path(steps)
    }

    /// JSON of what becomes of `document`; still to be validated.
    ///
    /// Objects and arrays in which a removal leaves nothing go too, if it is a resource.
    ///
    /// - Throws: with the number of the operation that cannot be carried out; `document` is as it was.
    public func applied(to document: JSONTape, now: Instant) throws(PatchFailure) -> [UInt8] {
        var tree = JSONTree(document)
        var removes = false
        switch steps {
        case .json(let steps):
            var budget = Self.sizeLimit
            for (number, step) in steps.enumerated() {
                do throws(PatchFailure.Reason) { try step.apply(to: &tree, budget: &budget) } catch {
                    throw PatchFailure(operation: number, reason: error)
                }
            }
            removes = steps.contains { $0.removes }
        case .path(let steps):
            var budget = Self.sizeLimit
            var work = Self.workLimit
            for (number, step) in steps.enumerated() {
                do throws(PatchFailure.Reason) {
                    let bytes = tree.json
                    work -= bytes.count
                    guard work > 0 else { throw .tooLarge }
                    guard let tape = try? JSONTape(parsing: bytes) else { throw .tooLarge }
                    try step.apply(to: &tree, seenAs: tape, now: now, budget: &budget)
                } catch {
                    throw PatchFailure(operation: number, reason: error)
                }
            }
            removes = true
        }
        if removes, tree["resourceType"] != nil { tree = tree.pruned }
        let result = tree.json
        guard result.count <= max(Self.sizeLimit, document.bytes.count) else {
            throw PatchFailure(operation: 0, reason: .tooLarge)
        }
        return result
    }

    /// The first operation that would put something else in the place of the whole document.
    public var replacingWhole: Int? {
        guard case .json(let steps) = steps else { return nil }
        return steps.firstIndex { $0.replacesWhole }
    }

    /// Whether an operation names `meta` or labels in it, so that labels that are gone were taken out on purpose.
    public var namesLabels: Bool {
        switch steps {
        case .json(let steps): steps.contains { $0.namesLabels }
        case .path(let steps): steps.contains { $0.namesLabels }
        }
    }

    /// A FHIRPath Patch reads the whole for each of its operations; most bytes read that way.
    private static let workLimit = 256 << 20
}

/// Why a patch cannot be carried out: which operation, from 0, and a fixed sentence; never a value.
public struct PatchFailure: Error, Hashable, Sendable {
    public enum Reason: String, Error, Sendable, CaseIterable {
        case notAPatch = "neither a JSON Patch array nor Parameters"
        case tooMany = "more than 1000 operations, or 100 of a FHIRPath Patch"
        case tooLarge = "what the patch makes is too large or nested too deeply"
        case unknownOperation = "not an operation"
        case malformedPath = "not a path"
        case missingValue = "the operation needs a value"
        case malformedOperation = "a part of the operation is missing or of the wrong kind"
        case noSuchPath = "there is nothing at this path"
        case severalAtPath = "the path names more than one element"
        case unknownElement = "no such element of this type"
        case notRepeating = "the element is there already and does not repeat"
        case notOneList = "the path does not name the elements of one list"
        case intoItself = "a value cannot be moved into itself"
        case testFailed = "a test does not hold"
        case otherResource = "type and id of a resource cannot be changed"
        case partOfRecord = "a part of a record, as _summary or _elements cut it, is not stored"
        case unresolvedReference = "a patch brings no references to other entries or by urn"
    }

    public let operation: Int
    public let reason: Reason

    public init(operation: Int, reason: Reason) {
        self.operation = operation
        self.reason = reason
    }
}

/// One operation of a JSON Patch (RFC 6902 §4).
struct JSONPatchStep: Sendable {
    private enum Operation: String {
        case add, copy, move, remove, replace, test
    }

    private let operation: Operation
    private let path: JSONPointer
    private let from: JSONPointer
    private let value: JSONTree?
    private let valueSize: Int
    private let valueDepth: Int

    var removes: Bool { operation == .remove || operation == .move }
    var replacesWhole: Bool { path.isEmpty && operation != .test }
    var namesLabels: Bool { Self.isOfLabels(path) || operation == .move && Self.isOfLabels(from) }

    private static func isOfLabels(_ path: JSONPointer) -> Bool {
        path.first == "meta" && (path.count == 1 || path[1] == "security")
    }

    init(_ node: JSONValue) throws(PatchFailure.Reason) {
        guard node.kind == .object else { throw .malformedOperation }
        guard let operation = node["op"]?.string.flatMap(Operation.init(rawValue:)) else { throw .unknownOperation }
        guard let path = node["path"]?.string.flatMap(Self.pointer) else { throw .malformedPath }
        self.operation = operation
        self.path = path
        switch operation {
        case .copy, .move:
            guard let from = node["from"]?.string.flatMap(Self.pointer) else { throw .malformedPath }
            self.from = from
            value = nil
        case .add, .replace, .test:
            guard let given = node["value"] else { throw .missingValue }
            value = JSONTree(given.tape, at: given.index)
            from = []
        case .remove:
            value = nil
            from = []
        }
        valueSize = value?.size ?? 0
        valueDepth = value?.depth ?? 0
    }

    /// RFC 6901 §3.
    static func pointer(_ text: String) -> JSONPointer? {
        if text.isEmpty { return [] }
        guard text.utf8.first == 0x2F, text.utf8.count <= 4096 else { return nil }
        var steps: JSONPointer = []
        for part in text.utf8.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false) {
            var bytes: [UInt8] = []
            var rest = part.makeIterator()
            while let byte = rest.next() {
                guard byte == 0x7E else {
                    bytes.append(byte)
                    continue
                }
                switch rest.next() {
                case 0x30: bytes.append(0x7E)
                case 0x31: bytes.append(0x2F)
                default: return nil
                }
            }
            steps.append(String(decoding: bytes, as: UTF8.self))
        }
        return steps
    }

    func apply(to tree: inout JSONTree, budget: inout Int) throws(PatchFailure.Reason) {
        switch operation {
        case .add: try put(try given(), valueSize, valueDepth, into: &tree, &budget)
        case .replace:
            guard tree.value(at: path[...]) != nil else { throw .noSuchPath }
            try spend(valueSize, valueDepth, &budget)
            try tree.replace(try given(), at: path)
        case .remove:
            guard !path.isEmpty else { throw .noSuchPath }
            try tree.remove(at: path)
        case .copy:
            guard let source = tree.value(at: from[...]) else { throw .noSuchPath }
            try put(source, source.size, source.depth, into: &tree, &budget)
        case .move:
            guard let source = tree.value(at: from[...]) else { throw .noSuchPath }
            if from == path { return }
            guard !path.starts(with: from) else { throw .intoItself }
            try tree.remove(at: from)
            try put(source, source.size, source.depth, into: &tree, &budget)
        case .test:
            guard let found = tree.value(at: path[...]) else { throw .noSuchPath }
            // Compared no more often than a patch may add.
            budget -= valueSize
            guard budget > 0 else { throw .tooLarge }
            guard found.equals(try given()) else { throw .testFailed }
        }
    }

    private func given() throws(PatchFailure.Reason) -> JSONTree {
        guard let value else { throw .missingValue }
        return value
    }

    private func put(
        _ value: JSONTree, _ size: Int, _ depth: Int, into tree: inout JSONTree, _ budget: inout Int
    ) throws(PatchFailure.Reason) {
        try spend(size, depth, &budget)
        try tree.add(value, at: path)
    }

    private func spend(_ size: Int, _ depth: Int, _ budget: inout Int) throws(PatchFailure.Reason) {
        budget -= size + 16
        guard budget > 0, path.count + depth <= RecordPatch.depthLimit else { throw .tooLarge }
    }
}
