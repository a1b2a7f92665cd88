import WardAudit
import WardClinic
import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardSQLite
import WardStorage
import WardTestKit
import WardVault

/// The stores that the vault runs on.
enum Engine: String, CaseIterable, Sendable {
    case memory, sqlite

    func make() throws -> any SealedStore {
        switch self {
        case .memory: return MemoryStore()
        case .sqlite:
            let folder = try TemporaryFolder()
            return FailingStore(try SQLiteStore(path: folder.path + "/ward.db"), in: folder)
        }
    }
}

/// Synthetic resources.
enum Chart {
    static func patient(_ id: String, family: String = "Testperson", city: String? = nil) -> String {
        let address = city.map { #","address":[{"city":"\#($0)"}]"# } ?? ""
        return #"{"resourceType":"Patient","id":"\#(id)","name":[{"family":"\#(family)"}]\#(address)}"#
    }

    static func observation(_ id: String, of patient: String?, code: String = "29463-7", value: Int = 70) -> String {
        let subject = patient.map { #","subject":{"reference":"Patient/\#($0)"}"# } ?? ""
        return """
            {"resourceType":"Observation","id":"\(id)","status":"final","code":{"coding":[{"system":"http://loinc.org",\
            "code":"\(code)"}]}\(subject),"valueQuantity":{"value":\(value),"unit":"kg",\
            "system":"http://unitsofmeasure.org","code":"kg"}}
            """
    }

    static func organization(_ id: String, name: String) -> String {
        #"{"resourceType":"Organization","id":"\#(id)","name":"\#(name)"}"#
    }
}

extension Disclosure {
    /// The single record as text.
    var text: String { resource()?.exposed { String(decoding: $0, as: UTF8.self) } ?? "" }

    var names: [String] { records.map { "\($0.type.name)/\($0.id)/\($0.version)" } }
}

extension ClinicAnswer {
    var text: String {
        switch body {
        case .none: ""
        case .plain(let bytes): String(decoding: bytes, as: UTF8.self)
        case .released(let bytes): bytes.exposed { String(decoding: $0, as: UTF8.self) }
        }
    }
}

extension TestHouse {
    func transact(
        _ changes: [RecordChange], as principal: Principal
    ) async throws -> (disclosure: Disclosure, results: [ChangeResult]) {
        let grant = try await grant(
            Transaction.self, on: GrantSubject(steps: changes.flatMap(\.needs)), to: principal)
        return try await vault.transact(changes, with: grant)
    }

    static func change(_ json: String) throws -> RecordChange {
        let resource = try validated(json)
        return RecordChange(
            operation: .update(ifMatch: nil), type: resource.type, id: resource.id ?? "", resource: resource)
    }

    func request(_ principal: Principal, _ body: String = "", ifNoneExist: String? = nil) -> ClinicRequest {
        ClinicRequest(
            principal: principal, source: TestHouse.source, ifNoneExist: ifNoneExist, body: Array(body.utf8))
    }
}
