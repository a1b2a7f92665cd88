import WardFHIR
import WardPolicy

/// One entry of a batch or transaction, read and checked (FHIR R4 bundle.html#transaction).
struct BundleEntry {
    enum Method: String {
        case delete = "DELETE"
        case get = "GET"
        case patch = "PATCH"
        case post = "POST"
        case put = "PUT"
    }

    let number: Int
    let method: Method
    let type: ResourceType
    /// The id in the URL; nil for a create or a search.
    let id: String?
    let versionID: String?
    let isHistory: Bool
    let parameters: [SearchPair]
    let fullURL: String?
    let ifMatch: String?
    let ifNoneExist: String?
    let ifNoneMatch: String?
    /// Node of the resource in the bundle's tape.
    let resource: Int?

    /// Reads entry `number`.
    init(_ tape: JSONTape, at entry: Int, number: Int) throws {
        func fail(_ text: StaticString, _ path: String) -> Rejection {
            Rejection(400, "invalid", text, expression: "Bundle.entry[\(number)]\(path)")
        }
        guard let request = tape.member(entry, "request") else { throw fail("an entry needs a request", "") }
        func text(_ node: Int, _ name: StaticString) -> String? {
            tape.member(node, name).flatMap { tape.kind($0) == .string ? tape.text($0) : nil }
        }
        guard let method = text(request, "method").flatMap(Method.init(rawValue:)) else {
            throw fail("GET, POST, PUT, PATCH and DELETE are supported", ".request.method")
        }
        guard let url = text(request, "url") else { throw fail("an entry needs a URL", ".request.url") }
        let halves = url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = halves[0].split(separator: "/").map(String.init)
        guard let type = path.first.flatMap({ ResourceType($0) }), path.count <= 4 else {
            throw fail("the URL does not start with a resource type", ".request.url")
        }
        guard let parameters = decodedQuery(halves.count > 1 ? halves[1] : "") else {
            throw fail("the URL's query is not well formed", ".request.url")
        }
        let resource = tape.member(entry, "resource")
        switch (method, path.count) {
        case (.post, 1) where parameters.isEmpty, (.put, 2) where parameters.isEmpty,
            (.patch, 2) where parameters.isEmpty, (.put, 1) where !parameters.isEmpty,
            (.patch, 1) where !parameters.isEmpty:
            guard resource != nil else { throw fail("this method needs a resource", ".resource") }
        case (.delete, 2) where parameters.isEmpty, (.get, 2): break
        case (.get, 1): break
        case (.delete, 1) where !parameters.isEmpty: break
        case (.get, 3) where path[2] == "_history", (.get, 4) where path[2] == "_history": break
        default: throw fail("this method does not go with this URL", ".request.url")
        }
        if path.count > 1, !Clinic.isID(path[1]) { throw fail("not a logical id", ".request.url") }
        self.number = number
        self.method = method
        self.type = type
        self.parameters = parameters
        self.resource = resource
        id = path.count > 1 ? path[1] : nil
        isHistory = path.count > 2
        versionID = path.count > 3 ? path[3] : nil
        fullURL = text(entry, "fullUrl")
        ifMatch = text(request, "ifMatch")
        ifNoneExist = text(request, "ifNoneExist")
        ifNoneMatch = text(request, "ifNoneMatch")
    }

    /// Whether a search finds the resource to change.
    var isConditional: Bool { id == nil && method != .get && method != .post }

    /// The search, as it was written.
    var query: String {
        parameters.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }.joined(separator: "&")
    }

    /// What policy must permit for a write.
    var action: Action {
        switch method {
        case .delete: .delete
        case .get: id == nil ? .search : .read
        case .post: .create
        case .patch, .put: .update
        }
    }
}
