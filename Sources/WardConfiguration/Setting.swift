/// A setting of the server: the long option of the same name, a line of the configuration file, or a variable of the
/// environment.
public struct Setting: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// `yes` or `no`.
        case flag
        /// One value, or several.
        case value(isRepeating: Bool)
    }

    /// As in `--name`.
    public let name: String
    public let kind: Kind

    public init(_ name: String, _ kind: Kind) {
        self.name = name
        self.kind = kind
    }

    /// `WARD_TLS_KEY` for `tls-key`.
    public var variable: String { "WARD_" + name.uppercased().replacing("-", with: "_") }

    /// Whether it names a file with a secret in it: the file's path stands there, and never the secret.
    var namesSecretFile: Bool { Secrecy.isSecretName(name) }
}

/// Where a value comes from; the first wins over the later ones.
public enum SettingSource: Hashable, Sendable {
    case argument
    case environment(variable: String)
    case file(line: Int)

    public var text: String {
        switch self {
        case .argument: "argument"
        case .environment(let variable): "environment \(variable)"
        case .file(let line): "line \(line)"
        }
    }
}

/// What is wrong, and where: never a value, which may be the secret that should not stand there.
public struct ConfigurationFault: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        case defaultCredential
        case foreignOwner
        case malformedLine
        case missingFile
        case notAFile
        case notAFlag
        case notAPath
        case notText
        case openToOthers
        case repeated
        case secretLike
        case secretName
        case tooLarge
        case unknown
        case unreadable
    }

    public let reason: Reason
    /// In the file, from 1.
    public let line: Int?
    /// The setting, where it has a name that can be shown.
    public let name: String?

    init(_ reason: Reason, line: Int? = nil, name: String? = nil) {
        self.reason = reason
        self.line = line
        self.name = name
    }

    public var text: String {
        let place = [line.map { "line \($0)" }, name].compactMap { $0 }.joined(separator: ": ")
        return place.isEmpty ? reasonText : "\(place): \(reasonText)"
    }

    private var reasonText: String {
        switch reason {
        case .defaultCredential: "looks like a login with a usual password; there are none here"
        case .foreignOwner: "the file belongs neither to root nor to the server's user"
        case .malformedLine: "is not NAME = VALUE"
        case .missingFile: "there is no such file"
        case .notAFile: "it is not a plain file"
        case .notAFlag: "takes yes or no"
        case .notAPath: "takes the absolute path of a file, and never what stands in it"
        case .notText: "the file is not plain text in UTF-8"
        case .openToOthers: "others can read the file, or more than its owner can write it; chmod 600 or 640"
        case .repeated: "stands there twice"
        case .secretLike:
            "looks like a secret; secrets come from files of mode 600, the service manager's credentials or a security module"
        case .secretName:
            "is a name for a secret; secrets come from files of mode 600, the service manager's credentials or a security "
                + "module, never from configuration, arguments or the environment"
        case .tooLarge: "the file is larger than 64 KiB"
        case .unknown: "is not a setting"
        case .unreadable: "the file cannot be read"
        }
    }
}
