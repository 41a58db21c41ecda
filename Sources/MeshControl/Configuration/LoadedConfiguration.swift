public import MeshBase

/// A configuration with the origin of each setting.
public struct LoadedConfiguration<Configuration: Sendable>: Sendable {
    /// The settings in force.
    public let configuration: Configuration
    /// Each setting in force with its origin, in the order in which they are documented.
    public let settings: [EffectiveSetting]
    /// What is no error but should be told, one sentence each.
    public let warnings: [String]
    /// Files that the configuration names and needs.
    let neededFiles: [SettingsReader.NeededFile]

    /// Checks that the files exist that the configuration names.
    ///
    /// `identityProblem` looks at the file of the private identity and says what is wrong with it; `nil` when nothing is.
    public func checkFiles(identityProblem: (String) -> String? = { _ in nil }) throws(ConfigurationError) {
        var issues: [ConfigurationIssue] = []
        for file in neededFiles {
            let kind: ConfigurationIssue.Kind
            let message: String
            if FileSystem.isMissing(file.path) {
                kind = .missingFile
                message = "found no file at \(file.path); \(file.remedy)"
            } else if file.keyPath == "identity", let problem = identityProblem(file.path) {
                kind = .unusableFile
                message = problem
            } else {
                continue
            }
            issues.append(
                ConfigurationIssue(kind: kind, source: file.source, keyPath: file.keyPath, message: message))
        }
        guard issues.isEmpty else { throw ConfigurationError(issues) }
    }
}

extension NodeConfiguration {
    /// Reads the configuration of a node.
    ///
    /// Flags are stronger than the environment, that is stronger than the file, and that than the defaults.
    /// - Parameters:
    ///   - path: The YAML file.
    ///   - environment: Variables; those that start with `SHADOWMESH_` count.
    ///   - overrides: Texts of flags by key path, such as `tap.mtu`.
    ///   - peerIDOfPublicKey: Computes the ID of a public identity of ``publicKeyByteCount`` bytes.
    /// - Throws: Every mistake at once.
    public static func load(
        path: String, environment: [String: String] = [:], overrides: [String: String] = [:],
        peerIDOfPublicKey: ([UInt8]) -> PeerID
    ) throws(ConfigurationError) -> LoadedConfiguration<NodeConfiguration> {
        let bytes = try ConfigurationLoader.bytes(ofFile: path)
        let inputs = SettingsReader.Inputs(file: path, environment: environment, overrides: overrides)
        return try parse(bytes, inputs, peerIDOfPublicKey: peerIDOfPublicKey)
    }

    /// Reads the configuration of a node from bytes that came from `file`.
    package static func parse(
        _ bytes: [UInt8], file: String, environment: [String: String] = [:], overrides: [String: String] = [:],
        peerIDOfPublicKey: ([UInt8]) -> PeerID
    ) throws(ConfigurationError) -> LoadedConfiguration<NodeConfiguration> {
        let inputs = SettingsReader.Inputs(file: file, environment: environment, overrides: overrides)
        return try parse(bytes, inputs, peerIDOfPublicKey: peerIDOfPublicKey)
    }

    private static func parse(
        _ bytes: [UInt8], _ inputs: SettingsReader.Inputs, peerIDOfPublicKey: ([UInt8]) -> PeerID
    ) throws(ConfigurationError) -> LoadedConfiguration<NodeConfiguration> {
        try ConfigurationLoader.load(bytes, inputs) { root, reader in
            read(root, &reader, peerIDOfPublicKey: peerIDOfPublicKey)
        }
    }
}

extension RelayConfiguration {
    /// Reads the configuration of a relay; precedence and errors are those of a node's.
    public static func load(
        path: String, environment: [String: String] = [:], overrides: [String: String] = [:]
    ) throws(ConfigurationError) -> LoadedConfiguration<RelayConfiguration> {
        let bytes = try ConfigurationLoader.bytes(ofFile: path)
        return try parse(bytes, file: path, environment: environment, overrides: overrides)
    }

    /// Reads the configuration of a relay from bytes that came from `file`.
    package static func parse(
        _ bytes: [UInt8], file: String, environment: [String: String] = [:], overrides: [String: String] = [:]
    ) throws(ConfigurationError) -> LoadedConfiguration<RelayConfiguration> {
        let inputs = SettingsReader.Inputs(file: file, environment: environment, overrides: overrides)
        return try ConfigurationLoader.load(bytes, inputs) { root, reader in read(root, &reader) }
    }
}

/// What both kinds of configuration share in being loaded.
enum ConfigurationLoader {
    static func bytes(ofFile path: String) throws(ConfigurationError) -> [UInt8] {
        do throws(FileProblem) {
            return try FileSystem.read(path, byteCountMax: YAMLReader.byteCountMax)
        } catch {
            let kind: ConfigurationIssue.Kind = error.isTooLarge ? .tooLarge : .unreadableFile
            let source = ConfigurationSource.file(path: path, line: 0, column: 0)
            throw ConfigurationError([
                ConfigurationIssue(kind: kind, source: source, keyPath: "", message: error.reason)
            ])
        }
    }

    static func load<Configuration>(
        _ bytes: [UInt8], _ inputs: SettingsReader.Inputs,
        read: (ConfigurationSection, inout SettingsReader) -> Configuration
    ) throws(ConfigurationError) -> LoadedConfiguration<Configuration> {
        let value = try YAMLReader.read(bytes, path: inputs.file)
        var reader = SettingsReader(inputs)
        let root = reader.root(value)
        let configuration = read(root, &reader)
        reader.finish()
        guard reader.issues.isEmpty else { throw ConfigurationError(reader.issues) }
        return LoadedConfiguration(
            configuration: configuration, settings: reader.settings, warnings: reader.warnings,
            neededFiles: reader.neededFiles)
    }
}

/// Parses bytes as both kinds of configuration; any bytes may come.
package func fuzzConfiguration(_ bytes: [UInt8]) {
    guard let zero = PeerID(bytes: [UInt8](repeating: 0, count: PeerID.byteCount)) else { return }
    _ = try? NodeConfiguration.parse(bytes, file: "fuzz.yaml", peerIDOfPublicKey: { _ in zero })
    _ = try? RelayConfiguration.parse(bytes, file: "fuzz.yaml")
}
