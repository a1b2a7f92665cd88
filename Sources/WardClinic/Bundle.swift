import WardCore
import WardCrypto
import WardFHIR
import WardGate
import WardPolicy
import WardVault

extension Clinic {
    /// `POST` of a batch or transaction Bundle to the base (FHIR R4 http.html#transaction).
    public func bundle(_ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            let tape = try JSONTape(parsing: request.body)
            switch tape.root["type"]?.string {
            case "batch": return await batch(try readings(of: tape), tape, request)
            case "transaction": return try await transaction(try entries(of: tape), tape, request)
            default:
                throw Rejection(
                    400, "value", "only batch and transaction Bundles can be posted here", expression: "Bundle.type")
            }
        }
    }

    /// The entries of a transaction, which must all be understood.
    func entries(of tape: JSONTape) throws -> [BundleEntry] {
        try readings(of: tape).map { try $0.get() }
    }

    /// The entries, each understood or not.
    private func readings(of tape: JSONTape) throws -> [Result<BundleEntry, any Error>] {
        guard tape.root["resourceType"]?.string == "Bundle" else {
            throw Rejection(400, "structure", "the body is not a Bundle", expression: "Bundle")
        }
        guard let list = tape.root["entry"] else { return [] }
        guard list.kind == .array else {
            throw Rejection(400, "structure", "entry must be an array", expression: "Bundle.entry")
        }
        var readings: [Result<BundleEntry, any Error>] = []
        tape.forEachElement(list.index) { entry in
            readings.append(Result { try BundleEntry(tape, at: entry, number: readings.count) })
        }
        return readings
    }

    // MARK: Transaction

    private func transaction(
        _ entries: [BundleEntry], _ tape: JSONTape, _ request: ClinicRequest
    ) async throws -> ClinicAnswer {
        // Nothing is written unless every read can be answered.
        var checked: [ClinicAnswer] = []
        for entry in entries where entry.method == .get {
            let answer = await single(entry, tape, request)
            guard Self.isAnswered(answer, entry, within: entries) else { return answer.asRefusal }
            checked.append(answer)
        }
        guard checked.count < entries.count else { return framed(checked, as: "transaction-response") }
        let (disclosure, results) = try await transact(entries, tape, request)
        var reads: [Int: ClinicAnswer] = [:]
        for entry in entries where entry.method == .get {
            reads[entry.number] = await single(entry, tape, request)
        }
        let withBodies = request.preference.returning == .representation
        let readNumbers = entries.map(\.number).filter { reads[$0]?.released != nil }
        let written = disclosure.framed(with: readNumbers.compactMap { reads[$0]?.released }) { writer, place in
            writer.beginBundle("transaction-response", total: nil)
            writer.key("entry")
            writer.beginArray()
            for entry in entries {
                writer.beginObject()
                if let result = results[entry.number] {
                    if withBodies, let record = result.record {
                        writer.key("resource")
                        place(&writer, record)
                    }
                    writer.response(to: result, base: base)
                } else if let answer = reads[entry.number] {
                    if let part = readNumbers.firstIndex(of: entry.number) {
                        writer.key("resource")
                        place(&writer, disclosure.records.count + part)
                    } else if let resource = answer.plainResource {
                        writer.key("resource")
                        writer.raw(resource)
                    }
                    writer.response(to: answer)
                }
                writer.endObject()
            }
            writer.endArray()
            writer.endObject()
        }
        return ClinicAnswer(status: 200, body: .released(written))
    }

    /// Whether a read of a transaction can be answered once its writes are carried out.
    private static func isAnswered(_ answer: ClinicAnswer, _ read: BundleEntry, within entries: [BundleEntry]) -> Bool {
        let write = entries.first { $0.method != .get && $0.id != nil && $0.type == read.type && $0.id == read.id }
        switch answer.status {
        case 200, 304: return write?.method != .delete || read.isHistory
        case 404, 410: return write?.method == .put && read.versionID == nil
        default: return false
        }
    }

    /// Carries out the writes of a transaction; results by entry number.
    func transact(
        _ entries: [BundleEntry], _ tape: JSONTape, _ request: ClinicRequest, mark: ImportMark? = nil
    ) async throws -> (Disclosure, [Int: ChangeResult]) {
        let writes = entries.filter { $0.method != .get }
        let ids = writes.map { $0.id ?? Self.ownID(of: $0, tape) ?? randomUUID() }
        let targets = try Self.targets(writes, ids)
        var resources: [Int: ValidatedResource] = [:]
        var issues: [ValidationIssue] = []
        for entry in writes {
            guard let node = entry.resource, entry.method != .delete, entry.method != .patch else { continue }
            do throws(ValidationFailure) {
                resources[entry.number] = try ResourceValidator.validated(
                    tape, at: node, expecting: entry.type, isTransactionEntry: true)
            } catch {
                issues += error.issues.map { $0.moved(to: "Bundle.entry[\(entry.number)].resource") }
            }
        }
        guard issues.isEmpty else { throw Rejection(ClinicAnswer(issues)) }
        // Deletes, then creates, then updates (FHIR R4 http.html#trules); nothing depends on it within one commit but
        // that the same resource stands only once.
        var changes: [RecordChange] = []
        for (entry, id) in zip(writes, ids) {
            var change = try makeChange(entry, id: id, tape, resource: resources[entry.number], targets: targets)
            if entry.isConditional { change.target = try parsedCondition(entry.query, type: entry.type) }
            changes.append(change)
        }
        let grant = try await gate.authorize(
            Transaction.self, on: GrantSubject(steps: changes.flatMap(\.needs)),
            principal: request.principal, source: request.source)
        let (disclosure, results) = try await vault.transact(changes, mark: mark, with: grant)
        return (disclosure, Dictionary(uniqueKeysWithValues: zip(writes.map(\.number), results)))
    }

    /// The id that the resource of a conditional update has; what the condition finds must have the same.
    private static func ownID(of entry: BundleEntry, _ tape: JSONTape) -> String? {
        guard entry.method == .put, let id = entry.resource.flatMap({ tape.member($0, "id") }) else { return nil }
        return tape.text(id)
    }

    private func makeChange(
        _ entry: BundleEntry, id: String, _ tape: JSONTape, resource: ValidatedResource?, targets: [String: String]
    ) throws -> RecordChange {
        func fail(_ text: StaticString, _ path: String) -> Rejection {
            Rejection(400, "value", text, expression: "Bundle.entry[\(entry.number)]\(path)")
        }
        if entry.method == .patch {
            let expected = entry.ifMatch.map(version(ofTag:))
            if let expected, expected == nil { throw fail("not an entity tag of this server", ".request.ifMatch") }
            return RecordChange(
                operation: .patch(try parsedPatch(entry, in: tape), ifMatch: expected ?? nil),
                type: try patchable(entry.type), id: id, resource: nil)
        }
        guard let resource else { return RecordChange(operation: .delete, type: entry.type, id: id, resource: nil) }
        if entry.method == .put {
            guard resource.id == id || entry.isConditional else {
                throw fail("the id is not the id in the URL", ".resource.id")
            }
            let expected = entry.ifMatch.map(version(ofTag:))
            if let expected, expected == nil { throw fail("not an entity tag of this server", ".request.ifMatch") }
            return try makeChange(
                .update(ifMatch: expected ?? nil), entry.type, id: id, resource, targets: targets)
        }
        let condition = try entry.ifNoneExist.map { try parsedCondition($0, type: entry.type) }
        return try makeChange(.create(unlessExists: condition), entry.type, id: id, resource, targets: targets)
    }

    /// What references between entries become: full URL, and `Type/id` below it, to the id given here.
    private static func targets(_ writes: [BundleEntry], _ ids: [String]) throws -> [String: String] {
        var targets: [String: String] = [:]
        var seen: Set<String> = []
        for (entry, id) in zip(writes, ids) {
            let target = "\(entry.type.name)/\(id)"
            guard seen.insert(target).inserted else {
                throw Rejection(
                    400, "invalid", "a transaction may change a resource only once",
                    expression: "Bundle.entry[\(entry.number)]")
            }
            guard let url = entry.fullURL, entry.method == .post || entry.isConditional else { continue }
            guard targets.updateValue(target, forKey: url) == nil else {
                throw Rejection(
                    400, "invalid", "two entries have the same fullUrl",
                    expression: "Bundle.entry[\(entry.number)].fullUrl")
            }
            let path = url.split(separator: "/")
            if path.count > 3, path[path.count - 2] == entry.type.name {
                targets["\(entry.type.name)/\(path[path.count - 1])"] = target
            }
        }
        return targets
    }

    // MARK: Batch

    private func batch(
        _ readings: [Result<BundleEntry, any Error>], _ tape: JSONTape, _ request: ClinicRequest
    ) async -> ClinicAnswer {
        var answers: [ClinicAnswer] = []
        for reading in readings {
            let answer = await answering { await single(try reading.get(), tape, request) }
            let type = (try? reading.get())?.type
            // Each entry is accounted for by itself, refused ones too.
            answers.append(
                await accounted(
                    answer, route: "/fhir batch", type: type, principal: request.principal, source: request.source))
        }
        return framed(answers, as: "batch-response")
    }

    /// Answers of single interactions as one Bundle, in their order.
    private func framed(_ answers: [ClinicAnswer], as type: String) -> ClinicAnswer {
        let body = ReleasedBytes.joined(answers.compactMap(\.released)) { writer, place in
            writer.beginBundle(type, total: nil)
            writer.key("entry")
            writer.beginArray()
            var part = 0
            for answer in answers {
                writer.beginObject()
                if answer.released != nil {
                    writer.key("resource")
                    place(&writer, part)
                    part += 1
                } else if let resource = answer.plainResource {
                    writer.key("resource")
                    writer.raw(resource)
                }
                writer.response(to: answer)
                writer.endObject()
            }
            writer.endArray()
            writer.endObject()
        }
        if let body { return ClinicAnswer(status: 200, body: .released(body)) }
        var writer = JSONWriter()
        writer.beginBundle(type, total: nil)
        writer.key("entry")
        writer.beginArray()
        for answer in answers {
            writer.beginObject()
            if let resource = answer.plainResource {
                writer.key("resource")
                writer.raw(resource)
            }
            writer.response(to: answer)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        let answer = ClinicAnswer(status: 200, body: .plain(writer.bytes))
        return answers.last?.receipt.map(answer.with(receipt:)) ?? answer
    }

    private func patch(_ entry: BundleEntry, _ tape: JSONTape, _ request: ClinicRequest) async throws -> ClinicAnswer {
        let isWrapped = entry.resource.flatMap { tape.member($0, "contentType") } != nil
        var part = request
        if isWrapped {
            // Of the one thing in it, the patch.
            let data = entry.resource.flatMap { tape.member($0, "data") }.flatMap { base64Decoded(tape.text($0)) }
            _ = try parsedPatch(entry, in: tape)
            part = request.with(body: data ?? [], mediaType: "application/json-patch+json")
        }
        if let id = entry.id { return await patch(entry.type, id, part) }
        return await patch(entry.type, part)
    }

    /// One entry by itself, through the interaction it names.
    private func single(_ entry: BundleEntry, _ tape: JSONTape, _ request: ClinicRequest) async -> ClinicAnswer {
        var body: [UInt8] = []
        if let resource = entry.resource { tape.writeCompact(resource, into: &body) }
        var part = ClinicRequest(
            principal: request.principal, source: request.source, parameters: entry.parameters, ifMatch: entry.ifMatch,
            ifNoneExist: entry.ifNoneExist, preference: request.preference, body: body)
        part.ifNoneMatch = entry.ifNoneMatch
        if entry.method == .patch {
            return await answering { try await patch(entry, tape, part) }
        }
        switch (entry.method, entry.id) {
        case (.delete, nil): return await delete(entry.type, part)
        case (.put, nil): return await update(entry.type, part)
        case (.delete, let id?): return await delete(entry.type, id, part)
        case (.get, let id?) where entry.versionID != nil:
            return await versionRead(entry.type, id, version: entry.versionID ?? "", part)
        case (.get, let id?) where entry.isHistory: return await history(entry.type, id, part)
        case (.get, let id?): return await read(entry.type, id, part)
        case (.get, nil): return await search(entry.type, part)
        case (.put, let id?): return await update(entry.type, id, part)
        default: return await create(entry.type, part)
        }
    }
}

extension ClinicAnswer {
    var released: ReleasedBytes? {
        if case .released(let bytes) = body { bytes } else { nil }
    }

    /// What came of the log: events, which no disclosure releases.
    fileprivate var plainResource: [UInt8]? {
        guard status == 200, case .plain(let bytes) = body, !isOutcome(bytes) else { return nil }
        return bytes
    }

    private func isOutcome(_ bytes: [UInt8]) -> Bool {
        (try? JSONTape(parsing: bytes))?.root["resourceType"]?.string == "OperationOutcome"
    }

    /// What a transaction answers for the sake of this entry.
    fileprivate var asRefusal: ClinicAnswer {
        guard status < 400 else { return self }
        return .failure(400, "invalid", "a transaction cannot read what it deletes")
    }
}

extension JSONWriter {
    fileprivate mutating func response(to result: ChangeResult, base: String) {
        key("response")
        beginObject()
        switch result.outcome {
        case .created: member("status", "201 Created")
        case .deleted: member("status", "204 No Content")
        case .updated: member("status", "200 OK")
        case .unchanged: member("status", result.version == 0 ? "204 No Content" : "200 OK")
        }
        if result.version > 0 {
            if result.outcome != .deleted {
                member("location", "\(base)/\(result.type.name)/\(result.id)/_history/\(result.version)")
            }
            member("etag", entityTag(result.version))
            member("lastModified", result.lastUpdated.text)
        }
        endObject()
    }

    fileprivate mutating func response(to answer: ClinicAnswer) {
        key("response")
        beginObject()
        member("status", String(answer.status))
        for header in answer.headers {
            switch header.name {
            case "ETag": member("etag", header.value)
            case "Location": member("location", header.value)
            default: break
            }
        }
        if case .plain(let outcome) = answer.body, answer.plainResource == nil {
            key("outcome")
            raw(outcome)
        }
        endObject()
    }
}
