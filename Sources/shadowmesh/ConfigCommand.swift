import ArgumentParser
import MeshControl
import MeshCrypto

/// `shadowmesh config`.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Work with configuration files.",
        discussion: "Example:\n  shadowmesh config check /etc/shadowmesh/node.yaml",
        subcommands: [ConfigCheckCommand.self])
}

/// `shadowmesh config check`.
struct ConfigCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Look for mistakes and print the settings in force, each with where it comes from.",
        discussion: """
            Prints every mistake with file, line, column, key and what was expected, and
            ends with status 78. Looks into the file of the identity as well. Environment
            variables (SHADOWMESH_TAP_MTU and the like) count as they would for the daemon.

            Examples:
              shadowmesh config check node.yaml
              shadowmesh config check --relay relay.yaml
              shadowmesh config check --skip-files node.yaml    meant for another host
            """)

    @Argument(help: "The YAML file.")
    var file: String

    @Flag(help: "It is the configuration of a relay, not of a node.")
    var relay = false

    @Flag(help: "Do not look whether the files exist that it names.")
    var skipFiles = false

    func run() async throws {
        try await Running.run { Running.show(relay ? try checkRelay() : try checkNode()) }
    }

    private func checkNode() throws -> String {
        let loaded = try NodeConfiguration.load(
            path: file, environment: Running.environment, peerIDOfPublicKey: PublicIdentity.id(of:))
        if !skipFiles { try loaded.checkFiles(identityProblem: IdentityBridge.problem) }
        var warnings = loaded.warnings
        if !skipFiles, let id = IdentityBridge.readableID(loaded.configuration.identity) {
            warnings += [loaded.configuration.warningOfItself(id)].compactMap(\.self)
        }
        return ConfigurationReport.text(loaded.settings, warnings: warnings, file: file)
    }

    private func checkRelay() throws -> String {
        let loaded = try RelayConfiguration.load(path: file, environment: Running.environment)
        if !skipFiles { try loaded.checkFiles(identityProblem: IdentityBridge.problem) }
        return ConfigurationReport.text(loaded.settings, warnings: loaded.warnings, file: file)
    }
}
