import ArgumentParser
import MeshControl

/// How a command reaches the daemon.
struct ControlOptions: ParsableArguments {
    @Option(help: "Path of the daemon's control socket; else SHADOWMESH_CONTROL_SOCKET, else the default.")
    var socket: String?

    /// A client of that socket.
    var client: ControlClient {
        let fromEnvironment = Running.environment["SHADOWMESH_CONTROL_SOCKET"]
        return ControlClient(socket: socket ?? fromEnvironment ?? NodeConfiguration.Control().socket)
    }
}

/// `shadowmesh status`.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what the running node does: device, relays, peers, sessions, counters.",
        discussion: """
            Examples:
              shadowmesh status
              shadowmesh status --watch            again every second
              shadowmesh status --json | jq '.peers[].state'
            """)

    @Flag(help: "Print JSON with sorted keys.")
    var json = false

    @Flag(help: "Print again every second until interrupted.")
    var watch = false

    @OptionGroup var control: ControlOptions

    func run() async throws {
        try await Running.run {
            repeat {
                guard case .status(let status) = try await control.client.send(.status) else { return }
                let text = json ? try StatusText.json(status) : StatusText.text(status)
                Running.show(watch && !json ? Self.clearScreen + text : text)
                if watch { try await Task.sleep(for: .seconds(1)) }
            } while watch
        }
    }

    /// Cursor home and erase (ECMA-48: CUP, ED).
    private static let clearScreen = "\u{1B}[H\u{1B}[2J"
}

/// `shadowmesh peers`.
struct PeersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers",
        abstract: "Show the peers, or those that ask for a session and are not configured.",
        discussion: """
            Examples:
              shadowmesh peers
              shadowmesh peers --pending
              shadowmesh peers --json
            """)

    @Flag(help: "Show the latest unknown peers instead.")
    var pending = false

    @Flag(help: "Print JSON with sorted keys.")
    var json = false

    @OptionGroup var control: ControlOptions

    func run() async throws {
        try await Running.run {
            let response = try await control.client.send(.peers(pending: pending))
            guard case .peers(let listing) = response else { return }
            Running.show(json ? try StatusText.json(listing) : StatusText.text(listing, pending: pending))
        }
    }
}

/// `shadowmesh down`.
struct DownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down",
        abstract: "Stop the running node.",
        discussion: "Example:\n  shadowmesh down")

    @OptionGroup var control: ControlOptions

    func run() async throws {
        try await Running.run {
            _ = try await control.client.send(.down)
            Running.show("shutting down")
        }
    }
}
