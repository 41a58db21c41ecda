import ArgumentParser
import MeshControl

/// `shadowmesh path`.
struct PathCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path",
        abstract: "Show the paths to a peer, or choose the one that frames to it take.",
        discussion: """
            A choice holds for frames from this node to the peer; the peer chooses for its own.
            Frames move without loss. A chosen address is left when its path dies; then the best
            path is taken again. Ends with status 1 when the path chosen could not be taken.

            Examples:
              shadowmesh path belgium-rpi
              shadowmesh path belgium-rpi --use relay
              shadowmesh path belgium-rpi --use 192.0.2.7:40312
              shadowmesh path belgium-rpi --use direct     look for a direct path now
              shadowmesh path belgium-rpi --use auto       the best path again
            """)

    @Argument(help: "Name of the peer, its ID, or a unique beginning of the ID.")
    var peer: String

    @Option(help: "auto, relay, direct, or address and port of a direct path.")
    var use: String?

    @Flag(help: "Print JSON with sorted keys.")
    var json = false

    @OptionGroup var control: ControlOptions

    private var choice: PathChoice? { use.flatMap { PathChoice(text: $0) } }

    func validate() throws {
        if let use, choice == nil {
            throw ValidationError("--use takes auto, relay, direct or ADDRESS:PORT, not \(use)")
        }
    }

    func run() async throws {
        try await Running.run {
            // The daemon tells what happened after 7 s at the latest.
            guard case .path(let report) = try await control.client.send(.path(peer: peer, use: choice)) else { return }
            Running.show(json ? try StatusText.json(report) : StatusText.text(report))
            if report.outcome?.isMet == false { throw ExitCode(ExitStatus.failure.rawValue) }
        }
    }
}
