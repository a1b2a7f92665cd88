internal import Glibc
public import Logging
import Synchronization
import WardCore

/// The operations log: one JSON object a line on standard error, and nothing in it that a record could have said.
///
/// A sentence is a `StaticString`; a field is one of ``Field``. There is no way to hand it a text from a request.
public struct OperationalLog: Sendable {
    /// What a line may carry.
    public enum Field: Sendable {
        case address(String)
        case auditIndex(Int64)
        case code(StaticString)
        case count(Int)
        case errno(Int)
        case method(Method)
        case milliseconds(Double)
        case port(Int)
        case request(String)
        case route(StaticString)
        case status(Int)
    }

    /// HTTP methods this server knows; others are `OTHER`.
    public enum Method: String, Sendable {
        case delete = "DELETE"
        case get = "GET"
        case head = "HEAD"
        case options = "OPTIONS"
        case other = "OTHER"
        case patch = "PATCH"
        case post = "POST"
        case put = "PUT"
    }

    private static let recent = Mutex<[String]>([])
    private static let mostRecent = 500

    /// The newest lines that this process wrote, oldest first.
    public static var recentLines: [String] { recent.withLock { $0 } }

    private let isQuiet: Bool

    /// - Parameter isQuiet: leave out what is not at least a warning.
    public init(isQuiet: Bool) {
        self.isQuiet = isQuiet
    }

    public func info(_ sentence: StaticString, _ fields: Field...) {
        if !isQuiet { write("info", sentence, fields) }
    }

    public func warning(_ sentence: StaticString, _ fields: Field...) { write("warning", sentence, fields) }

    public func error(_ sentence: StaticString, _ fields: Field...) { write("error", sentence, fields) }

    private func write(_ level: StaticString, _ sentence: StaticString, _ fields: [Field]) {
        var line = #"{"time":"\#(Instant.now().text)","level":"\#(level)","message":"\#(sentence)""#
        for field in fields {
            switch field {
            case .address(let value): line += #","address":"\#(plain(value))""#
            case .auditIndex(let value): line += #","audit":\#(value)"#
            case .code(let value): line += #","code":"\#(value)""#
            case .count(let value): line += #","count":\#(value)"#
            case .errno(let value): line += #","errno":\#(value)"#
            case .method(let value): line += #","method":"\#(value.rawValue)""#
            case .milliseconds(let value): line += #","milliseconds":\#((value * 100).rounded() / 100)"#
            case .port(let value): line += #","port":\#(value)"#
            case .request(let value): line += #","request":"\#(plain(value))""#
            case .route(let value): line += #","route":"\#(value)""#
            case .status(let value): line += #","status":\#(value)"#
            }
        }
        line += "}\n"
        let written = line
        Self.recent.withLock { lines in
            if lines.count == Self.mostRecent { lines.removeFirst(Self.mostRecent / 2) }
            lines.append(written)
        }
        let bytes = Array(line.utf8)
        unsafe bytes.withUnsafeBytes { buffer in _ = unsafe Glibc.write(2, buffer.baseAddress, buffer.count) }
    }

    /// Addresses and request ids come from the socket and our own generator; whatever else slips in loses its letters.
    private func plain(_ text: String) -> String {
        String(text.prefix(64).map { $0.isHexDigit || $0 == "." || $0 == ":" || $0 == "-" ? $0 : "?" })
    }

    /// A logger for libraries that insist on one: it says that something was said, never what.
    public static func libraryLogger() -> Logger {
        var logger = Logger(label: "library") { _ in SilentHandler() }
        logger.logLevel = .critical
        return logger
    }
}

/// Libraries put request lines, paths and error texts into their messages; none of that may be written.
private struct SilentHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .critical

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        OperationalLog(isQuiet: false).warning("a library reported a problem")
    }
}
