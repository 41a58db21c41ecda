import ArgumentParser
import MeshNode

/// The command.
@main
struct ShadowMesh: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shadowmesh",
        abstract: "A mesh of hosts that behaves like one Ethernet switch, secured against quantum computers.",
        discussion: """
            A first node:
              shadowmesh init                                       create its identity
              shadowmesh id                                         print its peer ID, to give to others
              shadowmesh config check /etc/shadowmesh/node.yaml     look for mistakes
              shadowmesh up --config /etc/shadowmesh/node.yaml      run

            Exit status: 0 done; 1 failed, for a reason on standard error; 64 wrong arguments;
            69 no daemon is running; 77 permission denied; 78 a mistake in the configuration.

            Each scalar setting can also be given as an environment variable: SHADOWMESH_ and the key in
            capitals, such as SHADOWMESH_TAP_NAME. Flags are stronger than variables, those than the file.
            """,
        version: ShadowMeshVersion.text,
        subcommands: [
            InitCommand.self, IDCommand.self, ConfigCommand.self, UpCommand.self, RelayCommand.self,
            StatusCommand.self, PeersCommand.self, PingCommand.self, DownCommand.self,
        ])
}
