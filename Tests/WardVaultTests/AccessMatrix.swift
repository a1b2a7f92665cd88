import WardCore
import WardFHIR
import WardGate
import WardIdentity
import WardPolicy
import WardTestKit
import WardVault

/// One record of each type about a patient who is cared for, one about a stranger, one about nobody.
struct PlantedRecords: Sendable {
    enum Group: String, CaseIterable, Sendable {
        case near, far, nobody
    }

    struct Record: Sendable {
        let type: ResourceType
        let id: String
        let group: Group
        let json: String
    }

    /// In each narrative, which no field profile shows.
    static let canary = "canary-6f1d"

    let records: [Record]

    /// - Parameter minimal: a valid resource of each type, without references.
    init(_ minimal: [JSONValue]) throws {
        var records: [Record] = []
        for resource in minimal {
            let type = try ResourceType.named(resource["resourceType"]?.string ?? "")
            if type.name == "Patient" {
                for group in [Group.near, .far] {
                    records.append(Record(type: type, id: group.rawValue, group: group, json: Self.patient(group)))
                }
                continue
            }
            for group in Group.allCases {
                let id = "\(type.name)-\(group.rawValue)"
                let json = Self.about(group, resource, type, id)
                if let json { records.append(Record(type: type, id: id, group: group, json: json)) }
            }
        }
        self.records = records
    }

    private static func patient(_ group: Group) -> String {
        #"{"resourceType":"Patient","id":"\#(group.rawValue)",\#(narrative),"name":[{"family":"\#(group.rawValue)"}],"#
            + #""maritalStatus":{"text":"\#(canary)"}}"#
    }

    private static let narrative =
        #""text":{"status":"additional","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">\#(canary)</div>"}"#

    /// The minimal resource with the first element that makes it one of the patient's; nil if there is none.
    private static func about(_ group: Group, _ minimal: JSONValue, _ type: ResourceType, _ id: String) -> String? {
        let texts = ["Binary", "Bundle", "Parameters"].contains(type.name) ? "" : narrative
        if group == .nobody { return resource(minimal, id, texts, leavingOut: "", adding: "") }
        let reference = #"{"reference":"Patient/\#(group.rawValue)"}"#
        let forms: [(String, String)] =
            [
                "subject", "patient", "beneficiary", "individual", "for", "actor", "sender", "source", "agent", "focus",
                "candidate", "deliverTo",
            ]
            .map { ($0, reference) }
            + ["subject", "patient", "recipient", "target", "author", "performer", "actor"].map {
                ($0, "[\(reference)]")
            }
            + [
                ("participant", #"[{"actor":\#(reference),"status":"accepted"}]"#),
                ("participant", #"[{"individual":\#(reference)}]"#), ("participant", #"[{"member":\#(reference)}]"#),
                ("link", #"[{"target":\#(reference)}]"#), ("member", #"[{"entity":\#(reference)}]"#),
                ("entity", #"[{"what":\#(reference)}]"#), ("action", #"[{"participant":[\#(reference)]}]"#),
            ]
        for (key, value) in forms {
            let text = resource(minimal, id, texts, leavingOut: key, adding: #""\#(key)":\#(value)"#)
            guard let valid = try? TestHouse.validated(text) else { continue }
            let numbers = Definitions.r4.patientCompartment(of: type)
            let values = SearchExtractor.values(
                of: valid.tape, at: valid.index, type: type, ownBase: TestHouse.base)
            let isAbout = values.contains { value in
                guard case .reference(let target, let found, _) = value.value else { return false }
                return numbers.contains(value.parameter) && target.name == "Patient" && found == group.rawValue
            }
            if isAbout { return text }
        }
        return nil
    }

    private static func resource(
        _ minimal: JSONValue, _ id: String, _ texts: String, leavingOut key: String, adding text: String
    ) -> String {
        var parts = [#""id":"\#(id)""#, texts, text].filter { !$0.isEmpty }
        for (name, value) in minimal.members where name != key {
            var bytes: [UInt8] = []
            value.tape.writeCompact(value.index, into: &bytes)
            parts.append(#""\#(name)":\#(String(decoding: bytes, as: UTF8.self))"#)
        }
        return "{\(parts.joined(separator: ","))}"
    }
}

/// What came of an attempt; a refusal by the gate is one by name, before any record was looked for.
enum Attempt: Equatable {
    case shown(String)
    case absent
    case refused
    case refusedByName
}

extension TestHouse {
    func attempt(_ body: () async throws -> Disclosure) async throws -> Attempt {
        do {
            let disclosure = try await body()
            return .shown(disclosure.lines().exposed { String(decoding: $0, as: UTF8.self) })
        } catch is GateFailure {
            return .refusedByName
        } catch let failure as VaultFailure {
            switch failure {
            case .notFound: return .absent
            case .refused: return .refused
            default: throw failure
            }
        }
    }

    func tryRead(_ type: ResourceType, _ id: String, as principal: Principal) async throws -> Attempt {
        try await attempt { try await read(type, id, as: principal) }
    }

    func tryVersion(_ type: ResourceType, _ id: String, _ version: Int64, as principal: Principal) async throws
        -> Attempt
    {
        try await attempt {
            try await vault.read(
                version: version,
                with: try await grant(VersionRead.self, on: GrantSubject(type: type, id: id), to: principal))
        }
    }

    func tryHistory(_ type: ResourceType, _ id: String, as principal: Principal) async throws -> Attempt {
        try await attempt {
            try await vault.history(
                offset: 0, limit: 100,
                with: try await grant(InstanceHistory.self, on: GrantSubject(type: type, id: id), to: principal)
            ).disclosure
        }
    }

    func tryPut(_ json: String, as principal: Principal) async throws -> Attempt {
        try await attempt { try await put(json, as: principal).disclosure }
    }

    func tryCreate(_ json: String, id: String, as principal: Principal) async throws -> Attempt {
        let resource = try Self.validated(json)
        return try await attempt {
            let grant = try await grant(Create.self, on: GrantSubject(types: [resource.type]), to: principal)
            let change = RecordChange(
                operation: .create(unlessExists: nil), type: resource.type, id: id, resource: resource)
            return try await vault.create(change, with: grant).disclosure
        }
    }

    /// Ids found, with those included; nil if the gate refuses. The total is held against the ids.
    func tryFind(
        _ type: ResourceType, _ parameters: [(String, String)] = [], as principal: Principal
    ) async throws -> (matches: Set<String>, total: Int?, included: Set<String>, text: String)? {
        do {
            let answer = try await search(type, parameters, pageSize: 1000, as: principal)
            func ids(_ mode: SearchMode) -> Set<String> {
                Set(answer.disclosure.records.filter { $0.mode == mode }.map { "\($0.type.name)/\($0.id)" })
            }
            return (
                ids(.match), answer.total, ids(.include),
                answer.disclosure.lines().exposed { String(decoding: $0, as: UTF8.self) }
            )
        } catch is GateFailure {
            return nil
        } catch VaultFailure.refused {
            return nil
        }
    }
}
