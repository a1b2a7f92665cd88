import HTTPTypes
import Hummingbird
import NIOCore
import WardTelemetry

/// Health and numbers for whoever watches the machine: on a listener of their own, without anything of a record, a person
/// or a request in them, and with nothing else beside them.
struct MetricsResponder: HTTPResponder {
    typealias Context = WardContext

    let metrics: ServerMetrics
    let version: String
    let standing: @Sendable () -> ServerMetrics.Standing

    func respond(to request: Request, context: WardContext) async throws -> Response {
        guard request.method == .get || request.method == .head else { return plain(405, "not possible here\n") }
        // The path as it is sent: no other spelling of it leads here.
        switch request.uri.string {
        case "/healthz": return plain(200, "ok\n")
        case "/readyz":
            let now = await offLoop { standing() }
            guard !now.notWorking.isEmpty else { return plain(200, "ready\n") }
            let parts = now.notWorking.map(\.rawValue).sorted().joined(separator: " ")
            return plain(503, "not working: \(parts)\n")
        case "/metrics":
            let now = await offLoop { standing() }
            return plain(
                200, metrics.text(now, version: version),
                type: "application/openmetrics-text; version=1.0.0; charset=utf-8")
        default: return plain(404, "there is nothing at this address\n")
        }
    }

    private func plain(_ status: Int, _ text: String, type: String = "text/plain; charset=utf-8") -> Response {
        var headers = commonHeaders(isLocalhost: true)
        headers[.contentType] = type
        if status == 405 { headers[.allow] = "GET, HEAD" }
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
