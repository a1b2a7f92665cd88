internal import Glibc

/// A configuration file: one `name = value` a line, `#` before a remark, a list by repeating its name.
///
/// There are no quotes, sections, includes, variables or escapes: what stands there is what is in force.
public struct ConfigurationFile: Sendable {
    public struct Line: Hashable, Sendable {
        public let number: Int
        public let setting: Setting
        public let value: String
    }

    /// In the order of the file.
    public let lines: [Line]

    static let limit = 65_536

    /// Reads a file that others can neither read nor change.
    ///
    /// - Throws: every fault that was found, in the order of the file.
    public init(path: String, settings: [Setting]) throws(ConfigurationFaults) {
        try self.init(bytes: try Self.bytes(of: path), settings: settings)
    }

    /// - Throws: every fault that was found, in the order of the file.
    public init(bytes: [UInt8], settings: [Setting]) throws(ConfigurationFaults) {
        guard bytes.count <= Self.limit else { throw ConfigurationFaults(.init(.tooLarge)) }
        guard let text = String(validating: bytes, as: UTF8.self),
            !bytes.contains(where: { $0 < 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 || $0 == 0x7F })
        else { throw ConfigurationFaults(.init(.notText)) }
        var lines: [Line] = []
        var faults: [ConfigurationFault] = []
        let texts = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (index, text) in texts.enumerated() {
            do throws(ConfigurationFault) {
                guard let line = try Self.line(text, index + 1, settings) else { continue }
                if line.setting.kind != .value(isRepeating: true), lines.contains(where: { $0.setting == line.setting })
                {
                    throw ConfigurationFault(.repeated, line: line.number, name: line.setting.name)
                }
                lines.append(line)
            } catch {
                faults.append(error)
            }
        }
        guard faults.isEmpty else { throw ConfigurationFaults(all: faults) }
        self.lines = lines
    }

    /// Nil for an empty line or a remark.
    private static func line(
        _ text: Substring, _ number: Int, _ settings: [Setting]
    ) throws(ConfigurationFault) -> Line? {
        let trimmed = text.trimmed
        // Also in a remark: what was commented out is as readable as the rest.
        if Secrecy.isSecretLike(trimmed) {
            throw ConfigurationFault(.secretLike, line: number, name: shown(trimmed, settings))
        }
        guard !trimmed.isEmpty, !trimmed.hasPrefix("#") else { return nil }
        guard let sign = trimmed.firstIndex(of: "=") else { throw ConfigurationFault(.malformedLine, line: number) }
        let name = trimmed[..<sign].trimmed
        let value = trimmed[trimmed.index(after: sign)...].trimmed
        guard let setting = settings.first(where: { $0.name == name }) else {
            let isName = isNameLike(name)
            throw ConfigurationFault(
                Secrecy.isSecretName(name) ? .secretName : isName ? .unknown : .malformedLine, line: number,
                name: isName ? name : nil)
        }
        if let reason = SettingValue.fault(value, of: setting) {
            throw ConfigurationFault(reason, line: number, name: name)
        }
        return Line(number: number, setting: setting, value: value)
    }

    /// The name that a line begins with, if there is such a setting.
    private static func shown(_ line: String, _ settings: [Setting]) -> String? {
        let name = line.prefix { $0 != "=" }.trimmed
        return settings.contains { $0.name == name } ? name : nil
    }

    /// What can be shown: a word that nobody takes for a value.
    static func isNameLike(_ text: String) -> Bool {
        (1...40).contains(text.utf8.count) && !Secrecy.isSecretLike(text)
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" || $0 == ".") }
    }

    private static func bytes(of path: String) throws(ConfigurationFaults) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            throw ConfigurationFaults(.init(errno == ENOENT ? .missingFile : .unreadable))
        }
        defer { close(file) }
        // Of the file that is open, so that nobody exchanges it in between.
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else { throw ConfigurationFaults(.init(.unreadable)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw ConfigurationFaults(.init(.notAFile)) }
        guard status.st_mode & 0o027 == 0 else { throw ConfigurationFaults(.init(.openToOthers)) }
        guard status.st_uid == 0 || status.st_uid == geteuid() else { throw ConfigurationFaults(.init(.foreignOwner)) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var count = 0
        while count < bytes.count {
            let part = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(file, buffer.baseAddress?.advanced(by: count), buffer.count - count)
            }
            if part < 0, errno == EINTR { continue }
            guard part >= 0 else { throw ConfigurationFaults(.init(.unreadable)) }
            if part == 0 { break }
            count += part
        }
        return Array(bytes.prefix(count))
    }
}

/// One fault or more.
public struct ConfigurationFaults: Error, Hashable, Sendable {
    public let all: [ConfigurationFault]

    init(all: [ConfigurationFault]) { self.all = all }

    init(_ fault: ConfigurationFault) { all = [fault] }

    /// One line each.
    public var text: String { all.map(\.text).joined(separator: "\n") }
}

extension Substring {
    /// Without the spaces and tabs around it.
    var trimmed: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
            return ""
        }
        return String(self[first...last])
    }
}
