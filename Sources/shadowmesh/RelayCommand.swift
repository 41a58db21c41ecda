import ArgumentParser
import MeshControl
import MeshRelayServer

/// `shadowmesh relay`.
struct RelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay",
        abstract: "Run a relay, which introduces nodes and forwards what it cannot read.",
        discussion: "Example:\n  shadowmesh relay run --config /etc/shadowmesh/relay.yaml",
        subcommands: [RelayRunCommand.self])
}

/// `shadowmesh relay run`.
struct RelayRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a relay in the foreground.",
        discussion: """
            Ports below 1024 need the capability CAP_NET_BIND_SERVICE. SIGTERM drains:
            clients are told to move.

            Examples:
              shadowmesh relay run --config /etc/shadowmesh/relay.yaml
              shadowmesh relay run --config relay.yaml --listen-address 127.0.0.1:8443
              systemctl start shadowmesh-relay
            """)

    @Option(help: "The YAML file.")
    var config: String

    @OptionGroup(title: "Settings instead of the file's")
    var overrides: RelayOverrides

    func run() async throws {
        try await Running.run {
            let (path, values) = (config, overrides.values)
            let load: @Sendable () throws -> LoadedConfiguration<RelayConfiguration> = {
                try RelayConfiguration.load(path: path, environment: Running.environment, overrides: values)
            }
            let loaded = try load()
            for warning in loaded.warnings { Running.warn(warning) }
            try loaded.checkFiles()
            let configuration = loaded.configuration
            configuration.logging.bootstrap(environment: Running.environment)
            let identity = try IdentityBridge.read(
                configuration.identity, passphraseFile: configuration.passphraseFile)
            try await RelayRunner.run(configuration, identity: identity) { try load().configuration }
        }
    }
}

/// Flags that stand in for settings of a relay's file.
struct RelayOverrides: ParsableArguments {
    @Option(help: "Where clients connect.")
    var listenAddress: String?
    @Option(help: "Where STUN is answered, or off.")
    var stunAddress: String?
    @Option(help: "The file of the identity.")
    var identity: String?
    @Option(help: "The file of its passphrase.")
    var passphraseFile: String?
    @Option(help: "Directory for what the relay keeps.")
    var stateDirectory: String?
    @Option(help: "trace, debug, info, notice, warning or error.")
    var loggingLevel: String?
    @Option(help: "text or json.")
    var loggingFormat: String?

    /// The flags given, by key path.
    var values: [String: String] {
        [
            "listen_address": listenAddress, "stun_address": stunAddress, "identity": identity,
            "passphrase_file": passphraseFile, "state_directory": stateDirectory, "logging.level": loggingLevel,
            "logging.format": loggingFormat,
        ].compactMapValues { $0 }
    }
}
