/// Where a setting, or an error about one, comes from.
public enum ConfigurationSource: Sendable, Hashable, CustomStringConvertible {
    /// Built in; nobody set it.
    case defaultValue
    /// A place in a configuration file; line and column count from 1, and 0 means the file as a whole.
    case file(path: String, line: Int, column: Int)
    /// An environment variable.
    case environment(variable: String)
    /// A command-line flag.
    case flag(name: String)

    /// `path:line:column`, the variable, the flag, or `default`.
    public var description: String {
        switch self {
        case .defaultValue: "default"
        case .file(let path, let line, let column): line == 0 ? path : "\(path):\(line):\(column)"
        case .environment(let variable): variable
        case .flag(let name): name
        }
    }
}

/// One thing that is wrong with a configuration.
public struct ConfigurationIssue: Sendable, Hashable, CustomStringConvertible {
    /// What sort of mistake it is.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The configuration file does not exist or cannot be read.
        case unreadableFile
        /// The file is over the limit of bytes, nodes, depth or aliases.
        case tooLarge
        /// The file is not YAML in UTF-8, or holds more than one document.
        case syntax
        /// A key the program does not know.
        case unknownKey
        /// A key given twice in one map.
        case duplicateKey
        /// A list where a text belongs, a text where a number belongs, and the like.
        case wrongType
        /// A number outside its range, or a text or list that is too long.
        case outOfRange
        /// A text that is not of the form the key needs.
        case invalidValue
        /// A required key that is absent.
        case missingKey
        /// Settings that are each right but do not go together.
        case conflict
        /// A file that the configuration names and that does not exist.
        case missingFile
        /// A file that the configuration names and that cannot be used.
        case unusableFile
    }

    /// What sort of mistake it is.
    public let kind: Kind
    /// Where it was made.
    public let source: ConfigurationSource
    /// The key, as a path from the root such as `peers[2].peer_id`; empty for the file as a whole.
    public let keyPath: String
    /// What was found and what was expected, in words.
    public let message: String

    /// Makes an issue.
    public init(kind: Kind, source: ConfigurationSource, keyPath: String, message: String) {
        self.kind = kind
        self.source = source
        self.keyPath = keyPath
        self.message = message
    }

    /// `source: key: message`.
    public var description: String {
        keyPath.isEmpty ? "\(source): \(message)" : "\(source): \(keyPath): \(message)"
    }
}

/// Everything that is wrong with one configuration, never empty, in the order of the file.
public struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The issues.
    public let issues: [ConfigurationIssue]

    /// Makes an error of at least one issue.
    public init(_ issues: [ConfigurationIssue]) { self.issues = issues }

    /// One issue a line.
    public var description: String { issues.map(\.description).joined(separator: "\n") }
}
