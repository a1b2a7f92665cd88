public import WardFHIR
import WardGate
import WardVault

extension Clinic {
    /// `GET Type/id` (FHIR R4 http.html#read).
    public func read(_ type: ResourceType, _ id: String, _ request: ClinicRequest) async -> ClinicAnswer {
        if Self.isOfLog(type, id) { return await answering { try await readLogged(id, request) } }
        return await readStored(type, id, request)
    }

    func readStored(_ type: ResourceType, _ id: String, _ request: ClinicRequest) async -> ClinicAnswer {
        await answering {
            let grant = try await gate.authorize(
                Read.self, on: GrantSubject(type: type, id: id), principal: request.principal, source: request.source)
            return try answer(try await vault.read(with: grant))
        }
    }

    /// `GET Type/id/_history/version` (FHIR R4 http.html#vread).
    public func versionRead(
        _ type: ResourceType, _ id: String, version text: String, _ request: ClinicRequest
    ) async -> ClinicAnswer {
        await answering {
            if Self.isOfLog(type, id), text == "1" { return try await readLogged(id, request) }
            guard let version = Int64(text), version > 0, String(version) == text else {
                throw Rejection(404, "not-found", "there is no such version")
            }
            let grant = try await gate.authorize(
                VersionRead.self, on: GrantSubject(type: type, id: id), principal: request.principal,
                source: request.source)
            return try answer(try await vault.read(version: version, with: grant))
        }
    }

    func answer(_ disclosure: Disclosure) throws -> ClinicAnswer {
        guard let record = disclosure.records.first, let body = disclosure.resource() else {
            throw Rejection(500, "exception", "the request could not be answered")
        }
        return ClinicAnswer(
            status: 200, body: .released(body),
            headers: [
                (name: "ETag", value: entityTag(record.version)),
                (name: "Last-Modified", value: httpDate(record.lastUpdated)),
            ])
    }
}
