import WardCrypto
public import WardFHIR
import WardGate
import WardVault

extension Clinic {
    /// `PATCH Type/id` (FHIR R4 http.html#patch): a JSON Patch, or the Parameters of a FHIRPath Patch.
    public func patch(_ type: ResourceType, _ id: String, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            guard Self.isID(id) else { throw Rejection(400, "value", "not a logical id") }
            let change = RecordChange(
                operation: .patch(try parsedPatch(request.body, request.mediaType), ifMatch: try expected(request)),
                type: try patchable(type), id: id, resource: nil)
            let grant = try await gate.authorize(
                Update.self, on: GrantSubject(type: type, id: id), principal: request.principal,
                source: request.source)
            let (disclosure, result) = try await vault.patch(change, with: grant)
            return written(disclosure, result, request.preference)
        }
    }

    /// `PATCH Type?search`: of the one resource that is found.
    public func patch(_ type: ResourceType, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            var change = RecordChange(
                operation: .patch(try parsedPatch(request.body, request.mediaType), ifMatch: try expected(request)),
                type: try patchable(type), id: randomUUID(), resource: nil)
            change.target = try condition(request.parameters, type)
            let grant = try await gate.authorize(
                Update.self, on: GrantSubject(steps: change.needs), principal: request.principal,
                source: request.source)
            let (disclosure, result) = try await vault.patch(change, with: grant)
            return written(disclosure, result, request.preference)
        }
    }

    /// `PUT Type?search` (FHIR R4 http.html#cond-update): updates the one resource that is found, or creates.
    public func update(_ type: ResourceType, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            let resource = try validated(request.body, type: type)
            var change = try makeChange(
                .update(ifMatch: try expected(request)), type, id: resource.id ?? randomUUID(), resource)
            change.target = try condition(request.parameters, type)
            let grant = try await gate.authorize(
                Update.self, on: GrantSubject(steps: change.needs), principal: request.principal,
                source: request.source)
            let (disclosure, result) = try await vault.update(change, with: grant)
            return written(disclosure, result, request.preference)
        }
    }

    /// `DELETE Type?search` (FHIR R4 http.html#3.1.0.7.1): of the one resource that is found; several are refused.
    public func delete(_ type: ResourceType, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            var change = RecordChange(operation: .delete, type: type, id: randomUUID(), resource: nil)
            change.target = try condition(request.parameters, type)
            let grant = try await gate.authorize(
                Delete.self, on: GrantSubject(steps: change.needs), principal: request.principal,
                source: request.source)
            let (disclosure, result) = try await vault.delete(change, with: grant)
            return ClinicAnswer(
                status: 204, body: .none,
                headers: result.version > 0 ? [(name: "ETag", value: entityTag(result.version))] : [],
                receipt: disclosure.receipt)
        }
    }

    /// A record of what happened is not changed in parts, nor are events of the log.
    func patchable(_ type: ResourceType) throws -> ResourceType {
        guard type.name != "AuditEvent" else {
            throw Rejection(405, "not-supported", "an AuditEvent is not patched")
        }
        return type
    }

    /// `If-Match`, read.
    func expected(_ request: ClinicRequest) throws -> Int64? {
        guard let tag = request.ifMatch else { return nil }
        guard let version = version(ofTag: tag) else {
            throw Rejection(400, "value", "If-Match is not an entity tag of this server")
        }
        return version
    }

    func parsedPatch(_ body: [UInt8], _ mediaType: String) throws -> RecordPatch {
        guard body.count <= RecordPatch.sizeLimit else { throw PatchFailure(operation: 0, reason: .tooLarge) }
        let tape = try JSONTape(parsing: body)
        guard mediaType != "application/json-patch+json" else { return try RecordPatch(json: tape) }
        // The document of a JSON Patch is an array, and no resource is one.
        if tape.root.kind == .array {
            throw Rejection(415, "not-supported", "a JSON Patch is of type application/json-patch+json")
        }
        do throws(ValidationFailure) {
            _ = try ResourceValidator.validated(tape, at: JSONTape.rootIndex, expecting: ResourceType("Parameters"))
        } catch {
            throw Rejection(ClinicAnswer(error.issues))
        }
        return try RecordPatch(parameters: tape)
    }

    /// The patch in an entry of a Bundle: a JSON Patch wrapped in a Binary, or Parameters (http.html#patch).
    func parsedPatch(_ entry: BundleEntry, in tape: JSONTape) throws -> RecordPatch {
        guard let node = entry.resource else { throw Rejection(400, "required", "a patch needs a resource") }
        var body: [UInt8] = []
        guard tape.member(node, "resourceType").map({ tape.text($0) }) == "Binary" else {
            tape.writeCompact(node, into: &body)
            return try parsedPatch(body, "application/fhir+json")
        }
        guard tape.member(node, "contentType").map({ tape.text($0) }) == "application/json-patch+json",
            let data = tape.member(node, "data").flatMap({ base64Decoded(tape.text($0)) })
        else {
            throw Rejection(
                400, "value", "the Binary must hold a JSON Patch",
                expression: "Bundle.entry[\(entry.number)].resource")
        }
        return try parsedPatch(data, "application/json-patch+json")
    }
}
