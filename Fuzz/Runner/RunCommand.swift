import ArgumentParser
import Glibc
import MeshFuzz

/// Runs one target, or all in turn, for some time.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run one target, or all in turn, with mutated inputs.",
        discussion: "An input that crashes or hangs is kept as <crashes>/<target>/crash-<seed>.bin.")

    @Argument(help: "A target's name, or \"all\".") var target: String
    @Option(help: "How long each target runs.") var seconds: UInt64 = 60
    @Option(help: "Decides all inputs; a random one when absent.") var seed: UInt64?
    @Option(help: "The directory with a corpus for each target.") var corpus = "Fuzz/Corpus"
    @Option(help: "Where inputs that crash are kept.") var crashes = "out/fuzz"

    func validate() throws {
        guard target == "all" || FuzzTarget.named(target) != nil else {
            throw ValidationError("there is no target \"\(target)\"; see: shadowmesh-fuzz list")
        }
    }

    func run() throws {
        let seed = seed ?? UInt64.random(in: 0...0xFFFF_FFFF)
        for candidate in FuzzTarget.all where target == "all" || candidate.name == target {
            try run(candidate, seed: seed)
        }
    }

    private func run(_ target: FuzzTarget, seed: UInt64) throws {
        let inputs = try FuzzCorpus.inputs(at: "\(corpus)/\(target.name)").map(\.bytes) + target.seeds()
        var campaign = try FuzzCampaign(target, corpus: inputs, seed: seed)
        let keeper = try CrashKeeper(directory: "\(crashes)/\(target.name)", seed: seed)
        let start = Self.seconds()
        var slowest: (seconds: Double, byteCount: Int) = (0, 0)
        var before = start
        while before - start < Double(seconds) {
            let input = campaign.nextInput()
            keeper.keep(input)
            campaign.run(input)
            let after = Self.seconds()
            if after - before > slowest.seconds { slowest = (after - before, input.count) }
            before = after
        }
        keeper.done()
        let milliseconds = (slowest.seconds * 10_000).rounded() / 10
        print(
            "\(target.name): \(campaign.executionCount) executions, \(campaign.outcomeCount) outcomes, slowest "
                + "\(milliseconds) ms (\(slowest.byteCount) bytes), seed \(seed)")
    }

    private static func seconds() -> Double {
        var time = timespec()
        // SAFETY: the call fills the structure that it is given.
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
