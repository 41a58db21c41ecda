import ArgumentParser
import MeshNode

/// The command.
@main
struct ShadowMesh: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shadowmesh",
        abstract: "A mesh of hosts that behaves like one Ethernet switch, secured against quantum computers.",
        discussion: """
            A first node creates its identity, prints its peer ID for others, checks its
            configuration, and runs:
              shadowmesh init
              shadowmesh id
              shadowmesh config check /etc/shadowmesh/node.yaml
              shadowmesh up --config /etc/shadowmesh/node.yaml

            Exit status:
              0   done
              1   failed, for a reason on standard error
              64  wrong arguments
              69  no daemon is running, or it does not answer
              77  permission denied
              78  a mistake in the configuration

            Each scalar setting can also be given as an environment variable: SHADOWMESH_
            and the key in capitals, such as SHADOWMESH_TAP_NAME. Flags are stronger than
            variables, and those than the file.
            """,
        version: ShadowMeshVersion.text,
        subcommands: [
            InitCommand.self, IDCommand.self, ConfigCommand.self, UpCommand.self, RelayCommand.self,
            RegistryCommand.self,
            StatusCommand.self, PeersCommand.self, PingCommand.self, PathCommand.self, NetcheckCommand.self,
            DownCommand.self,
        ])
}
