/// Arguments, environment and file put together: what the command line says wins over the environment, and that over the
/// file.
public struct ConfiguredArguments: Sendable {
    public struct Value: Hashable, Sendable {
        public let setting: Setting
        public let values: [String]
        public let source: SettingSource
    }

    /// The arguments as the command line could have had them.
    public let arguments: [String]
    /// What came from environment and file, by name.
    public let configured: [Value]

    /// Variables of the project's own scripts and tests.
    private static let foreign: Set<String> = [
        "WARD_BARE_DEBIAN", "WARD_BINARY", "WARD_EARLIER_BINARY", "WARD_FHIR_DATA", "WARD_MEASURE", "WARD_QUERIES",
        "WARD_SCOPE", "WARD_SEED", "WARD_CONFIG",
    ]

    /// - Parameters:
    ///   - arguments: of the command, without its name.
    ///   - environment: all of it; only `WARD_...` is looked at.
    ///   - file: nil for none.
    public init(
        arguments: [String], environment: [(name: String, value: String)], file: ConfigurationFile?, settings: [Setting]
    ) throws(ConfigurationFaults) {
        var faults = Self.faults(ofArguments: arguments)
        var fromEnvironment: [Setting: Value] = [:]
        for (name, value) in environment.sorted(by: { $0.name < $1.name }) {
            guard name.uppercased().hasPrefix("WARD_"), !Self.foreign.contains(name) else { continue }
            guard let setting = settings.first(where: { $0.variable == name }) else {
                let isShown = ConfigurationFile.isNameLike(name)
                faults.append(
                    ConfigurationFault(
                        Secrecy.isSecretName(name) ? .secretName : .unknown, name: isShown ? name : "WARD_..."))
                continue
            }
            let values =
                setting.kind == .value(isRepeating: true)
                ? value.split(separator: " ").map(String.init) : [value]
            if let reason = values.lazy.compactMap({ SettingValue.fault($0, of: setting) }).first {
                faults.append(ConfigurationFault(reason, name: name))
            }
            fromEnvironment[setting] = Value(setting: setting, values: values, source: .environment(variable: name))
        }
        guard faults.isEmpty else { throw ConfigurationFaults(all: faults) }
        var configured: [Value] = []
        for setting in settings.sorted(by: { $0.name < $1.name }) where !Self.names(arguments).contains(setting.name) {
            if let value = fromEnvironment[setting] {
                configured.append(value)
                continue
            }
            let lines = file?.lines.filter { $0.setting == setting } ?? []
            guard let first = lines.first else { continue }
            configured.append(Value(setting: setting, values: lines.map(\.value), source: .file(line: first.number)))
        }
        self.configured = configured
        self.arguments = configured.flatMap(Self.arguments(for:)) + arguments
    }

    private static func arguments(for value: Value) -> [String] {
        switch value.setting.kind {
        case .flag: value.values.last.flatMap(SettingValue.isOn) == true ? ["--\(value.setting.name)"] : []
        case .value: value.values.map { "--\(value.setting.name)=\($0)" }
        }
    }

    /// Long options that stand on the command line.
    private static func names(_ arguments: [String]) -> Set<String> {
        Set(
            arguments.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }.map { argument in
                String(argument.dropFirst(2).prefix { $0 != "=" })
            })
    }

    /// The value of an option on the command line; nil if it is not there.
    public static func value(of name: String, in arguments: [String]) -> String? {
        var found: String?
        for (index, argument) in arguments.enumerated() {
            if argument.hasPrefix("--\(name)=") { found = String(argument.dropFirst(name.count + 3)) }
            if argument == "--\(name)", index + 1 < arguments.count { found = arguments[index + 1] }
        }
        return found
    }

    /// Whoever lists processes sees the arguments of all of them (proc(5)).
    private static func faults(ofArguments arguments: [String]) -> [ConfigurationFault] {
        var faults: [ConfigurationFault] = []
        var option: String?
        for argument in arguments {
            if argument.hasPrefix("--") { option = String(argument.dropFirst(2).prefix { $0 != "=" }) }
            let value = argument.hasPrefix("--") ? String(argument.drop { $0 != "=" }.dropFirst()) : argument
            if Secrecy.isSecretLike(value) {
                let name = option.flatMap { ConfigurationFile.isNameLike($0) ? "--\($0)" : nil }
                faults.append(ConfigurationFault(.secretLike, name: name ?? "an argument"))
            }
        }
        return faults
    }
}
