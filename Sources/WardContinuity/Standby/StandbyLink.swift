/// One connection between primary and follower: whole messages, both ways, of a peer that was authenticated.
public protocol StandbyLink: Sendable {
    /// Messages of the peer; ends when the connection does.
    var received: AsyncStream<[UInt8]> { get }
    /// Returns when the message is with the system.
    func send(_ message: [UInt8]) async throws(StandbyFailure)
    func cut()
}
