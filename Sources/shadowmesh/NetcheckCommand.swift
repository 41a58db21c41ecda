import ArgumentParser
import MeshBase
import MeshControl
import MeshCrypto
import MeshNode

/// `shadowmesh netcheck`.
struct NetcheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "netcheck",
        abstract: "Find out what this host's network lets through, and what that means for direct connections.",
        discussion: """
            Asks relays and the gateway: UDP, IPv4 and IPv6, what NAT there is, whether the
            gateway forwards ports, how far each relay is. Needs no running daemon and takes
            less than 5 s. Ends with status 1 when no relay is reached.

            Examples:
              shadowmesh netcheck --config /etc/shadowmesh/node.yaml
              shadowmesh netcheck --relay wss://relay.example --relay wss://192.0.2.1:8443
              shadowmesh netcheck --json --config node.yaml | jq .nat
            """)

    /// As many as a node may be configured with.
    private static let relaysMax = 64

    @Option(help: "A node's YAML file: its relays are asked.")
    var config: String?

    @Option(name: .customLong("relay"), help: "URL of a relay; can be given several times.")
    var relays: [String] = []

    @Option(help: "UDP port of the relays' STUN service.")
    var stunPort: UInt16 = 3478

    @Flag(help: "Print JSON with sorted keys.")
    var json = false

    func validate() throws {
        guard config != nil || !relays.isEmpty else {
            throw ValidationError("name relays: --config node.yaml, or --relay wss://…")
        }
        guard relays.count <= Self.relaysMax else {
            throw ValidationError("at most \(Self.relaysMax) relays are asked")
        }
        guard stunPort != 0 else { throw ValidationError("--stun-port takes a number from 1") }
        for text in relays {
            do throws(RelayURLError) { _ = try RelayURL(text) } catch { throw ValidationError("\(error)") }
        }
    }

    func run() async throws {
        try await Running.run {
            var urls: [RelayURL] = []
            for text in relays { urls.append(try RelayURL(text)) }
            if let config {
                let loaded = try NodeConfiguration.load(
                    path: config, environment: Running.environment, peerIDOfPublicKey: PublicIdentity.id(of:))
                urls += loaded.configuration.relays.map(\.url)
                if urls.isEmpty {
                    Running.warn("\(config) names no relay; give one with --relay wss://…")
                    throw ExitCode(ExitStatus.failure.rawValue)
                }
            }
            let report = await NetworkCheck.run(relays: urls, stunPort: stunPort)
            Running.show(json ? try StatusText.json(report) : report.text)
            if !report.isConnected { throw ExitCode(ExitStatus.failure.rawValue) }
        }
    }
}
