import Synchronization
public import WardCore
import WardFHIR

extension Clinic {
    /// `GET metadata`: generated from the definitions and what the code answers (FHIR R4 capabilitystatement.html).
    public func capabilities(date: Instant) -> [UInt8] {
        statement.statement(of: date) { makeStatement(date: date) }
    }

    private func makeStatement(date: Instant) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 800_000)
        writer.beginObject()
        writer.member("resourceType", "CapabilityStatement")
        writer.member("status", "active")
        writer.member("date", date.text)
        writer.member("kind", "instance")
        writer.key("software")
        writer.beginObject()
        writer.member("name", "Ward")
        writer.member("version", Self.softwareVersion)
        writer.endObject()
        writer.key("implementation")
        writer.beginObject()
        writer.member("description", "Ward, a sealed health record server")
        writer.member("url", base)
        writer.endObject()
        writer.member("fhirVersion", "4.0.1")
        writer.strings("format", ["application/fhir+json", "json"])
        writer.strings("patchFormat", ["application/json-patch+json", "application/fhir+json"])
        writer.key("rest")
        writer.beginArray()
        writer.beginObject()
        writer.member("mode", "server")
        writeSecurity(&writer)
        writer.key("resource")
        writer.beginArray()
        for type in ResourceType.allCases { write(type, &writer) }
        writer.endArray()
        writer.key("interaction")
        writer.beginArray()
        for code in ["transaction", "batch", "history-system", "search-system"] { writer.coded(code) }
        writer.endArray()
        writer.strings(
            "compartment",
            CompartmentTable.types.map {
                "http://hl7.org/fhir/CompartmentDefinition/\($0.name.prefix(1).lowercased())\($0.name.dropFirst())"
            })
        writer.endObject()
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    /// Version of this program.
    public static let softwareVersion = "0.1.0"

    private func writeSecurity(_ writer: inout JSONWriter) {
        writer.key("security")
        writer.beginObject()
        writer.key("extension")
        writer.beginArray()
        writer.beginObject()
        writer.member("url", "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris")
        writer.key("extension")
        writer.beginArray()
        for name in ["authorize", "token", "register", "introspect", "revoke"] {
            writer.beginObject()
            writer.member("url", name)
            writer.member("valueUri", "\(base.dropLast("/fhir".count))/oauth/\(name)")
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        writer.endArray()
        writer.key("service")
        writer.beginArray()
        writer.beginObject()
        writer.key("coding")
        writer.beginArray()
        writer.beginObject()
        writer.member("system", "http://terminology.hl7.org/CodeSystem/restful-security-service")
        writer.member("code", "SMART-on-FHIR")
        writer.endObject()
        writer.endArray()
        writer.endObject()
        writer.endArray()
        writer.endObject()
    }

    /// Reference parameters of any type that may point at a type, by ``ResourceType/code``.
    private static let referrers: [[String]] = {
        var referrers = [[String]](repeating: [], count: ResourceType.allCases.count)
        for parameter in Definitions.r4.searchParameters where parameter.type == .reference {
            let name = "\(parameter.base.name):\(parameter.code)"
            for target in parameter.targets { referrers[Int(target.code)].append(name) }
        }
        return referrers
    }()

    private func write(_ type: ResourceType, _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("type", type.name)
        writer.key("interaction")
        writer.beginArray()
        for code in [
            "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
        ] {
            writer.coded(code)
        }
        writer.endArray()
        writer.member("versioning", "versioned-update")
        writer.key("readHistory")
        writer.bool(true)
        writer.key("updateCreate")
        writer.bool(true)
        writer.key("conditionalCreate")
        writer.bool(true)
        writer.member("conditionalRead", "full-support")
        writer.key("conditionalUpdate")
        writer.bool(true)
        writer.member("conditionalDelete", "single")
        writer.strings("referencePolicy", ["literal", "local", "logical"])
        let parameters = Definitions.r4.searchParameters(of: type).filter { $0.type != .special }
        let references = parameters.filter { $0.type == .reference }.map { "\(type.name):\($0.code)" }
        if !references.isEmpty { writer.strings("searchInclude", ["*", "\(type.name):*"] + references) }
        let referrers = Self.referrers[Int(type.code)]
        if !referrers.isEmpty { writer.strings("searchRevInclude", ["*"] + referrers) }
        writeOperations(of: type, &writer)
        writer.key("searchParam")
        writer.beginArray()
        for parameter in parameters {
            writer.beginObject()
            writer.member("name", parameter.code)
            writer.member("type", parameter.type.rawValue)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }
}

extension Clinic {
    private func writeOperations(of type: ResourceType, _ writer: inout JSONWriter) {
        var operations = [("validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate")]
        if ["Patient", "Encounter"].contains(type.name) {
            operations.append(("everything", "http://hl7.org/fhir/OperationDefinition/\(type.name)-everything"))
        }
        writer.key("operation")
        writer.beginArray()
        for (name, definition) in operations {
            writer.beginObject()
            writer.member("name", name)
            writer.member("definition", definition)
            writer.endObject()
        }
        writer.endArray()
    }
}

extension JSONWriter {
    fileprivate mutating func strings(_ name: String, _ texts: [String]) {
        key(name)
        beginArray()
        for text in texts { string(text) }
        endArray()
    }

    fileprivate mutating func coded(_ code: String) {
        beginObject()
        member("code", code)
        endObject()
    }
}

/// The statement is more than a megabyte, and the same until the program is started again.
final class CapabilityCache: Sendable {
    private let made = Mutex<(date: Instant, bytes: [UInt8])?>(nil)

    func statement(of date: Instant, _ make: () -> [UInt8]) -> [UInt8] {
        if let known = made.withLock({ $0 }), known.date == date { return known.bytes }
        let bytes = make()
        made.withLock { $0 = (date: date, bytes: bytes) }
        return bytes
    }
}
