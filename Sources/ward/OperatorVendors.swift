import WardAudit
import WardCore
import WardCrypto
import WardEgress
import WardFHIR
import WardPolicy

/// The register of vendors at the machine.
extension OperatorService {
    func addVendor(_ request: OperatorRequest) async throws {
        guard let kind = request.options["kind"].flatMap(Vendor.Kind.init(rawValue:)) else {
            throw CommandFailure(RegisterFault.bad(.kind).text)
        }
        let actor = try await acting(.administer, request)
        try await registering { () throws(RegisterFault) in
            try await house.register.addVendor(
                request.options["name"] ?? "", kind: kind, by: actor, source: Self.source)
        }
    }

    func signAgreement(_ request: OperatorRequest, _ reply: Reply) async throws {
        let vendor = request.options["vendor"] ?? ""
        let agreement = try agreement(request)
        let actor = try await acting(.administer, request)
        try await registering { () throws(RegisterFault) in
            try await house.register.sign(agreement, vendor: vendor, by: actor, source: Self.source)
        }
        reply(.output("agreement of \(vendor) recorded, sha256 \(hex(agreement.digest.bytes))"))
        for clause in agreement.missingClauses {
            reply(.output("missing: \(clause.rawValue)  45 CFR \(clause.citation)  \(clause.text)"))
        }
        if !agreement.missingClauses.isEmpty { reply(.output("it opens nothing while a clause is missing")) }
    }

    private func agreement(_ request: OperatorRequest) throws -> Agreement {
        var clauses: Set<AgreementClause> = []
        for name in words(request.options["clauses"]) {
            guard let clause = AgreementClause(rawValue: name) else {
                throw CommandFailure(RegisterFault.bad(.clause).text)
            }
            clauses.insert(clause)
        }
        let path = request.options["document"] ?? ""
        let bytes: [UInt8]
        do throws(FileFailure) { bytes = try PrivateFile.read(path, secret: false, limit: 64 << 20) } catch {
            throw CommandFailure(RegisterFault.bad(.document).text)
        }
        guard !bytes.isEmpty else { throw CommandFailure(RegisterFault.bad(.document).text) }
        guard let effective = day(request.options["effective"]) else {
            throw CommandFailure(RegisterFault.bad(.days).text)
        }
        guard let ends = day(request.options["ends"]) else { throw CommandFailure(RegisterFault.bad(.date).text) }
        return Agreement(
            digest: sha256(bytes), fileName: String(path.split(separator: "/").last ?? ""), clauses: clauses,
            services: words(request.options["services"]), regions: words(request.options["regions"]),
            effective: effective, ends: ends, clinicSigner: request.options["clinic"] ?? "",
            vendorSigner: request.options["signer"] ?? "")
    }

    func revokeVendor(_ request: OperatorRequest, _ reply: Reply) async throws {
        let actor = try await acting(.administer, request)
        let name = request.options["name"] ?? ""
        let count = try await registering { () throws(RegisterFault) in
            try await house.register.revoke(name, by: actor, source: Self.source)
        }
        reply(.output("\(count) \(count == 1 ? "agreement" : "agreements") of \(name) revoked"))
    }

    func addDestination(_ request: OperatorRequest, _ reply: Reply) async throws {
        let destination = try destination(request)
        let actor = try await acting(.administer, request)
        let kept = try await registering { () throws(RegisterFault) in
            try await house.register.add(destination, by: actor, source: Self.source)
        }
        reply(.output("destination \(kept.name) added"))
        if !kept.secret.isEmpty { reply(.output("secret of its signatures, shown once: \(hex(kept.secret))")) }
        if let refusal = refusal(of: kept) { reply(.output("closed: \(refusal.text)")) }
    }

    private func destination(_ request: OperatorRequest) throws -> Destination {
        func bad(_ field: RegisterFault.Field) -> CommandFailure { CommandFailure(RegisterFault.bad(field).text) }
        guard let kind = request.options["kind"].flatMap(Destination.Kind.init(rawValue:)) else { throw bad(.kind) }
        guard let port = request.options["port"].flatMap({ Int($0) }) else { throw bad(.port) }
        let security = request.options["security"].flatMap(Destination.Security.init(rawValue:)) ?? .tls
        var address: IPAddress?
        if let text = request.options["address"] {
            guard let parsed = IPAddress(text) else { throw bad(.address) }
            address = parsed
        }
        var authority: String?
        if let path = request.options["ca"] {
            do throws(FileFailure) {
                authority = String(decoding: try PrivateFile.read(path, secret: false, limit: 65_536), as: UTF8.self)
            } catch {
                throw bad(.authority)
            }
        }
        return Destination(
            name: request.options["name"] ?? "", kind: kind, host: request.options["host"] ?? "", port: port,
            region: request.options["region"] ?? "", security: security, ground: try ground(request), address: address,
            authority: authority, path: request.options["path"] ?? "/")
    }

    private func ground(_ request: OperatorRequest) throws -> Destination.Ground {
        let (vendor, lawful) = (request.options["vendor"], request.options["lawful"])
        guard (vendor == nil) != (lawful == nil) else {
            throw CommandFailure("either --vendor with --service, or --lawful with --reason and --ends")
        }
        if let vendor {
            guard let service = request.options["service"] else { throw CommandFailure("--vendor needs --service") }
            return .agreement(vendor: vendor, service: service)
        }
        guard let category = lawful.flatMap(Destination.LawfulCategory.init(rawValue:)) else {
            let names = Destination.LawfulCategory.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure("--lawful is one of \(names)")
        }
        guard let ends = day(request.options["ends"]) else { throw CommandFailure(RegisterFault.bad(.date).text) }
        return .lawful(category, reason: request.options["reason"] ?? "", ends: ends)
    }

    func removeDestination(_ request: OperatorRequest) async throws {
        let actor = try await acting(.administer, request)
        try await registering { () throws(RegisterFault) in
            try await house.register.removeDestination(
                request.options["name"] ?? "", by: actor, source: Self.source)
        }
    }

    // MARK: Showing

    func listVendors(_ request: OperatorRequest, _ reply: Reply) {
        let isJSON = request.options["json"] != nil
        for vendor in house.register.vendors { isJSON ? reply(.output(json(vendor))) : say(vendor, reply) }
        for destination in house.register.destinations {
            isJSON ? reply(.output(json(destination))) : say(destination, reply)
        }
        if !isJSON, house.register.vendors.isEmpty, house.register.destinations.isEmpty {
            reply(.output("no vendors: nothing leaves"))
        }
    }

    private func refusal(of destination: Destination) -> EgressRefusal? {
        do throws(EgressRefusal) {
            _ = try house.register.proof(for: destination.name, kind: destination.kind, at: .now())
            return nil
        } catch {
            return error
        }
    }

    private func say(_ vendor: Vendor, _ reply: Reply) {
        reply(.output("vendor \(vendor.name)  \(vendor.kind.rawValue)  added \(vendor.added.text)"))
        for agreement in vendor.agreements {
            let state =
                agreement.revoked.map { "revoked \($0.text)" }
                ?? (agreement.missingClauses.isEmpty
                    ? "complete" : "missing \(agreement.missingClauses.map(\.rawValue).joined(separator: ", "))")
            reply(
                .output(
                    "    \(agreement.effective.text.prefix(10)) to \(agreement.ends.text.prefix(10))  \(state)  "
                        + "\(agreement.services.joined(separator: ", "))  in \(agreement.regions.joined(separator: ", "))  "
                        + "\(agreement.fileName)  \(hex(agreement.digest.bytes).prefix(16))"))
        }
    }

    private func say(_ destination: Destination, _ reply: Reply) {
        let ground =
            switch destination.ground {
            case .agreement(let vendor, let service): "\(vendor)/\(service)"
            case .lawful(let category, _, let ends): "\(category.rawValue) until \(ends.text.prefix(10))"
            }
        let state = refusal(of: destination).map { "closed: \($0.text)" } ?? "open"
        reply(
            .output(
                "destination \(destination.name)  \(destination.kind.rawValue)  \(destination.host):\(destination.port)  "
                    + "\(destination.region)  \(ground)  \(state)"))
    }

    private func json(_ vendor: Vendor) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("vendor", vendor.name)
        writer.member("kind", vendor.kind.rawValue)
        writer.member("added", vendor.added.text)
        writer.key("agreements")
        writer.beginArray()
        for agreement in vendor.agreements {
            writer.beginObject()
            writer.member("sha256", hex(agreement.digest.bytes))
            writer.member("file", agreement.fileName)
            for (name, values) in [
                ("missing", agreement.missingClauses.map(\.rawValue)), ("services", agreement.services),
                ("regions", agreement.regions),
            ] {
                writer.key(name)
                writer.beginArray()
                for value in values { writer.string(value) }
                writer.endArray()
            }
            writer.member("effective", agreement.effective.text)
            writer.member("ends", agreement.ends.text)
            writer.member("signedBy", agreement.clinicSigner)
            writer.member("signedForVendor", agreement.vendorSigner)
            if let revoked = agreement.revoked { writer.member("revoked", revoked.text) }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func json(_ destination: Destination) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("destination", destination.name)
        writer.member("kind", destination.kind.rawValue)
        writer.member("host", destination.host)
        writer.member("port", destination.port)
        writer.member("region", destination.region)
        switch destination.ground {
        case .agreement(let vendor, let service):
            writer.member("vendor", vendor)
            writer.member("service", service)
        case .lawful(let category, let reason, let ends):
            writer.member("lawful", category.rawValue)
            writer.member("reason", reason)
            writer.member("ends", ends.text)
        }
        if let address = destination.address { writer.member("address", address.text) }
        writer.member("by", destination.recordedBy)
        let refusal = refusal(of: destination)
        writer.key("open")
        writer.bool(refusal == nil)
        if let refusal { writer.member("closed", refusal.code) }
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    // MARK: Parts

    private func registering<Result>(
        _ body: () async throws(RegisterFault) -> Result
    ) async throws -> Result {
        do throws(RegisterFault) { return try await body() } catch { throw CommandFailure(error.text) }
    }

    private func words(_ text: String?) -> [String] { (text ?? "").split(separator: "\n").map(String.init) }

    private func day(_ text: String?) -> Instant? {
        guard let text, text.utf8.count == 10, let day = FHIRDate.interval(text[...]) else { return nil }
        return Instant(microseconds: day.low)
    }
}
