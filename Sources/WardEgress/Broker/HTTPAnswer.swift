/// A request of HTTP/1.1 (RFC 9112).
struct HTTPRequest: Sendable {
    var method: String
    /// Path and query, encoded.
    var target: String
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []

    /// Head and body; the lengths are ours to say.
    func bytes(host: String, port: Int) -> [UInt8] {
        var text = "\(method) \(target) HTTP/1.1\r\nhost: \(Self.authority(host, port))\r\n"
        for header in headers { text += "\(header.name): \(header.value)\r\n" }
        text += "accept-encoding: identity\r\nuser-agent: ward\r\n"
        if !body.isEmpty || method == "PUT" || method == "POST" { text += "content-length: \(body.count)\r\n" }
        return Array((text + "\r\n").utf8) + body
    }

    /// As it is written in the Host field.
    static func authority(_ host: String, _ port: Int) -> String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == 443 ? name : "\(name):\(port)"
    }
}

/// What came back.
struct HTTPAnswer: Hashable, Sendable {
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
    var body: [UInt8]
    var keepsOpen: Bool
}

/// Reads one answer as its bytes arrive; whatever RFC 9112 does not allow is refused, also what only some would forgive.
struct HTTPAnswerParser {
    private enum Stage {
        case head, length(Int), chunkHead, chunk(Int), chunkEnd, trailer, untilEnd, done
    }

    static let longestHead = 32_768
    private let limit: Int
    private let isHead: Bool
    private var stage = Stage.head
    private var pending: [UInt8] = []
    private var place = 0
    private var answer = HTTPAnswer(status: 0, headers: [:], body: [], keepsOpen: true)
    private var headSize = 0

    /// - Parameters:
    ///   - limit: largest body in bytes.
    ///   - isHead: whether it answers HEAD, which has no body whatever its length says.
    init(limit: Int, isHead: Bool) {
        self.limit = limit
        self.isHead = isHead
    }

    /// Takes bytes; empty ones are the end of the connection. Gives the answer once it is whole.
    mutating func take(_ bytes: [UInt8]) throws(EgressFailure) -> HTTPAnswer? {
        if bytes.isEmpty {
            guard case .untilEnd = stage else { throw .peerClosed }
            stage = .done
        }
        pending += bytes
        while true {
            switch stage {
            case .head:
                guard let line = try line(of: Self.longestHead) else { return nil }
                try takeHead(line)
            case .length(let count):
                guard take(count) else { return nil }
                stage = .done
            case .chunkHead:
                guard let line = try line(of: 256) else { return nil }
                let size = line.prefix { $0 != 0x3B }
                guard (1...8).contains(size.count), let count = Self.hexNumber(size) else { throw .malformedAnswer }
                guard answer.body.count + count <= limit else { throw .tooLarge }
                stage = count == 0 ? .trailer : .chunk(count)
            case .chunk(let count):
                guard take(count) else { return nil }
                stage = .chunkEnd
            case .chunkEnd:
                guard let line = try line(of: 2) else { return nil }
                guard line.isEmpty else { throw .malformedAnswer }
                stage = .chunkHead
            case .trailer:
                guard let line = try line(of: Self.longestHead) else { return nil }
                headSize += line.count
                guard headSize <= Self.longestHead else { throw .tooLarge }
                if line.isEmpty { stage = .done }
            case .untilEnd:
                answer.body += pending[place...]
                pending = []
                place = 0
                guard answer.body.count <= limit else { throw .tooLarge }
                return nil
            case .done:
                // Bytes that nobody asked for belong to no answer.
                if place < pending.count { answer.keepsOpen = false }
                return answer
            }
        }
    }

    private mutating func takeHead(_ line: [UInt8]) throws(EgressFailure) {
        headSize += line.count + 2
        guard headSize <= Self.longestHead else { throw .tooLarge }
        if answer.status == 0 {
            let text = String(decoding: line, as: UTF8.self)
            guard text.hasPrefix("HTTP/1.1 ") || text.hasPrefix("HTTP/1.0 "), line.count >= 12,
                line[9..<12].allSatisfy({ (0x30...0x39).contains($0) }), line.count == 12 || line[12] == 0x20,
                let status = Int(text.dropFirst(9).prefix(3)), (100...599).contains(status)
            else { throw .malformedAnswer }
            answer.status = status
            answer.keepsOpen = text.hasPrefix("HTTP/1.1 ")
        } else if line.isEmpty {
            try startBody()
        } else {
            guard let colon = line.firstIndex(of: 0x3A), colon > 0,
                line[..<colon].allSatisfy({ Self.isToken($0) }),
                line.allSatisfy({ $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F })
            else { throw .malformedAnswer }
            let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
            var value = line[(colon + 1)...]
            while let first = value.first, first == 0x20 || first == 0x09 { value.removeFirst() }
            while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
            let isFraming = name == "content-length" || name == "transfer-encoding"
            // Two lengths are one too many (RFC 9112 §6.3).
            guard !isFraming || answer.headers[name] == nil else { throw .malformedAnswer }
            answer.headers[name] = String(decoding: value, as: UTF8.self)
        }
    }

    private mutating func startBody() throws(EgressFailure) {
        if (100...199).contains(answer.status) {
            // An interim answer; the real one follows. 101 is an upgrade that nobody asked for.
            guard answer.status != 101 else { throw .malformedAnswer }
            answer = HTTPAnswer(status: 0, headers: [:], body: [], keepsOpen: true)
            return
        }
        if answer.headers["connection"]?.lowercased().contains("close") ?? false { answer.keepsOpen = false }
        let (length, coding) = (answer.headers["content-length"], answer.headers["transfer-encoding"])
        guard length == nil || coding == nil else { throw .malformedAnswer }
        var count: Int?
        if let length {
            guard (1...15).contains(length.utf8.count), length.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(length)
            else { throw .malformedAnswer }
            count = number
        }
        if isHead || answer.status == 204 || answer.status == 304 {
            stage = .done
        } else if let coding {
            guard coding.lowercased() == "chunked" else { throw .malformedAnswer }
            stage = .chunkHead
        } else if let count {
            guard count <= limit else { throw .tooLarge }
            stage = .length(count)
        } else {
            answer.keepsOpen = false
            stage = .untilEnd
        }
    }

    /// The next line without its CR LF; nil if it has not arrived whole. A bare LF or CR ends no line.
    private mutating func line(of most: Int) throws(EgressFailure) -> [UInt8]? {
        guard let end = pending[place...].firstIndex(of: 0x0A) else {
            guard pending.count - place <= most else { throw .tooLarge }
            return nil
        }
        guard end > place, pending[end - 1] == 0x0D else { throw .malformedAnswer }
        let line = Array(pending[place..<end - 1])
        guard line.count <= most, !line.contains(0x0D), !line.contains(0) else { throw .malformedAnswer }
        place = end + 1
        compact()
        return line
    }

    private mutating func take(_ count: Int) -> Bool {
        guard pending.count - place >= count else { return false }
        answer.body += pending[place..<place + count]
        place += count
        compact()
        return true
    }

    private mutating func compact() {
        guard place > 65_536 else { return }
        pending.removeFirst(place)
        place = 0
    }

    private static func hexNumber(_ digits: ArraySlice<UInt8>) -> Int? {
        digits.first == 0x2B || digits.first == 0x2D ? nil : Int(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E:
            true
        default: false
        }
    }
}
