import ArgumentParser
import MeshFuzz

/// Throws mutated bytes at everything that takes bytes from others.
@main
struct ShadowMeshFuzz: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shadowmesh-fuzz", abstract: "Fuzz the parsers and machines of ShadowMesh.",
        subcommands: [ListCommand.self, RunCommand.self, ReplayCommand.self, SeedCorpusCommand.self])
}

/// Shows the targets.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show the names of all targets.")

    func run() { for target in FuzzTarget.all { print(target.name) } }
}

/// Writes the seed corpus.
struct SeedCorpusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seed-corpus", abstract: "Write valid inputs of every target below a directory.")

    @Argument(help: "The directory; each target gets one below it.") var directory = "Fuzz/Corpus"

    func run() throws { try FuzzCorpus.writeSeeds(to: directory) }
}
