import ArgumentParser
import WardConfiguration
import WardFHIR

/// Configuration of the server.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check what the server is told by its configuration file.",
        subcommands: [Check.self])

    /// Reads a configuration as `ward serve` would, and starts nothing.
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Check a configuration file as ward serve --config would read it.",
            discussion: """
                A line is NAME = VALUE; NAME is an option of ward serve without its hyphens, flags take yes or no, and a list \
                repeats its name. What the command line says wins over the environment (WARD_NAME), and that over the file. \
                Ends with 0 if the server would start with it as far as it alone can tell, and with 1 otherwise.
                """)

        @Argument(help: "The file.")
        var file: String

        @Flag(name: .long, help: "One JSON object instead of text.")
        var json = false

        func run() async throws {
            let configured: ConfiguredArguments
            do throws(ConfigurationFaults) {
                configured = try ServerConfiguration.read(file, [], ServerConfiguration.environment)
            } catch {
                if json { tell([], error.all) }
                throw CommandFailure(error.text)
            }
            // What the options themselves refuse: a port, a number out of its range.
            let command: ServeCommand
            do {
                command = try ServeCommand.parse(configured.arguments)
                _ = try command.listen.settings(isDemo: false)
            } catch let failure as CommandFailure {
                throw failure
            } catch {
                // The parser's own text repeats the value.
                throw CommandFailure("a value is not what its setting takes: \(Self.names(configured))")
            }
            if json { return tell(configured.configured, []) }
            for value in configured.configured {
                Terminal.say("\(value.setting.name) = \(value.values.joined(separator: " "))   (\(value.source.text))")
            }
            Terminal.say("\(file) is well formed")
        }

        /// Settings that one by one are refused by their option.
        private static func names(_ configured: ConfiguredArguments) -> String {
            let names = configured.configured.filter { value in
                guard case .value = value.setting.kind else { return false }
                let arguments = value.values.map { "--\(value.setting.name)=\($0)" }
                return (try? ServeCommand.parse(arguments)) == nil
            }.map { "\($0.source.text): \($0.setting.name)" }
            return names.joined(separator: ", ")
        }

        private func tell(_ values: [ConfiguredArguments.Value], _ faults: [ConfigurationFault]) {
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("valid")
            writer.bool(faults.isEmpty)
            writer.key("settings")
            writer.beginArray()
            for value in values {
                writer.beginObject()
                writer.member("name", value.setting.name)
                writer.member("value", value.values.joined(separator: " "))
                writer.member("source", value.source.text)
                writer.endObject()
            }
            writer.endArray()
            writer.key("faults")
            writer.beginArray()
            for fault in faults { writer.string(fault.text) }
            writer.endArray()
            writer.endObject()
            Terminal.say(String(decoding: writer.bytes, as: UTF8.self))
        }
    }
}
