import HTTPTypes
import Hummingbird
import NIOCore
import WardAudit
import WardWeb

/// Largest form in bytes.
private let largestForm = 65_536

extension WardResponder {
    /// Hands a request to the pages; nil if it is for none of them.
    func page(_ request: Request, _ path: [Substring], _ source: RequestSource) async -> (StaticString, Response)? {
        let method: WebRequest.Method =
            switch request.method {
            case .get: .get
            case .post: .post
            default: .other
            }
        var body: [UInt8] = []
        if method == .post {
            guard let buffer = try? await request.body.collect(upTo: largestForm) else {
                return ("/{page}", response(.tooLarge))
            }
            body = Array(buffer.readableBytesView)
        }
        // Two cookies of one name are somebody's trick: neither counts.
        var cookies: [String: String] = [:]
        var seen: Set<String> = []
        for pair in request.headers[values: .cookie].flatMap({ $0.split(separator: ";") }) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0].filter { $0 != " " })
            cookies[name] = parts.count == 2 && seen.insert(name).inserted ? String(parts[1]) : nil
        }
        let asked = WebRequest(
            method: method, path: path.map(String.init), query: request.uri.query ?? "", body: body,
            contentType: request.headers[.contentType], cookies: cookies, origin: request.headers[.origin],
            secFetchSite: HeaderNames.fetchSite.flatMap { request.headers[$0] },
            userAgent: request.headers[.userAgent], source: source)
        let answer =
            WebSite.mayTakeLong(asked.path) ? await offLoop { await site.answer(asked) } : await site.answer(asked)
        guard let answer else { return nil }
        var headers = HTTPFields()
        for header in answer.headers {
            if let name = HTTPField.Name(header.name) { headers[name] = header.value }
        }
        for cookie in answer.setCookies { headers.append(HTTPField(name: .setCookie, value: cookie)) }
        let status = HTTPResponse.Status(code: answer.status)
        return (
            answer.template,
            Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
        )
    }
}
