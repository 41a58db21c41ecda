import ArgumentParser
import MeshControl

/// `shadowmesh ping`.
struct PingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping",
        abstract: "Measure the round trip to a peer inside its session, and name the path.",
        discussion: """
            Ends with status 1 when no probe was answered.

            Examples:
              shadowmesh ping belgium-rpi
              shadowmesh ping -c 1 abcdefghij      beginning of its ID
              shadowmesh ping --json belgium-rpi
            """)

    @Argument(help: "Name of the peer, its ID, or a unique beginning of the ID.")
    var peer: String

    @Option(name: [.customShort("c"), .long], help: "Probes, one a second.")
    var count = 4

    @Flag(help: "Print JSON with sorted keys.")
    var json = false

    @OptionGroup var control: ControlOptions

    func validate() throws {
        guard count >= 1 else { throw ValidationError("-c takes a number from 1") }
    }

    func run() async throws {
        try await Running.run {
            var probes: [PingReport.Probe] = []
            for sequence in 1...count {
                if sequence > 1 { try await Task.sleep(for: .seconds(1)) }
                guard case .ping(let report) = try await control.client.send(.ping(peer: peer, count: 1)) else {
                    return
                }
                probes += report.probes
                Running.show(
                    json ? try StatusText.json(report) : StatusText.text(report, firstSequence: sequence))
            }
            if !json { Running.show(StatusText.summary(probes)) }
            if probes.allSatisfy({ $0.rttMicroseconds == nil }) { throw ExitCode(ExitStatus.failure.rawValue) }
        }
    }
}
