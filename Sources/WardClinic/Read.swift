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
            let form = try form(of: request, type)
            let grant = try await gate.authorize(
                Read.self, on: GrantSubject(type: type, id: id), principal: request.principal, source: request.source)
            return try answer(try await vault.read(with: grant), form, request)
        }
    }

    /// `GET Type/id/_history/version` (FHIR R4 http.html#vread).
    public func versionRead(
        _ type: ResourceType, _ id: String, version text: String, _ request: ClinicRequest
    ) async -> ClinicAnswer {
        await answering {
            if Self.isOfLog(type, id), text == "1" { return try await readLogged(id, request) }
            let form = try form(of: request, type)
            guard let version = Int64(text), version > 0, String(version) == text else {
                throw Rejection(404, "not-found", "there is no such version")
            }
            let grant = try await gate.authorize(
                VersionRead.self, on: GrantSubject(type: type, id: id), principal: request.principal,
                source: request.source)
            return try answer(try await vault.read(version: version, with: grant), form, request)
        }
    }

    private func form(of request: ClinicRequest, _ type: ResourceType) throws -> ResultForm {
        var parameters = request.parameters
        let form = try ResultForm(taking: &parameters, type: type)
        guard !form.isCount else {
            throw Rejection(400, "value", "a single resource is not counted", expression: "_summary")
        }
        return form
    }

    /// The resource, or 304 to who has that version already: opened, decided on and in the log like any other read.
    private func answer(
        _ disclosure: Disclosure, _ form: ResultForm, _ request: ClinicRequest
    ) throws -> ClinicAnswer {
        guard let record = disclosure.records.first, let body = disclosure.viewed(as: form.view).resource() else {
            throw Rejection(500, "exception", "the request could not be answered")
        }
        let headers = [
            (name: "ETag", value: entityTag(record.version)),
            (name: "Last-Modified", value: httpDate(record.lastUpdated)),
        ]
        if isKnown(record, to: request) {
            return ClinicAnswer(status: 304, body: .none, headers: headers, receipt: disclosure.receipt)
        }
        return ClinicAnswer(status: 200, body: .released(body), headers: headers)
    }
}
