public import WardCrypto

/// Name and password of a mail account.
public struct MailCredentials: Sendable, SilentKey {
    let user: String
    let password: [UInt8]

    public init(user: String, password: [UInt8]) {
        self.user = user
        self.password = password
    }
}

/// One conversation with a mail server (RFC 5321), under TLS before anything is said of us or of the message.
struct SMTPDialogue {
    private let connection: EgressConnection
    private var parser = SMTPReplyParser()

    init(connection: EgressConnection) { self.connection = connection }

    /// Greets, begins TLS where it has not begun, and greets again.
    ///
    /// - Throws: ``EgressFailure/answered(_:)`` if the server does not offer STARTTLS: there is no way on without it.
    mutating func begin() async throws(EgressFailure) -> SMTPReply {
        try expect(try await reply(), 220)
        var greeting = try await say("EHLO ward.invalid", 250)
        if connection.proof.destination.security == .startTLS {
            guard greeting.offers("STARTTLS") != nil else { throw .answered(250) }
            _ = try await say("STARTTLS", 220)
            try await connection.startTLS()
            // What was said in the clear is forgotten (RFC 3207 §4.2).
            parser = SMTPReplyParser()
            greeting = try await say("EHLO ward.invalid", 250)
        }
        return greeting
    }

    mutating func send(_ message: MailMessage, as credentials: MailCredentials?) async throws(EgressFailure) {
        let greeting = try await begin()
        if let credentials { try await signIn(credentials, greeting) }
        _ = try await say("MAIL FROM:<\(message.from.text)>", 250)
        _ = try await say("RCPT TO:<\(message.to.text)>", 250, 251)
        _ = try await say("DATA", 354)
        // No line of a template begins with a dot; the message ends with its own CR LF.
        _ = try await say(message.text + ".", 250)
    }

    /// Takes leave; an answer is not waited for.
    func end() async { try? await connection.write(Array("QUIT\r\n".utf8)) }

    private mutating func signIn(_ credentials: MailCredentials, _ greeting: SMTPReply) async throws(EgressFailure) {
        let ways = (greeting.offers("AUTH") ?? []).map { $0.uppercased() }
        let user = Array(credentials.user.utf8)
        if ways.contains("PLAIN") {
            _ = try await say("AUTH PLAIN " + base64([0] + user + [0] + credentials.password), 235)
        } else if ways.contains("LOGIN") {
            _ = try await say("AUTH LOGIN", 334)
            _ = try await say(base64(user), 334)
            _ = try await say(base64(credentials.password), 235)
        } else {
            throw .withoutSecret
        }
    }

    private mutating func say(_ line: String, _ expected: Int...) async throws(EgressFailure) -> SMTPReply {
        try await connection.write(Array((line + "\r\n").utf8))
        let reply = try await reply()
        guard expected.contains(reply.code) else { throw .answered(reply.code) }
        return reply
    }

    private func expect(_ reply: SMTPReply, _ code: Int) throws(EgressFailure) {
        guard reply.code == code else { throw .answered(reply.code) }
    }

    private mutating func reply() async throws(EgressFailure) -> SMTPReply {
        while true {
            if let reply = try parser.take(try await connection.read()) { return reply }
        }
    }
}
