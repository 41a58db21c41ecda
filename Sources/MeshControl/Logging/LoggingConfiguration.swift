/// What a program logs, and how.
public struct LoggingConfiguration: Sendable, Hashable {
    /// From which severity on messages are written, the lowest first.
    public enum Level: String, Sendable, Hashable, CaseIterable {
        /// Everything, also single events of protocols.
        case trace
        /// What helps to find a fault.
        case debug
        /// What happens in normal operation.
        case info
        /// Normal, but worth a look.
        case notice
        /// Something works worse than it should.
        case warning
        /// Something does not work.
        case error
    }

    /// How a message is written.
    public enum Format: String, Sendable, Hashable, CaseIterable {
        /// A line for people.
        case text
        /// One JSON object a line.
        case json
    }

    /// The lowest severity written.
    public var level: Level
    /// How messages are written.
    public var format: Format

    /// Makes a logging configuration.
    public init(level: Level = .info, format: Format = .text) {
        self.level = level
        self.format = format
    }
}

extension SettingsReader {
    mutating func logging(in root: ConfigurationSection) -> LoggingConfiguration {
        let section = section("logging", in: root)
        let defaults = LoggingConfiguration()
        return LoggingConfiguration(
            level: value("level", in: section, .choice, default: defaults.level),
            format: value("format", in: section, .choice, default: defaults.format))
    }
}
