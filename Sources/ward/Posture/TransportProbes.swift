import WardServer
import NIOSSL
import WardCore

/// How the running server is reached.
extension PostureScene {
    static let transport = PostureGroup(
        name: "on the wire",
        probes: [
            PostureProbe(
                id: "tls", checks: "a verified TLS connection to the listener is answered",
                covers: [.noEncryption, .encryptionInTransit], clause: "164.312(e)(1)",
                limits: "that clients elsewhere verify the certificate, or that a proxy before the server uses TLS",
                look: { try await $0.verifiedConnection() }),
            PostureProbe(
                id: "old-tls-refused", checks: "TLS 1.0 and 1.1 are offered to the listener",
                covers: [.noEncryption, .encryptionInTransit], clause: "164.312(e)(2)(ii)",
                limits: "anything about a proxy before the server",
                look: { try await $0.isSilent(.tls(.tlsv1, .tlsv11), "a handshake of TLS 1.0 or 1.1") }),
            PostureProbe(
                id: "plaintext-refused", checks: "HTTP without TLS is spoken to the listener",
                covers: [.noEncryption, .encryptionInTransit], clause: "164.312(e)(1)",
                limits: "that no other program on this machine listens without TLS",
                look: { try await $0.isSilent(.plaintext, "plaintext HTTP") }),
            PostureProbe(
                id: "headers", checks: "every kind of answer carries its security headers",
                covers: [.noEncryption, .poorSessions], clause: "164.312(e)(1)",
                limits: "that a proxy passes them on; HSTS is left out for the name localhost",
                look: { try await $0.headers() }),
            PostureProbe(
                id: "one-way-in", checks: "commands come only over a socket that is the owner's alone",
                covers: [.segmentation], clause: "164.308(a)(4)(ii)(B)",
                limits: "how the network around this machine is divided; whoever is root here can do everything",
                look: { try $0.controlSocket() }),
        ])

    private func verifiedConnection() async throws -> PostureFinding {
        let server = try server()
        let name = server.settings.names.first ?? "localhost"
        let request = "GET /health HTTP/1.1\r\nHost: \(name)\r\nConnection: close\r\n\r\n"
        guard
            let bytes = try await ProbeConnection.exchange(
                server, .verified, from: source, authority: house.folder.authority, send: Array(request.utf8)),
            ProbeAnswer(bytes)?.status == 200
        else {
            return server.hasLocalAuthority
                ? .broken("the certificate of \(name) does not verify, or the server does not answer")
                : .gap("the certificate does not verify against this machine's authorities for \(name)")
        }
        return .holds("verified for \(name)")
    }

    /// Nothing of HTTP may come back.
    private func isSilent(_ security: ProbeConnection.Security, _ what: String) async throws -> PostureFinding {
        let server = try server()
        // Somebody must be there, or silence would say nothing.
        _ = try await request("GET", "/health")
        let bytes = try await ProbeConnection.exchange(
            server, security, from: source, authority: house.folder.authority,
            send: Array("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8))
        guard let bytes, bytes.starts(with: Array("HTTP".utf8)) else { return .holds("\(what) gets no answer") }
        return .broken("\(what) was answered")
    }

    private func headers() async throws -> PostureFinding {
        let isLocalhost = try server().settings.names.first == "localhost"
        var wrong: [String] = []
        for path in ["/health", "/sign-in", "/", "/no-such-page", "/fhir/metadata"] {
            let answer = try await request("GET", path)
            func needs(_ name: String, _ test: (String) -> Bool) {
                if !answer.values(name).contains(where: test) { wrong.append("\(name) of \(path)") }
            }
            needs("cache-control") { $0.contains("no-store") }
            needs("x-content-type-options") { $0 == "nosniff" }
            needs("referrer-policy") { ["no-referrer", "same-origin"].contains($0) }
            needs("cross-origin-opener-policy") { $0 == "same-origin" }
            needs("content-security-policy") {
                $0.contains("default-src 'none'") && $0.contains("frame-ancestors 'none'") && !$0.contains("unsafe")
            }
            if !isLocalhost { needs("strict-transport-security") { $0.hasPrefix("max-age=") } }
        }
        return wrong.isEmpty
            ? .holds("on pages, errors and answers for programs")
            : .broken("missing or weak: \(wrong.joined(separator: ", "))")
    }

    private func controlSocket() throws -> PostureFinding {
        guard running != nil else { throw ProbeFailure.noServer }
        guard let folder = FileStanding(house.folder.path), let socket = FileStanding(house.folder.socket) else {
            return .broken("the control socket or its folder is gone")
        }
        return folder.isPrivate && socket.isPrivate
            ? .holds("\(house.folder.socket) is the owner's alone; nothing of it answers on the network")
            : .broken("others can reach the control socket: mode \(socket.modeText), folder \(folder.modeText)")
    }
}
