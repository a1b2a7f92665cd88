import ArgumentParser
import Foundation
import WardConfiguration
import WardFHIR

/// What `ward serve` is told by file and environment, put before what its arguments say.
enum ServerConfiguration {
    /// The settings are the options of `ward serve`, so that there is no second list of them.
    static var settings: [Setting] {
        guard let root = (try? JSONTape(parsing: Array(ServeCommand._dumpHelp().utf8)))?.root,
            let command = root["command"]
        else { return [] }
        return (command["arguments"]?.elements ?? []).compactMap { argument in
            guard let name = argument["preferredName"]?["name"]?.string, !["config", "help", "version"].contains(name)
            else { return nil }
            let isFlag = argument["kind"]?.string == "flag"
            let isRepeating = argument["isRepeating"]?.kind == .true
            return Setting(name, isFlag ? .flag : .value(isRepeating: isRepeating))
        }
    }

    /// The arguments of the program, completed where it is to serve.
    static func completed(_ arguments: [String]) throws -> [String] {
        guard arguments.first == "serve", !arguments.contains("--help"), !arguments.contains("-h") else {
            return arguments
        }
        let path = ConfiguredArguments.value(of: "config", in: arguments) ?? environment["WARD_CONFIG"]
        do throws(ConfigurationFaults) {
            return ["serve"] + (try read(path, Array(arguments.dropFirst()), environment)).arguments
        } catch {
            throw CommandFailure(error.text)
        }
    }

    /// - Parameter path: of the file; nil for none.
    static func read(
        _ path: String?, _ arguments: [String], _ environment: [String: String]
    ) throws(ConfigurationFaults) -> ConfiguredArguments {
        let settings = settings
        var file: ConfigurationFile?
        if let path { file = try ConfigurationFile(path: path, settings: settings) }
        return try ConfiguredArguments(
            arguments: arguments, environment: environment.map { (name: $0.key, value: $0.value) }, file: file,
            settings: settings)
    }

    /// Variables of the process (environ(7)).
    static var environment: [String: String] { ProcessInfo.processInfo.environment }
}
