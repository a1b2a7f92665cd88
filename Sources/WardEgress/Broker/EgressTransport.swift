/// The network, as the broker sees it; one adapter speaks TLS over sockets, tests have their own.
///
/// It decides nothing: it is asked only after a ``BAAProof`` was found current and the log has taken the event.
public protocol EgressTransport: Sendable {
    /// Resolves a name, once.
    func addresses(of host: String) async throws(EgressFailure) -> [IPAddress]

    /// Connects to this address and no other.
    ///
    /// - Parameter peer: whom the certificate has to name; TLS begins at once unless `startsPlain`.
    func connect(
        to address: IPAddress, port: Int, peer: EgressPeer, startsPlain: Bool
    ) async throws(EgressFailure) -> any EgressStream
}

/// Whom a connection is to: TLS 1.2 or later, with a certificate for the host from an authority that is trusted.
public struct EgressPeer: Hashable, Sendable {
    public let host: String
    /// PEM of the only authority to trust; nil for the system's.
    public let authority: String?

    public init(host: String, authority: String?) {
        self.host = host
        self.authority = authority
    }
}

/// One connection. Reads and writes fail after ``EgressLimits/silence`` without progress.
public protocol EgressStream: Sendable {
    /// Begins TLS on a connection that started plain (RFC 3207); fails if anything was received that nobody has read.
    func startTLS() async throws(EgressFailure)

    /// What has arrived; empty at the end.
    func read() async throws(EgressFailure) -> [UInt8]

    func write(_ bytes: [UInt8]) async throws(EgressFailure)

    /// Ends it at once, from any task; reads and writes that wait fail.
    func cut()
}

/// How long and how much.
public enum EgressLimits {
    /// To connect, and to finish the TLS handshake.
    public static let connect: Int64 = 10
    /// Between two signs of progress, in seconds.
    public static let silence: Int64 = 30
    /// A kept connection that nobody uses is closed.
    public static let idle: Int64 = 60
    /// No connection is older, in seconds.
    public static let age: Int64 = 3600
    /// How often open connections are held against the register, in seconds.
    public static let watch: Int64 = 1
}

/// Why nothing left, or why it was not taken.
public enum EgressFailure: Error, Hashable, Sendable {
    /// The name leads to an address of a private network, and the destination is not registered as on premises.
    case addressNotAllowed
    /// The peer's answer, by its status: HTTP, or SMTP.
    case answered(Int)
    case auditUnavailable
    /// TLS failed: the certificate is another's, expired, from an authority that is not trusted, or the version is old.
    case certificateRefused
    /// What it stood on has ended while it was open.
    case ended(EgressRefusal)
    /// What the peer sent is not what the protocol allows.
    case malformedAnswer
    /// The peer ended the connection.
    case peerClosed
    case refused(EgressRefusal)
    /// The register or the outbox could not be read or written.
    case storage
    case timedOut
    case tooLarge
    case unreachable
    /// The name has no address.
    case unresolved
    /// The password, key or secret is not where it should be, or not as it should be.
    case withoutSecret

    /// For the log and for programs.
    public var code: String {
        switch self {
        case .addressNotAllowed: "address-not-allowed"
        case .answered(let status): "answered-\(status)"
        case .auditUnavailable: "audit-unavailable"
        case .certificateRefused: "certificate-refused"
        case .ended(let refusal): "ended/\(refusal.code)"
        case .malformedAnswer: "malformed-answer"
        case .peerClosed: "peer-closed"
        case .refused(let refusal): "refused/\(refusal.code)"
        case .storage: "storage"
        case .timedOut: "timed-out"
        case .tooLarge: "too-large"
        case .unreachable: "unreachable"
        case .unresolved: "unresolved"
        case .withoutSecret: "without-secret"
        }
    }

    public var text: String {
        switch self {
        case .addressNotAllowed:
            "the name leads to an address of a private network; a destination on premises is registered with --address"
        case .answered(let status): "the destination answered \(status)"
        case .auditUnavailable: "the audit log cannot be written, so nothing was sent"
        case .certificateRefused:
            "TLS with the destination failed: its certificate is not for this host, has expired or comes from an authority "
                + "that is not trusted"
        case .ended(let refusal): "the connection was cut: \(refusal.text)"
        case .malformedAnswer: "what the destination answered is not what the protocol allows"
        case .peerClosed: "the destination ended the connection"
        case .refused(let refusal): "nothing was sent: \(refusal.text)"
        case .storage: "the store cannot be read"
        case .timedOut: "the destination did not answer in time"
        case .tooLarge: "the answer is larger than allowed"
        case .unreachable: "the destination cannot be reached"
        case .unresolved: "the host name has no address"
        case .withoutSecret: "the file with the password or key is missing, not as it should be, or open to others"
        }
    }
}
