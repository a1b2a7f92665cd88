import Hummingbird
// A protocol of the HTTP library names the type; nothing is logged here.
import Logging
import NIOCore

/// What a request knows about its connection.
struct WardContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// The socket's peer. Forwarded headers do not count unless the peer is a configured proxy.
    func address(_ request: Request, proxies: Set<String>) -> String {
        let peer = channel.remoteAddress?.ipAddress ?? "unknown"
        guard proxies.contains(peer),
            let forwarded = HeaderNames.forwardedFor.flatMap({ request.headers[values: $0].last })
        else { return peer }
        // The last hop is the one the proxy itself saw.
        let last = forwarded.split(separator: ",").last.map { $0.filter { $0.isHexDigit || $0 == "." || $0 == ":" } }
        return last.map { $0.isEmpty ? peer : String($0.prefix(45)) } ?? peer
    }
}
