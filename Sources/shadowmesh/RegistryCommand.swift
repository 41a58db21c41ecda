import ArgumentParser
import MeshControl
import MeshOperator

/// `shadowmesh registry`.
struct RegistryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registry",
        abstract: "Look relays up in the registry on Ethereum, and register one's own.",
        discussion: """
            Which registry: the section `registry` of a configuration file, or flags.

            Examples:
              shadowmesh registry list --config /etc/shadowmesh/node.yaml
              shadowmesh registry list --network sepolia --rpc https://a.example --rpc https://b.example
              shadowmesh registry account --keystore /etc/shadowmesh/account.json
              shadowmesh registry register --config /etc/shadowmesh/relay.yaml \\
                --url wss://relay.example --region eu --stake 0.1 --dry-run
            """,
        subcommands: [
            RegistryListCommand.self, RegistryShowCommand.self, RegistryAccountCommand.self,
            RegistryRegisterCommand.self, RegistryHeartbeatCommand.self, RegistryUpdateCommand.self,
            RegistryDeregisterCommand.self, RegistryWithdrawCommand.self, RegistryDeployCommand.self,
        ])
}

/// Which registry is meant.
struct RegistryOptions: ParsableArguments {
    @Option(help: "The YAML file of a node or relay with a section `registry`.")
    var config: String?
    @Option(help: "mainnet, sepolia, development, or the number of a chain.")
    var network: String?
    @Option(help: "URL of a JSON-RPC endpoint; give several, of different operators.")
    var rpc: [String] = []
    @Option(help: "The registry's address or name.")
    var contract: String?
    @Option(help: "The address of the ENS registry, where it is not the usual one.")
    var ens: String?
    @Option(help: "The file that keeps the list.")
    var cache: String?
    @Option(help: "The keystore file of the account that signs.")
    var keystore: String?
    @Option(help: "The file of its passphrase, mode 0600.")
    var keystorePassphraseFile: String?

    /// The configuration that file and flags make.
    func load() throws -> RegistryConfiguration {
        var overrides = [
            "registry.network": network, "registry.contract": contract, "registry.ens": ens, "registry.cache": cache,
            "registry.keystore": keystore, "registry.keystore_passphrase_file": keystorePassphraseFile,
        ].compactMapValues { $0 }
        if !rpc.isEmpty { overrides["registry.rpc"] = rpc.joined(separator: ",") }
        let configuration = try RegistryConfiguration.load(
            path: config, environment: Running.environment, overrides: overrides)
        LoggingConfiguration().bootstrap(environment: Running.environment)
        return configuration
    }
}

/// `shadowmesh registry list`.
struct RegistryListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show the registered relays, as proven by the chain.",
        discussion: """
            When no endpoint can be reached, the list that was kept is shown, and said to be.

            Example:
              shadowmesh registry list --config /etc/shadowmesh/node.yaml --json
            """)

    @OptionGroup(title: "The registry") var options: RegistryOptions
    @Flag(help: "Print one JSON object.") var json = false

    func run() async throws {
        try await Running.run {
            let listing = try await RelayListing.read(try options.load())
            Running.show(json ? try listing.json() : listing.text)
        }
    }
}

/// `shadowmesh registry show`.
struct RegistryShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show all that the registry holds of a relay.",
        discussion: "Example:\n  shadowmesh registry show 4dmjz6k3aq --config /etc/shadowmesh/node.yaml")

    @Argument(help: "The relay's ID, or how it begins.") var id: String
    @OptionGroup(title: "The registry") var options: RegistryOptions

    func run() async throws {
        try await Running.run {
            let listing = try await RelayListing.read(try options.load())
            guard let details = listing.details(of: id) else { throw NoSuchRelay(id: id) }
            Running.show(details)
        }
    }
}

/// The registry does not have that relay.
private struct NoSuchRelay: Error, CustomStringConvertible {
    let id: String

    var description: String {
        "no relay whose ID begins with \"\(id)\" is registered; shadowmesh registry list shows all"
    }
}
