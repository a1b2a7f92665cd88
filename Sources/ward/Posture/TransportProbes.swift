import WardServer
import NIOSSL
import WardCore

/// How the running server is reached.
extension PostureScene {
    static let transport = PostureGroup(
        name: "on the wire",
        probes: [
            PostureProbe(
                id: "tls", checks: "a verified TLS connection to every listener is answered",
                covers: [.noEncryption, .encryptionInTransit], clause: "164.312(e)(1)",
                limits: "that clients elsewhere verify the certificate, or that a proxy before the server uses TLS",
                look: { try await $0.verifiedConnection() }),
            PostureProbe(
                id: "old-tls-refused", checks: "TLS 1.0 and 1.1 are offered to every listener",
                covers: [.noEncryption, .encryptionInTransit], clause: "164.312(e)(2)(ii)",
                limits: "anything about a proxy before the server",
                look: { try await $0.isSilent(.tls(.tlsv1, .tlsv11), "a handshake of TLS 1.0 or 1.1") }),
            PostureProbe(
                id: "plaintext-refused", checks: "HTTP without TLS is spoken to every listener",
                covers: [.noEncryption, .encryptionInTransit], clause: "164.312(e)(1)",
                limits: "that no other program on this machine listens without TLS",
                look: { try await $0.isSilent(.plaintext, "plaintext HTTP") }),
            PostureProbe(
                id: "headers", checks: "every kind of answer of the listener for records carries its security headers",
                covers: [.noEncryption, .poorSessions], clause: "164.312(e)(1)",
                limits:
                    "that a proxy passes them on; the pages of an office that listens apart; HSTS is left out for the name localhost",
                look: { try await $0.headers() }),
            PostureProbe(
                id: "one-way-in",
                checks:
                    "commands come only over a socket that is the owner's alone; an office that listens apart is not served "
                    + "where records are",
                covers: [.segmentation], clause: "164.308(a)(4)(ii)(B)",
                limits: "how the network around this machine is divided; whoever is root here can do everything",
                look: { try await $0.oneWayIn() }),
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
        for place in ProbeConnection.places(server).dropFirst() {
            let bytes = try await ProbeConnection.exchange(
                server, at: place, .verified, from: source, authority: house.folder.authority,
                send: Array(request.utf8))
            guard bytes.flatMap(ProbeAnswer.init) != nil else {
                return .broken("\(place.host):\(place.port) does not answer over verified TLS")
            }
        }
        return .holds("verified for \(name), \(ProbeConnection.places(server).count) listeners")
    }

    /// Nothing of HTTP may come back.
    private func isSilent(_ security: ProbeConnection.Security, _ what: String) async throws -> PostureFinding {
        let server = try server()
        // Somebody must be there, or silence would say nothing.
        _ = try await request("GET", "/health")
        for place in ProbeConnection.places(server) {
            let bytes = try await ProbeConnection.exchange(
                server, at: place, security, from: source, authority: house.folder.authority,
                send: Array("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8))
            if let bytes, bytes.starts(with: Array("HTTP".utf8)) {
                return .broken("\(what) was answered by \(place.host):\(place.port)")
            }
        }
        return .holds("\(what) gets no answer")
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

    private func oneWayIn() async throws -> PostureFinding {
        if try server().settings.office != nil {
            for path in ["/app/people", "/app/log", "/app/alerts"] where try await request("GET", path).status != 404 {
                return .broken("the listener for records answers \(path), which is the office's")
            }
        }
        return try controlSocket()
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
