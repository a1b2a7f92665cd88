/// A reply of a mail server (RFC 5321 §4.2).
struct SMTPReply: Hashable, Sendable {
    let code: Int
    let lines: [String]

    /// Whether a reply to EHLO offers an extension; gives its parameters.
    func offers(_ keyword: String) -> [Substring]? {
        for line in lines.dropFirst() {
            let words = line.split(separator: " ")
            if let first = words.first, first.uppercased() == keyword { return Array(words.dropFirst()) }
        }
        return nil
    }
}

/// Reads one reply at a time. What comes after a whole reply, before anything more was said, was injected or is of a
/// peer out of step: it is refused.
struct SMTPReplyParser {
    static let longestLine = 512
    static let mostLines = 100
    private var pending: [UInt8] = []
    private var code = 0
    private var lines: [String] = []

    /// Takes bytes; empty ones are the end of the connection. Gives the reply once it is whole.
    mutating func take(_ bytes: [UInt8]) throws(EgressFailure) -> SMTPReply? {
        guard !bytes.isEmpty else { throw .peerClosed }
        pending += bytes
        while let end = pending.firstIndex(of: 0x0A) {
            guard end >= 4, end <= Self.longestLine, pending[end - 1] == 0x0D else { throw .malformedAnswer }
            let line = pending[..<(end - 1)]
            guard line.allSatisfy({ $0 == 0x09 || 0x20...0x7E ~= $0 || $0 >= 0x80 }),
                line.prefix(3).allSatisfy({ (0x30...0x39).contains($0) }), (0x32...0x35).contains(line[0])
            else { throw .malformedAnswer }
            let number = line.prefix(3).reduce(0) { $0 * 10 + Int($1 - 0x30) }
            let mark = line.count > 3 ? line[3] : 0x20
            guard code == 0 || code == number, mark == 0x20 || mark == 0x2D else { throw .malformedAnswer }
            code = number
            lines.append(String(decoding: line.dropFirst(4), as: UTF8.self))
            guard lines.count <= Self.mostLines else { throw .tooLarge }
            pending.removeFirst(end + 1)
            guard mark == 0x20 else { continue }
            guard pending.isEmpty else { throw .malformedAnswer }
            defer { (code, lines) = (0, []) }
            return SMTPReply(code: number, lines: lines)
        }
        guard pending.count <= Self.longestLine else { throw .tooLarge }
        return nil
    }
}
