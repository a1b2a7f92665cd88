import WardCrypto
public import WardFHIR
import WardGate
import WardVault

extension Clinic {
    /// `POST Type` (FHIR R4 http.html#create), with If-None-Exist.
    public func create(_ type: ResourceType, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            let resource = try validated(request.body, type: type)
            let condition = try request.ifNoneExist.map { try parsedCondition($0, type: type) }
            let change = try makeChange(.create(unlessExists: condition), type, id: randomUUID(), resource)
            let grant = try await gate.authorize(
                Create.self, on: GrantSubject(steps: change.needs), principal: request.principal, source: request.source
            )
            let (disclosure, result) = try await vault.create(change, with: grant)
            return written(disclosure, result, request.preference)
        }
    }

    /// `PUT Type/id` (FHIR R4 http.html#update); creates under that id if there is none yet.
    public func update(_ type: ResourceType, _ id: String, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            guard Self.isID(id) else { throw Rejection(400, "value", "not a logical id") }
            let resource = try validated(request.body, type: type)
            guard resource.id == id else {
                throw Rejection(
                    400, "value", "the id in the body is not the id in the URL", expression: "\(type.name).id")
            }
            var expected: Int64?
            if let tag = request.ifMatch {
                expected = version(ofTag: tag)
                if expected == nil { throw Rejection(400, "value", "If-Match is not an entity tag of this server") }
            }
            let change = try makeChange(.update(ifMatch: expected), type, id: id, resource)
            let grant = try await gate.authorize(
                Update.self, on: GrantSubject(type: type, id: id), principal: request.principal,
                source: request.source)
            let (disclosure, result) = try await vault.update(change, with: grant)
            return written(disclosure, result, request.preference)
        }
    }

    /// `DELETE Type/id` (FHIR R4 http.html#delete).
    public func delete(_ type: ResourceType, _ id: String, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            guard Self.isID(id) else { throw Rejection(400, "value", "not a logical id") }
            if Self.isOfLog(type, id) {
                throw Rejection(405, "not-supported", "nothing is taken out of the log")
            }
            let grant = try await gate.authorize(
                Delete.self, on: GrantSubject(type: type, id: id), principal: request.principal,
                source: request.source)
            let change = RecordChange(operation: .delete, type: type, id: id, resource: nil)
            let (disclosure, result) = try await vault.delete(change, with: grant)
            return ClinicAnswer(
                status: 204, body: .none,
                headers: result.version > 0 ? [(name: "ETag", value: entityTag(result.version))] : [],
                receipt: disclosure.receipt)
        }
    }

    func written(
        _ disclosure: Disclosure, _ result: ChangeResult, _ preference: Preference
    ) -> ClinicAnswer {
        let status = result.outcome == .created ? 201 : 200
        var headers = [
            (name: "ETag", value: entityTag(result.version)),
            (name: "Last-Modified", value: httpDate(result.lastUpdated)),
        ]
        let location = "\(base)/\(result.type.name)/\(result.id)/_history/\(result.version)"
        headers.append((name: status == 201 ? "Location" : "Content-Location", value: location))
        switch preference.returning {
        case .minimal:
            return ClinicAnswer(status: status, body: .none, headers: headers, receipt: disclosure.receipt)
        case .operationOutcome:
            let outcome = OperationOutcome([OperationOutcome.Issue(.information, "informational", "stored")])
            return ClinicAnswer(
                status: status, body: .plain(outcome.json), headers: headers, receipt: disclosure.receipt)
        case .representation, nil:
            guard let body = disclosure.resource() else {
                return ClinicAnswer(status: status, body: .none, headers: headers, receipt: disclosure.receipt)
            }
            return ClinicAnswer(status: status, body: .released(body), headers: headers)
        }
    }

    /// Parses and validates one resource of a type.
    func validated(_ body: [UInt8], type: ResourceType) throws -> ValidatedResource {
        let tape = try JSONTape(parsing: body)
        do throws(ValidationFailure) {
            return try ResourceValidator.validated(tape, at: JSONTape.rootIndex, expecting: type)
        } catch {
            throw Rejection(ClinicAnswer(error.issues))
        }
    }

    /// A change with the conditional references its resource holds.
    func makeChange(
        _ operation: RecordChange.Operation, _ type: ResourceType, id: String, _ resource: ValidatedResource,
        targets: [String: String] = [:]
    ) throws -> RecordChange {
        try checkNotOfLog(type, id: id, resource)
        try checkWhole(type, resource)
        var replacements: [(range: Range<Int>, text: String)] = []
        var conditional: [(range: Range<Int>, query: SearchQuery)] = []
        for reference in SearchExtractor.references(in: resource.tape, at: resource.index) {
            if let target = targets[reference.text] {
                replacements.append((range: reference.range, text: target))
            } else if let mark = reference.text.firstIndex(of: "?"),
                let target = ResourceType(reference.text[..<mark])
            {
                let search = String(reference.text[reference.text.index(after: mark)...])
                conditional.append((range: reference.range, query: try parsedCondition(search, type: target)))
            }
        }
        return RecordChange(
            operation: operation, type: type, id: id, resource: resource, replacements: replacements,
            conditionalReferences: conditional)
    }

    /// What other systems store as AuditEvent does not pass for an event of this server's log.
    private func checkNotOfLog(_ type: ResourceType, id: String, _ resource: ValidatedResource) throws {
        guard type.name == "AuditEvent" else { return }
        guard !Self.isOfLog(type, id) else {
            throw Rejection(
                422, "business-rule", "ids that begin with log- are of this server's own log",
                expression: "AuditEvent.id")
        }
        let tape = resource.tape
        guard let tags = tape.member(resource.index, "meta").flatMap({ tape.member($0, "tag") }) else { return }
        var isTagged = false
        tape.forEachElement(tags) { tag in
            if tape.member(tag, "system").map({ tape.text($0) }) == AuditEventResource.tagSystem { isTagged = true }
        }
        guard !isTagged else {
            throw Rejection(
                422, "business-rule", "this tag is of this server's own log", expression: "AuditEvent.meta.tag")
        }
    }

    /// A part of a record, as `_summary` or `_elements` cut it, does not take the place of the whole.
    private func checkWhole(_ type: ResourceType, _ resource: ValidatedResource) throws {
        guard !RecordView.isMarked(resource.tape, at: resource.index) else {
            throw Rejection(
                422, "business-rule", "a part of a record, as _summary or _elements cut it, is not stored",
                expression: "\(type.name).meta.tag")
        }
    }

    /// A search that must find at most one: If-None-Exist or a conditional reference.
    func parsedCondition(_ text: String, type: ResourceType) throws -> SearchQuery {
        let search = text.hasPrefix("?") ? String(text.dropFirst()) : text
        let query = search.firstIndex(of: "?").map { String(search[search.index(after: $0)...]) } ?? search
        guard let pairs = decodedQuery(query) else { throw Self.noCondition }
        return try condition(pairs, type)
    }

    /// The search of a conditional interaction, for which no other records are looked up; one that asks nothing would
    /// concern whatever there is.
    func condition(_ pairs: [SearchPair], _ type: ResourceType) throws -> SearchQuery {
        let parsed = try SearchQuery.parse(
            type: type, parameters: pairs, handling: .strict, context: searchContext())
        if let name = parsed.tiedName {
            throw SearchQueryFailure.unsupported(parameter: name, .chaining)
        }
        guard !parsed.plans.allSatisfy({ $0.criterion == .always }) else { throw Self.noCondition }
        return parsed
    }

    private static let noCondition = Rejection(
        400, "value", "a condition must be a search with at least one parameter")
}
