import HTTPTypes
import Hummingbird
import NIOCore
import WardAudit
import WardCore
import WardIdentity
import WardTelemetry

/// The log as strangers may see it: checkpoints, tree hashes and entries (C2SP tlog-tiles), and cosignatures handed in.
///
/// Entries are commitments and hashes. No payload, sealed or not, is reachable from here, so nobody is asked who they
/// are and no event is written.
extension WardResponder {
    /// Answers a request under `/log`; nil if it is for something else.
    func logEndpoint(
        _ request: Request, _ path: [Substring], _ source: RequestSource
    ) async -> (StaticString, Response)? {
        guard path.first == "log" else { return nil }
        // The log of this time is no continuation that anybody may hold against the store's.
        if settings.isReadOnly { return ("/log", plain(503, "read-only emergency mode: no log is published\n")) }
        let isPost = path.count == 2 && path[1] == "cosignature"
        let now = Instant.now()
        guard !readers.isBlocked(source.address, now: now) else {
            return ("/log", plain(429, "too many requests\n", retryAfter: Self.readersWindow))
        }
        readers.count(source.address, now: now)
        switch request.method {
        case .post where isPost: return ("/log/cosignature", await takeCosignature(request, source, now))
        case .get where !isPost, .head where !isPost: break
        default:
            var refusal = plain(405, "not possible here\n")
            refusal.headers[.allow] = isPost ? "POST" : "GET, HEAD"
            return ("/log", refusal)
        }
        let (route, answer) = await offLoop { read(request.uri.path, now) }
        return (route, request.method == .head ? withoutBody(answer) : answer)
    }

    private func read(_ path: String, _ now: Instant) -> (StaticString, Response) {
        switch path {
        case "/log/checkpoint":
            guard let note = auditLog.offeredCheckpoint(now: now) else { break }
            return ("/log/checkpoint", plain(200, note, cache: "public, max-age=2"))
        case "/log/checkpoint/witnessed":
            guard let note = auditLog.witnessedCheckpoint else {
                return ("/log/checkpoint/witnessed", plain(404, "no checkpoint is witnessed\n"))
            }
            return ("/log/checkpoint/witnessed", plain(200, note, cache: "public, max-age=2"))
        default:
            guard path.hasPrefix("/log/tile/"), let place = TilePlace(path: String(path.dropFirst(10))) else { break }
            do throws(AuditFailure) {
                let bytes = place.level == nil ? try auditLog.bundle(place) : try auditLog.tile(place)
                guard let bytes else { return ("/log/tile", plain(404, "the log has not reached this\n")) }
                return ("/log/tile", tile(bytes))
            } catch {
                return ("/log/tile", plain(503, "the log could not be read\n"))
            }
        }
        return ("/log", plain(404, "there is nothing at this address\n"))
    }

    /// Seconds in which requests of one address are counted.
    static let readersWindow: Int64 = 10

    /// Largest body of a cosignature: a checkpoint with as many lines as a policy may have witnesses.
    private static let largestCosignature = 16_384

    private func takeCosignature(_ request: Request, _ source: RequestSource, _ now: Instant) async -> Response {
        guard !cosigners.isBlocked(source.address, now: now) else { return plain(429, "too many failures\n") }
        guard let body = try? await collect(request, limit: Self.largestCosignature) else {
            return plain(413, "larger than any checkpoint\n")
        }
        switch await auditLog.takeCosignature(String(decoding: body, as: UTF8.self), now: now) {
        case .accepted: return plain(200, "accepted\n")
        case .stale: return plain(409, "a later checkpoint is witnessed\n")
        case .unavailable: return plain(503, "the log cannot be read or written\n")
        case .contradicts:
            log.error("a witness holds a checkpoint that this log signed and does not continue; run: ward audit verify")
            return plain(422, "this log does not continue that checkpoint\n")
        case .refused:
            cosigners.count(source.address, now: now)
            return plain(403, "not a checkpoint of this log with a valid cosignature of a named witness\n")
        }
    }

    // MARK: Wire

    private func plain(
        _ status: Int, _ text: String, cache: String = "no-store", retryAfter: Int64 = FailureThrottle.window
    ) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "text/plain; charset=utf-8"
        headers[.cacheControl] = cache
        if status == 429 { headers[.retryAfter] = "\(retryAfter)" }
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// What is at such an address never changes: a partial tile is named by its width.
    private func tile(_ bytes: [UInt8]) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "application/octet-stream"
        headers[.cacheControl] = "public, max-age=31536000, immutable"
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private func withoutBody(_ answer: Response) -> Response {
        var headers = answer.headers
        if let length = answer.body.contentLength { headers[.contentLength] = "\(length)" }
        return Response(status: answer.status, headers: headers, body: ResponseBody())
    }
}
