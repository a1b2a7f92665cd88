import WardCore
import WardCrypto
import WardFHIR

/// How vendors and destinations stand in their sealed entries.
extension Vendor {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("name", name)
        writer.member("kind", kind.rawValue)
        writer.member("added", added.microseconds)
        writer.key("agreements")
        writer.beginArray()
        for agreement in agreements { agreement.write(into: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard let root = (try? JSONTape(parsing: bytes))?.root, let name = root["name"]?.string,
            let kind = root["kind"]?.string.flatMap(Kind.init(rawValue:)), let added = root["added"]?.integer,
            let agreements = root["agreements"]?.elements
        else { return nil }
        self.init(name: name, kind: kind, added: Instant(microseconds: added))
        for element in agreements {
            guard let agreement = Agreement(element) else { return nil }
            self.agreements.append(agreement)
        }
    }
}

extension Agreement {
    fileprivate func write(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("sha256", base64(digest.bytes))
        writer.member("file", fileName)
        writer.strings("clauses", AgreementClause.allCases.filter(clauses.contains).map(\.rawValue))
        writer.strings("services", services)
        writer.strings("regions", regions)
        writer.member("effective", effective.microseconds)
        writer.member("ends", ends.microseconds)
        writer.member("clinic", clinicSigner)
        writer.member("vendor", vendorSigner)
        writer.member("recorded", recorded.microseconds)
        if let revoked { writer.member("revoked", revoked.microseconds) }
        writer.endObject()
    }

    fileprivate init?(_ root: JSONValue) {
        guard let digest = root["sha256"]?.string.flatMap(base64Decoded).flatMap({ Digest(bytes: $0) }),
            let file = root["file"]?.string, let clauses = root.strings("clauses"),
            let services = root.strings("services"), let regions = root.strings("regions"),
            let effective = root["effective"]?.integer, let ends = root["ends"]?.integer,
            let clinic = root["clinic"]?.string, let vendor = root["vendor"]?.string,
            let recorded = root["recorded"]?.integer
        else { return nil }
        self.init(
            // A clause of a later version is one that this version does not ask for.
            digest: digest, fileName: file, clauses: Set(clauses.compactMap(AgreementClause.init(rawValue:))),
            services: services, regions: regions, effective: Instant(microseconds: effective),
            ends: Instant(microseconds: ends), clinicSigner: clinic, vendorSigner: vendor)
        self.recorded = Instant(microseconds: recorded)
        revoked = root["revoked"]?.integer.map { Instant(microseconds: $0) }
    }
}

extension Destination {
    func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("name", name)
        writer.member("kind", kind.rawValue)
        writer.member("host", host)
        writer.member("port", port)
        writer.member("region", region)
        writer.member("security", security.rawValue)
        switch ground {
        case .agreement(let vendor, let service):
            writer.member("vendor", vendor)
            writer.member("service", service)
        case .lawful(let category, let reason, let ends):
            writer.member("lawful", category.rawValue)
            writer.member("reason", reason)
            writer.member("ends", ends.microseconds)
        }
        if let address { writer.member("address", address.text) }
        if let authority { writer.member("authority", authority) }
        writer.member("path", path)
        writer.member("by", recordedBy)
        writer.member("recorded", recorded.microseconds)
        writer.member("secret", base64(secret))
        writer.endObject()
        return writer.bytes
    }

    init?(decoding bytes: [UInt8]) {
        guard let root = (try? JSONTape(parsing: bytes))?.root, let name = root["name"]?.string,
            let kind = root["kind"]?.string.flatMap(Kind.init(rawValue:)), let host = root["host"]?.string,
            let port = root["port"]?.integer, let region = root["region"]?.string,
            let security = root["security"]?.string.flatMap(Security.init(rawValue:)),
            let path = root["path"]?.string, let by = root["by"]?.string, let recorded = root["recorded"]?.integer,
            let secret = root["secret"]?.string.flatMap(base64Decoded), let ground = Self.ground(root)
        else { return nil }
        let address = root["address"]?.string
        let parsed = address.flatMap { IPAddress($0) }
        // An address that cannot be read is not the same as none.
        guard address == nil || parsed != nil else { return nil }
        self.init(
            name: name, kind: kind, host: host, port: Int(port), region: region, security: security, ground: ground,
            address: parsed, authority: root["authority"]?.string, path: path)
        (recordedBy, self.recorded, self.secret) = (by, Instant(microseconds: recorded), secret)
    }

    private static func ground(_ root: JSONValue) -> Ground? {
        if let vendor = root["vendor"]?.string, let service = root["service"]?.string {
            return .agreement(vendor: vendor, service: service)
        }
        guard let category = root["lawful"]?.string.flatMap(LawfulCategory.init(rawValue:)),
            let reason = root["reason"]?.string, let ends = root["ends"]?.integer
        else { return nil }
        return .lawful(category, reason: reason, ends: Instant(microseconds: ends))
    }
}

extension JSONWriter {
    mutating func strings(_ name: String, _ values: [String]) {
        key(name)
        beginArray()
        for value in values { string(value) }
        endArray()
    }
}

extension JSONValue {
    func strings(_ name: StaticString) -> [String]? {
        guard let elements = self[name]?.elements else { return nil }
        let values = elements.compactMap(\.string)
        return values.count == elements.count ? values : nil
    }
}
