import ArgumentParser
import MeshControl
import MeshCrypto
import MeshNode

/// `shadowmesh up`.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Run a node in the foreground.",
        discussion: """
            Needs the capability CAP_NET_ADMIN and /dev/net/tun. Ends on SIGTERM, SIGINT or
            `shadowmesh down`.

            Examples:
              shadowmesh up --config /etc/shadowmesh/node.yaml
              shadowmesh up --config node.yaml --tap-name mesh0
              systemctl start shadowmesh
            """)

    @Option(help: "The YAML file.")
    var config: String

    @OptionGroup(title: "Settings instead of the file's")
    var overrides: NodeOverrides

    func run() async throws {
        try await Running.run {
            let loaded = try NodeConfiguration.load(
                path: config, environment: Running.environment, overrides: overrides.values,
                peerIDOfPublicKey: PublicIdentity.id(of:))
            for warning in loaded.warnings { Running.warn(warning) }
            try loaded.checkFiles()
            let configuration = loaded.configuration
            configuration.logging.bootstrap(environment: Running.environment)
            let identity = try IdentityBridge.read(
                configuration.identity, passphraseFile: configuration.passphraseFile)
            if let warning = configuration.warningOfItself(identity.id) { Running.warn(warning) }
            try await NodeRunner.run(configuration, identity: identity)
        }
    }
}

/// Flags that stand in for settings of a node's file.
struct NodeOverrides: ParsableArguments {
    @Option(help: "auto, relay or direct.")
    var mode: String?
    @Option(help: "The file of the identity.")
    var identity: String?
    @Option(help: "The file of its passphrase.")
    var passphraseFile: String?
    @Option(help: "Name of the TAP device.")
    var tapName: String?
    @Option(help: "Its addresses with prefix, separated by commas.")
    var tapAddress: String?
    @Option(help: "Its MTU in bytes.")
    var tapMtu: String?
    @Option(help: "Its Ethernet address.")
    var tapMac: String?
    @Option(help: "Where to listen for direct connections.")
    var listenAddress: String?
    @Option(help: "Relay connections while every peer is reached directly: auto, disconnect or standby.")
    var afterDirect: String?
    @Option(help: "Ask the network's gateway to forward a port: auto or off.")
    var portMapping: String?
    @Option(
        help:
            "For tests: what to take the NAT for: none, full-cone, restricted-cone, port-restricted-cone, symmetric or udp-blocked."
    )
    var natType: String?
    @Option(help: "Path of the control socket.")
    var controlSocket: String?
    @Option(help: "Group that may use the control socket.")
    var controlGroup: String?
    @Option(help: "trace, debug, info, notice, warning or error.")
    var loggingLevel: String?
    @Option(help: "text or json.")
    var loggingFormat: String?
    @Option(help: "Seconds between signs of life on an idle path.")
    var heartbeatInterval: String?
    @Option(help: "Seconds between exchanges of fresh keys.")
    var keyRotationInterval: String?

    /// The flags given, by key path.
    var values: [String: String] {
        [
            "mode": mode, "identity": identity, "passphrase_file": passphraseFile, "tap.name": tapName,
            "tap.address": tapAddress, "tap.mtu": tapMtu, "tap.mac": tapMac, "listen_address": listenAddress,
            "after_direct": afterDirect, "port_mapping": portMapping, "nat_type": natType,
            "control.socket": controlSocket, "control.group": controlGroup, "logging.level": loggingLevel,
            "logging.format": loggingFormat, "heartbeat_interval": heartbeatInterval,
            "key_rotation_interval": keyRotationInterval,
        ].compactMapValues { $0 }
    }
}
