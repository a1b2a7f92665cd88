import HTTPTypes
import WardFHIR
import WardTelemetry

/// What a path below `/fhir` means (FHIR R4 http.html#3.1.0.1.2). The template is what may be logged.
enum FHIRRoute {
    case accounting(String)
    case bundle
    case conditionalDelete(ResourceType)
    case conditionalPatch(ResourceType)
    case conditionalUpdate(ResourceType)
    case create(ResourceType)
    case delete(ResourceType, String)
    case everything(ResourceType, String)
    case history(ResourceType, String)
    case metadata
    case methodNotAllowed(allow: StaticString)
    case patch(ResourceType, String)
    case read(ResourceType, String)
    case search(ResourceType)
    case searchByPost(ResourceType)
    /// Of the second type, or of all in the compartment.
    case searchCompartment(ResourceType, String, ResourceType?)
    case searchSystem
    case searchSystemByPost
    case unknown
    case unknownType
    case unsupported
    case typeHistory(ResourceType?)
    case update(ResourceType, String)
    case validate(ResourceType, String?)
    case versionRead(ResourceType, String, String)

    /// Whether nothing is written, however a client asks; anything new that is posted counts as writing.
    func isReading(_ method: HTTPRequest.Method) -> Bool {
        switch self {
        case .searchByPost, .searchSystemByPost, .validate: true
        default: method == .get || method == .head
        }
    }

    /// Whether the body is a patch.
    var isPatch: Bool {
        switch self {
        case .conditionalPatch, .patch: true
        default: false
        }
    }

    /// Whether the body is a form with the parameters of a search.
    var isForm: Bool {
        switch self {
        case .searchByPost, .searchSystemByPost: true
        default: false
        }
    }

    /// Whether the work is that of one record, done in well under a millisecond; a patch may be more work than its size
    /// tells.
    var isShort: Bool {
        switch self {
        case .create, .delete, .read, .update, .versionRead: true
        default: false
        }
    }

    init(_ asked: HTTPRequest.Method, _ path: [Substring]) {
        // A HEAD is a GET whose body is not sent (RFC 9110 §9.3.2).
        let method: HTTPRequest.Method = asked == .head ? .get : asked
        guard let first = path.first else {
            switch method {
            case .post: self = .bundle
            case .get: self = .searchSystem
            default: self = .methodNotAllowed(allow: "GET, POST")
            }
            return
        }
        if first == "_search", path.count == 1 {
            self = method == .post ? .searchSystemByPost : .methodNotAllowed(allow: "POST")
            return
        }
        if first == "metadata", path.count == 1 {
            self = method == .get ? .metadata : .methodNotAllowed(allow: "GET")
            return
        }
        if first == "_history", path.count == 1 {
            self = method == .get ? .typeHistory(nil) : .methodNotAllowed(allow: "GET")
            return
        }
        if first.hasPrefix("$") || first.hasPrefix("_") {
            self = .unsupported
            return
        }
        guard let type = ResourceType(first) else {
            self = .unknownType
            return
        }
        self = Self.route(method, type, path.dropFirst().map(String.init))
    }

    private static func route(_ method: HTTPRequest.Method, _ type: ResourceType, _ rest: [String]) -> FHIRRoute {
        if type.name == "Patient", rest.count == 2, rest[1] == "$accounting-of-disclosures" {
            return method == .get ? .accounting(rest[0]) : .methodNotAllowed(allow: "GET")
        }
        if ["Patient", "Encounter"].contains(type.name), rest.count == 2, rest[1] == "$everything" {
            return method == .get ? .everything(type, rest[0]) : .methodNotAllowed(allow: "GET")
        }
        if rest.count <= 2, rest.last == "$validate" {
            let id = rest.count == 2 ? rest[0] : nil
            return method == .post ? .validate(type, id) : .methodNotAllowed(allow: "POST")
        }
        if rest.contains(where: { $0.hasPrefix("$") }) { return .unsupported }
        switch rest.count {
        case 0:
            switch method {
            case .get: return .search(type)
            case .post: return .create(type)
            case .put: return .conditionalUpdate(type)
            case .delete: return .conditionalDelete(type)
            case .patch: return .conditionalPatch(type)
            default: return .methodNotAllowed(allow: "GET, POST, PUT, PATCH, DELETE")
            }
        case 1 where rest[0] == "_search":
            return method == .post ? .searchByPost(type) : .methodNotAllowed(allow: "POST")
        case 1 where rest[0] == "_history":
            return method == .get ? .typeHistory(type) : .methodNotAllowed(allow: "GET")
        case 1 where rest[0].hasPrefix("_"): return .unsupported
        case 1:
            switch method {
            case .get: return .read(type, rest[0])
            case .put: return .update(type, rest[0])
            case .delete: return .delete(type, rest[0])
            case .patch: return .patch(type, rest[0])
            default: return .methodNotAllowed(allow: "GET, PUT, PATCH, DELETE")
            }
        case 2 where rest[1] == "*" || ResourceType(rest[1]) != nil:
            guard method == .get else { return .methodNotAllowed(allow: "GET") }
            return .searchCompartment(type, rest[0], ResourceType(rest[1]))
        case 2 where rest[1] == "_history":
            return method == .get ? .history(type, rest[0]) : .methodNotAllowed(allow: "GET")
        case 3 where rest[1] == "_history":
            return method == .get ? .versionRead(type, rest[0], rest[2]) : .methodNotAllowed(allow: "GET")
        default: return .unknown
        }
    }

    /// The resource type the path names.
    var type: ResourceType? {
        switch self {
        case .conditionalDelete(let type), .conditionalPatch(let type), .conditionalUpdate(let type),
            .create(let type), .delete(let type, _), .everything(let type, _), .history(let type, _),
            .patch(let type, _), .read(let type, _), .search(let type),
            .searchByPost(let type), .searchCompartment(_, _, let type?), .update(let type, _), .validate(let type, _),
            .versionRead(let type, _, _):
            type
        case .typeHistory(let type): type
        case .accounting, .bundle, .metadata, .methodNotAllowed, .searchCompartment, .searchSystem, .searchSystemByPost,
            .unknown, .unknownType, .unsupported:
            nil
        }
    }

    /// The path with its variable parts named, never filled in.
    var template: StaticString {
        switch self {
        case .accounting: "/fhir/Patient/{id}/$accounting-of-disclosures"
        case .bundle: "/fhir"
        case .conditionalDelete, .conditionalPatch, .conditionalUpdate, .create, .search: "/fhir/{type}"
        case .delete, .patch, .read, .update: "/fhir/{type}/{id}"
        case .everything: "/fhir/{type}/{id}/$everything"
        case .validate(_, nil): "/fhir/{type}/$validate"
        case .validate: "/fhir/{type}/{id}/$validate"
        case .history: "/fhir/{type}/{id}/_history"
        case .typeHistory(nil): "/fhir/_history"
        case .typeHistory: "/fhir/{type}/_history"
        case .metadata: "/fhir/metadata"
        case .searchByPost: "/fhir/{type}/_search"
        case .searchCompartment: "/fhir/{type}/{id}/{type}"
        case .searchSystem: "/fhir"
        case .searchSystemByPost: "/fhir/_search"
        case .versionRead: "/fhir/{type}/{id}/_history/{version}"
        case .methodNotAllowed, .unknown, .unknownType, .unsupported: "/fhir/{other}"
        }
    }
}
